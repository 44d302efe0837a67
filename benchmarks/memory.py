"""Memory of inference: how far a process grows while it samples the paper's network at 128 x 128.

The model is loaded before, from a file as users have it.

The growth is that of the peak of resident memory over what was resident before the run. What the run hands back, every
kept step of every reading, is told apart: it belongs to the caller. A reading counts as computed at a time from the
first to the last of its steps; how many are is seen from the steps that the engine tells.
"""

import ctypes
import gc
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np

from benchmarks import models
from benchmarks.harness import SCRATCH, CannotRun, Figures, Found, Plan, Row, row
from napari_ambiseg import engine
from napari_ambiseg.engine import Sampled, SamplingOptions, reading_seeds
from napari_ambiseg.models.checkpoint import Model, load_checkpoint, save_checkpoint

PLAN = Plan(repetitions=3, fresh=True)

_COUNTS = (1, 4, 16, 64)
_ENGINES = ("torch", "onnx")
_FIXED_MB, _READING_MB = 60.0, 35.0
_STATUS = Path("/proc/self/status")


def sides(quick: bool) -> tuple[str, ...]:
    """Every number of readings with every engine."""
    return tuple(f"{name} {count}" for count in _COUNTS for name in _ENGINES)


def prepare(side: str, quick: bool) -> Callable[[], Figures]:
    """A model that was loaded from a file."""
    if not _STATUS.is_file():
        raise CannotRun("the peak of a process's memory is read from /proc, which is not here")
    name, count = side.split()
    model = _loaded(models.named_model("tiny" if quick else "paper", 32 if quick else 128))
    slice_input, seeds = models.noise_slice(model), reading_seeds(0, int(count))

    def measure() -> Figures:
        _give_back()
        before = _resident_mb("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # the peak is what is resident now
        running = engine.run(
            model, slice_input, seeds=seeds, options=SamplingOptions(steps=3), device="cpu", engine=name
        )
        under_way: dict[range, bool] = {}
        most = 0
        while True:
            try:
                advance = next(running)
            except StopIteration as finished:
                return _figures(finished.value, name, growth=_resident_mb("VmHWM") - before, together=most)
            under_way[advance.readings] = advance.step < advance.total
            most = max(most, sum(len(chunk) for chunk, is_open in under_way.items() if is_open))

    return measure


def _loaded(model: Model) -> Model:
    """The model from a file of its own."""
    file = Path(os.environ[SCRATCH]) / f"{os.getpid()}.safetensors"
    save_checkpoint(file, models.diffusion_of(model), model.header)
    loaded = load_checkpoint(file)
    file.unlink()
    return loaded


def _give_back() -> None:
    """Memory that is free but not given back would count as resident, and be taken first."""
    gc.collect()
    with suppress(AttributeError):  # another C library than GNU's has no such function
        ctypes.CDLL(None).malloc_trim(0)


def _figures(sampled: Sampled, name: str, *, growth: float, together: int) -> Figures:
    models.require_engine(sampled, name)
    returned = sum(array.nbytes for array in (sampled.x_t, sampled.x_hat, sampled.readings)) / 2**20
    return {"growth_mb": growth, "returned_mb": returned, "together": together}


def _resident_mb(field: str) -> float:
    """VmRSS or its peak, VmHWM, in units of 2^20 bytes."""
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) / 1024


def rows(found: Found) -> list[Row]:
    """The bound for every number of readings, and whether more readings need more."""
    table: list[Row] = []
    for name in _ENGINES:
        table += [
            row(
                f"memory of {', '.join(map(str, _COUNTS))} readings, {name}",
                f"<= {_FIXED_MB:.0f} MB and {_READING_MB:.0f} MB a reading computed at a time",
                lambda name=name: _bound(found, name),
            ),
            row(f"… 64 readings beyond 16, {name}", "0 MB, within one reading", lambda name=name: _flat(found, name)),
        ]
    return table


def _own_mb(found: Found, name: str, count: int) -> float:
    """Growth but for what is handed back."""
    side = f"{name} {count}"
    return found.median(side, "growth_mb") - found.median(side, "returned_mb")


def _bound(found: Found, name: str) -> tuple[str, bool]:
    own = {count: _own_mb(found, name, count) for count in _COUNTS}
    together = {count: found.median(f"{name} {count}", "together") for count in _COUNTS}
    returned = found.median(f"{name} {_COUNTS[-1]}", "returned_mb")
    slope, fixed = np.polyfit([together[count] for count in _COUNTS], [own[count] for count in _COUNTS], 1)
    told = ", ".join(f"{own[count]:.0f}" for count in _COUNTS)
    at_a_time = ", ".join(f"{together[count]:.0f}" for count in _COUNTS)
    return (
        f"{told} MB with {at_a_time} at a time: {fixed:.0f} MB and {slope:.0f} MB a reading; "
        f"beside {returned:.0f} MB that {_COUNTS[-1]} readings of three steps are",
        all(own[count] <= _FIXED_MB + _READING_MB * together[count] for count in _COUNTS),
    )


def _flat(found: Found, name: str) -> tuple[str, bool]:
    more = _own_mb(found, name, 64) - _own_mb(found, name, 16)
    return f"{more:.0f} MB", more <= _READING_MB

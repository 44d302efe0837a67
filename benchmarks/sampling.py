"""Sixteen readings of ten DDIM steps with the paper's network: the engine against plain loops, peers and the limit.

Every side runs the same arithmetic of the reverse diffusion on the same noise; only what computes the network differs,
and how readings are put together. The peers' networks do not do quite as much arithmetic as the paper's, so each is
judged by its time per operation. The limit is the rate at which this machine multiplies large float32 matrices, and
the share of it counts the operations that an engine does: ONNX Runtime is given a tenth fewer than the network has.
"""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks import models
from benchmarks.harness import SCRATCH, Figures, Found, Plan, Row, row, spread
from napari_ambiseg import engine
from napari_ambiseg.engine import Sampled, SamplingOptions, reading_seeds
from napari_ambiseg.models.checkpoint import Model

PLAN = Plan(repetitions=5)

INT8 = "onnx-int8"
ENGINES = ("torch", "onnx", INT8)
LIMIT, LOOP, BATCH, MONAI, DIFFUSERS = "matrix product", "one by one", "one batch", "MONAI", "diffusers"
_RATIO_GOALS = {LOOP: 0.60, BATCH: None, MONAI: 0.57, DIFFUSERS: 0.50}


def sides(quick: bool) -> tuple[str, ...]:
    """Engines between what they are compared with; int8 is judged on many slices first, which is not quick."""
    return (LIMIT, *(name for name in ENGINES if not (quick and name == INT8)), LOOP, BATCH, MONAI, DIFFUSERS)


def prepare(side: str, quick: bool) -> Callable[[], Figures]:
    """A side; its first run, in which libraries warm up, is over."""
    if side == LIMIT:
        return lambda: {"flop_per_s": _product_rate(512 if quick else 4096)}
    side_px, count, steps = (32, 4, 2) if quick else (128, 16, 10)
    options = SamplingOptions(steps=steps, sampler="ddim")
    model = models.named_model("paper", side_px)
    build = _engine_side if side in ENGINES else _plain_side
    return build(model, side, reading_seeds(0, count), options)


def _engine_side(model: Model, name: str, seeds: tuple[int, ...], options: SamplingOptions) -> Callable[[], Figures]:
    runs = len(seeds) * options.steps
    flop = models.step_flop(models.diffusion_of(model), model.header.grid.size[0]) * runs
    done = _graph_flop(model) * runs if name == "onnx" else flop
    slice_input = models.noise_slice(model)

    def draw(steps: SamplingOptions) -> Sampled:
        sampled = engine.sample(model, slice_input, seeds=seeds, options=steps, device="cpu", engine=name)
        models.require_engine(sampled, name)
        return sampled

    def measure() -> Figures:
        since = time.process_time()
        sampled = draw(options)
        cpu_seconds = time.process_time() - since
        _save(name, sampled.x_hat[-1])
        times = {"seconds": sampled.seconds, "cpu_seconds": cpu_seconds, "first_seconds": sampled.first_seconds}
        return {**times, "flop": flop, "done_flop": done, "notes": list(sampled.notes)}

    draw(SamplingOptions(steps=1))
    return measure


def _graph_flop(model: Model) -> int:
    """Operations of a reading's step in the graph that ONNX Runtime is given."""
    from napari_ambiseg.engine.backends.onnx_networks import network_model

    return models.graph_flop(network_model(models.diffusion_of(model).network, model.header.grid.size))


def _plain_side(model: Model, side: str, seeds: tuple[int, ...], options: SamplingOptions) -> Callable[[], Figures]:
    """A network on all of torch's threads, as a script would sample it: in one batch, or one reading at a time."""
    segmenter, peers = models.diffusion_of(model), {MONAI: models.monai, DIFFUSERS: models.diffusers}
    if side in peers:
        segmenter = segmenter.computed_by(peers[side]())
    flop = models.step_flop(segmenter, model.header.grid.size[0]) * len(seeds) * options.steps
    image = torch.from_numpy(models.noise_slice(model).pixels)[None]
    chunks = [(seed,) for seed in seeds] if side == LOOP else [seeds]

    @torch.no_grad()
    def draw(steps: SamplingOptions) -> Tensor:
        return torch.cat([list(segmenter.sample(image, seeds=chunk, options=steps))[-1].x_hat for chunk in chunks])

    def measure() -> Figures:
        since = time.perf_counter(), time.process_time()
        x_hat = draw(options)
        seconds, cpu_seconds = time.perf_counter() - since[0], time.process_time() - since[1]
        _save(side, x_hat[:, 0].numpy())
        return {"seconds": seconds, "cpu_seconds": cpu_seconds, "flop": flop}

    draw(SamplingOptions(steps=1))
    return measure


def _product_rate(size: int) -> float:
    """Operations per second of the quickest of a few products of square matrices."""
    a, b = torch.rand(size, size), torch.rand(size, size)
    best = float("inf")
    for _ in range(4):
        since = time.perf_counter()
        torch.mm(a, b)
        best = min(best, time.perf_counter() - since)
    return 2 * size**3 / best


def _save(side: str, x_hat: np.ndarray) -> None:
    np.save(Path(os.environ[SCRATCH]) / f"{side}.npy", x_hat)


def rows(found: Found) -> list[Row]:
    """Every engine against every goal."""
    return [
        line for name in ENGINES if name in found.figures or name in found.reasons for line in _engine_rows(found, name)
    ]


def _engine_rows(found: Found, name: str) -> Iterator[Row]:
    """The rows of an engine; those of whole numbers are told for comparison, exactness is no claim of theirs."""
    is_exact = name != INT8
    yield row(f"16 readings x 10 steps, {name}", "", lambda: (spread(found.all(name, "seconds"), "s"), None))
    if name not in found.figures:
        return
    for peer, goal in _RATIO_GOALS.items():
        yield row(
            f"… time per operation, as a multiple of {peer}",
            f"<= {goal:.2f}" if goal and is_exact else "",
            lambda peer=peer, goal=goal: _ratio(found, name, peer, goal if is_exact else None),
        )
    if is_exact:
        yield row("… share of the rate of large matrix products", ">= 80 %", lambda: _share(found, name))
        yield row("… largest difference to plain float32", "<= 2e-5", lambda: _difference(found, name))
    yield row("… time to the first reading", "<= 10 %" if is_exact else "", lambda: _first(found, name))


def _ratio(found: Found, name: str, peer: str, goal: float | None) -> tuple[str, bool | None]:
    work = found.median(peer, "flop") / found.median(name, "flop")
    ratios = [ratio * work for ratio in found.ratios(name, peer, "seconds")]
    times = found.median(name, "seconds") / found.median(peer, "seconds")
    measured = f"{spread(ratios)}; {times:.2f} of its {found.median(peer, 'seconds'):.1f} s"
    if abs(work - 1) > 0.005:
        measured += f" for {work:.2f} of the operations"
    return measured, None if goal is None else float(np.median(ratios)) <= goal


def _share(found: Found, name: str) -> tuple[str, bool | None]:
    """Of the operations that are done, which may be fewer than the network's; nothing is quicker than the limit."""
    limit = max(found.all(LIMIT, "flop_per_s"))
    shares = [100 * found.median(name, "done_flop") / seconds / limit for seconds in found.all(name, "seconds")]
    told, share = f"{spread(shares, '%', 0)} of {limit / 1e9:.0f} GFLOP/s", float(np.median(shares))
    if share > 100:
        return f"not judged: {told} cannot be; the machine was busy while it multiplied the matrices", None
    return told, share >= 80


def _difference(found: Found, name: str) -> tuple[str, bool]:
    found.all(LOOP, "seconds")  # it is what the other is compared with
    plain, other = (np.load(found.scratch / f"{side}.npy") for side in (LOOP, name))
    largest = float(np.abs(plain - other).max())
    return f"{largest:.1e}", largest <= 2e-5


def _first(found: Found, name: str) -> tuple[str, bool]:
    shares = [100 * a / b for a, b in zip(found.all(name, "first_seconds"), found.all(name, "seconds"), strict=True)]
    return spread(shares, "%", 1), float(np.median(shares)) <= 10

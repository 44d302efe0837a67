"""On a GPU with CUDA, if there is one: sampling with and without graphs, and training, timed by the device's own clock.

Sixteen readings of ten steps, and steps of eight examples, both of the paper's network at 128 x 128 in float32.
Training is the trainer's loop as the recipe `central` sets it; the plain loop beside it has the same model, loss and
optimizer, written as anybody would.
"""

import statistics
from collections.abc import Callable, Iterator

import torch

from benchmarks import models
from benchmarks.harness import CannotRun, Figures, Found, Plan, Row, row, spread
from benchmarks.loader import OneBatch
from napari_ambiseg.engine import SamplingOptions, reading_seeds
from napari_ambiseg.engine.backends.cuda_graphs import CudaGraphBackend
from napari_ambiseg.engine.backends.on_torch import TorchBackend
from trainer.data.sources import load_data
from trainer.loop import Run, start_run, train
from trainer.recipes import named_recipe

PLAN = Plan(repetitions=5)

_GRAPHS, _EAGER, _TRAINER, _PLAIN = "graphs", "eager", "trainer", "plain loop"
_STEPS = 50


def sides(quick: bool) -> tuple[str, ...]:
    """Sampling and training, each in two ways."""
    return (_GRAPHS, _EAGER, _TRAINER, _PLAIN)


def prepare(side: str, quick: bool) -> Callable[[], Figures]:
    """Everything on the device, and warm."""
    if not torch.cuda.is_available():
        raise CannotRun("no GPU")
    device = torch.device("cuda")
    if side in (_GRAPHS, _EAGER):
        return _sampling(CudaGraphBackend if side == _GRAPHS else TorchBackend, device)
    return _training(device, plain=side == _PLAIN)


def _sampling(backend: type[CudaGraphBackend] | type[TorchBackend], device: torch.device) -> Callable[[], Figures]:
    torch.backends.cudnn.allow_tf32 = False  # graphs compute without it: both do the same arithmetic
    model = models.named_model("paper", 128)
    segmenter = backend.open(model, device).segmenter(1)
    image = torch.from_numpy(models.noise_slice(model).pixels)[None].to(device)
    seeds, options = reading_seeds(0, 16), SamplingOptions(steps=10, sampler="ddim")

    @torch.no_grad()
    def draw() -> None:
        for _ in segmenter.sample(image, seeds=seeds, options=options):
            pass

    draw()
    return lambda: {"ms": _device_ms(draw), "device": torch.cuda.get_device_name()}


def _training(device: torch.device, *, plain: bool) -> Callable[[], Figures]:
    """Steps on one batch that is there already."""
    config = named_recipe("central").model_copy(update={"steps": 1_000_000, "batch_size": 8})
    source = OneBatch(load_data(["phantom:16"], "train"), config)
    run = start_run(config, device)
    steps: Iterator[object] = _plain_steps(run, source) if plain else train(run, source)

    def some() -> None:
        for _ in range(_STEPS):
            next(steps)

    some()
    return lambda: {"steps_per_s": 1000 * _STEPS / _device_ms(some), "device": torch.cuda.get_device_name()}


def _plain_steps(run: Run, source: OneBatch) -> Iterator[None]:
    """The same model, loss and optimizer, in the loop of every tutorial."""
    batch = source.batch(0).to(run.device)
    while True:
        run.optimizer.zero_grad()
        run.objective(batch).backward()
        run.optimizer.step()
        yield


def _device_ms(work: Callable[[], None]) -> float:
    """What lies between two events on the device."""
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    begin.record()
    work()
    end.record()
    torch.cuda.synchronize()
    return begin.elapsed_time(end)


def rows(found: Found) -> list[Row]:
    """Times and rates, and what they gain over eager."""
    return [
        row("GPU: 16 readings x 10 steps, CUDA graphs", "<= 30 ms", lambda: _at_most(found)),
        row("… eager, as a multiple of it", ">= 2", lambda: _gain(found.ratios(_EAGER, _GRAPHS, "ms"))),
        row("GPU: training steps/s, batch 8", ">= 170", lambda: _at_least(found)),
        row(
            "… as a multiple of the plain loop's", ">= 2", lambda: _gain(found.ratios(_TRAINER, _PLAIN, "steps_per_s"))
        ),
    ]


def _at_most(found: Found) -> tuple[str, bool]:
    times = found.all(_GRAPHS, "ms")
    return f"{spread(times, 'ms', 1)} on {found.figures[_GRAPHS][0]['device']}", statistics.median(times) <= 30


def _at_least(found: Found) -> tuple[str, bool]:
    rates = found.all(_TRAINER, "steps_per_s")
    return f"{spread(rates, digits=0)} on {found.figures[_TRAINER][0]['device']}", statistics.median(rates) >= 170


def _gain(ratios: list[float]) -> tuple[str, bool]:
    return spread(ratios), statistics.median(ratios) >= 2

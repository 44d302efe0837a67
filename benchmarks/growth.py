"""How the time of a run grows with readings, steps and pixels: exponents of power laws, and a plot.

The paper's network, one thread, its processor time: other programs disturb it least. One thing grows at a time:
readings and steps on a grid of 64 x 64, pixels with four readings of two steps. An exponent of 1 is proportional.
Attention is a part of the network whose arithmetic grows with the square of the pixels: 4 % of the whole at 128 x 128,
and 42 % at 512 x 512. Pixels are therefore measured a second time with attention in windows
(``UNetConfig.attention_window``), which is what a network for such grids would be given.
"""

import math
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from benchmarks import models
from benchmarks.harness import CannotRun, Figures, Found, Plan, Row, row
from napari_ambiseg import engine
from napari_ambiseg.engine import SamplingOptions, reading_seeds

PLAN = Plan(repetitions=3, threads=1)

_MOST_EXPONENT = 1.1
_LITTLE_ATTENTION = 256**2  # pixels up to which attention is less than a seventh of the work
_AXES = {
    "readings": (4, 8, 16, 32, 64),
    "steps": (2, 4, 8, 16, 32),
    "pixels": (64**2, 128**2, 256**2, 512**2),
    "pixels, attention in windows": (64**2, 128**2, 256**2, 512**2),
}
_OF_PIXELS = ("pixels", "pixels, attention in windows")
_WINDOW = 32  # of the lowest level's pixels: the whole map up to a grid of 256 x 256
_QUICK_AXES = {
    "readings": (1, 2),
    "steps": (1, 2),
    "pixels": (32**2, 64**2),
    "pixels, attention in windows": (32**2, 64**2),
}


def sides(quick: bool) -> tuple[str, ...]:
    """One for each axis."""
    return tuple(_AXES)


def prepare(side: str, quick: bool) -> Callable[[], Figures]:
    """Measures every size on one axis; libraries have warmed up on the smallest."""
    sizes = (_QUICK_AXES if quick else _AXES)[side]
    runs = {size: _run(side, size, "tiny" if quick else "paper") for size in sizes}
    _, engine_name = runs[sizes[0]]()

    def measure() -> Figures:
        seconds: Figures = {}
        for size, run in runs.items():
            seconds[str(size)], another = run()
            if another != engine_name:  # the curve would have a step
                raise CannotRun(f"{engine_name} computes {_named(side, sizes[0])}, {another} {_named(side, size)}")
        return seconds

    return measure


def _run(axis: str, size: int, network: str) -> Callable[[], tuple[float, str]]:
    """Measures a run's seconds, and tells what computed it."""
    side_px = math.isqrt(size) if axis in _OF_PIXELS else 64
    model = models.named_model(network, side_px, attention_window=_WINDOW if axis == _OF_PIXELS[1] else 0)
    seeds = reading_seeds(0, size if axis == "readings" else 4)
    options = SamplingOptions(steps=size if axis == "steps" else 2)

    def run() -> tuple[float, str]:
        since = time.process_time()
        sampled = engine.sample(model, models.noise_slice(model), seeds=seeds, options=options, device="cpu")
        return time.process_time() - since, sampled.engine

    return run


def rows(found: Found) -> list[Row]:
    """The exponent on every axis; the plot is left in the scratch folder."""
    goal = f"exponent <= {_MOST_EXPONENT:g}"
    table = [row(f"processor time against {axis}", goal, lambda axis=axis: _judge(found, axis)) for axis in _AXES]
    if not found.reasons:
        _draw(found)
    return table


def _curve(found: Found, axis: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sizes, and the shortest time of each: a machine that was disturbed at one size would bend the curve."""
    if axis in found.reasons:
        raise CannotRun(found.reasons[axis])
    sizes = list(found.figures[axis][0])
    return np.array([float(size) for size in sizes]), np.array([min(found.all(axis, size)) for size in sizes])


def _exponent(sizes: NDArray[np.float64], seconds: NDArray[np.float64]) -> float:
    """Slope of the straight line through the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def _judge(found: Found, axis: str) -> tuple[str, bool]:
    sizes, seconds = _curve(found, axis)
    exponent = _exponent(sizes, seconds)
    told = f"{exponent:.2f} ({_named(axis, sizes[0])} to {_named(axis, sizes[-1])})"
    small = sizes <= _LITTLE_ATTENTION if axis in _OF_PIXELS else sizes < 0
    if 1 < small.sum() < len(sizes):
        told += f"; {_exponent(sizes[small], seconds[small]):.2f} up to {_named(axis, sizes[small][-1])}"
    return told, exponent <= _MOST_EXPONENT


def _named(axis: str, size: float) -> str:
    """A size as it is told: pixels as a square."""
    return f"{math.isqrt(int(size))}²" if axis in _OF_PIXELS else f"{size:.0f}"


def _draw(found: Found) -> None:
    import matplotlib.pyplot as plt
    from matplotlib.ticker import NullFormatter

    figure, panels = plt.subplots(1, len(_AXES), figsize=(12.5, 3.2), layout="constrained")
    for panel, axis in zip(panels, _AXES, strict=True):
        sizes, seconds = _curve(found, axis)
        panel.loglog(sizes, seconds, "o-", color="#0072B2", label="measured")
        panel.loglog(sizes, seconds[-1] * sizes / sizes[-1], "--", color="#999999", label="proportional")
        panel.set_xticks(sizes, [_named(axis, size) for size in sizes])
        panel.xaxis.set_minor_formatter(NullFormatter())
        panel.yaxis.set_minor_formatter(NullFormatter())
        panel.set(title=f"exponent {_exponent(sizes, seconds):.2f}", xlabel=axis, ylabel="seconds of processor time")
        panel.legend(frameon=False)
    figure.savefig(found.scratch / "growth.png", dpi=120)
    plt.close(figure)

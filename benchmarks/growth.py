"""How the time of a run grows with readings, steps and pixels: exponents of power laws, and a plot.

The paper's network. One thing grows at a time: readings and steps on a grid of 64 x 64, pixels with four readings of
two steps. An exponent of 1 is proportional. Attention is a part of the network whose arithmetic grows with the square
of the pixels: 4 % of the whole at 128 x 128, and 42 % at 512 x 512.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from benchmarks import models
from benchmarks.harness import CannotRun, Figures, Found, Plan, Row, row
from napari_ambiseg import engine
from napari_ambiseg.engine import SamplingOptions, reading_seeds

PLAN = Plan(repetitions=3)

_MOST_EXPONENT = 1.1
_AXES = {
    "readings": (4, 8, 16, 32, 64),
    "steps": (2, 4, 8, 16, 32),
    "pixels": (64**2, 128**2, 192**2, 256**2, 384**2, 512**2),
}
_QUICK_AXES = {"readings": (1, 2), "steps": (1, 2), "pixels": (32**2, 64**2)}


def sides(quick: bool) -> tuple[str, ...]:
    """One for each axis."""
    return tuple(_AXES)


def prepare(side: str, quick: bool) -> Callable[[], Figures]:
    """Measures every size on one axis; libraries have warmed up on the smallest."""
    sizes = (_QUICK_AXES if quick else _AXES)[side]
    runs = {size: _run(side, size, "tiny" if quick else "paper") for size in sizes}
    runs[sizes[0]]()
    return lambda: {str(size): run() for size, run in runs.items()}


def _run(axis: str, size: int, network: str) -> Callable[[], float]:
    """Measures a run's seconds."""
    model = models.named_model(network, math.isqrt(size) if axis == "pixels" else 64)
    seeds = reading_seeds(0, size if axis == "readings" else 4)
    options = SamplingOptions(steps=size if axis == "steps" else 2)
    return lambda: engine.sample(model, models.noise_slice(model), seeds=seeds, options=options, device="cpu").seconds


def rows(found: Found) -> list[Row]:
    """The exponent on every axis; the plot is left in the scratch folder."""
    goal = f"exponent <= {_MOST_EXPONENT:g}"
    table = [row(f"time against {axis}", goal, lambda axis=axis: _judge(found, axis)) for axis in _AXES]
    if not found.reasons:
        _draw(found)
    return table


def _curve(found: Found, axis: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sizes and their median seconds."""
    if axis in found.reasons:
        raise CannotRun(found.reasons[axis])
    sizes = list(found.figures[axis][0])
    return np.array([float(size) for size in sizes]), np.array([found.median(axis, size) for size in sizes])


def _exponent(sizes: NDArray[np.float64], seconds: NDArray[np.float64]) -> float:
    """Slope of the straight line through the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def _judge(found: Found, axis: str) -> tuple[str, bool]:
    sizes, seconds = _curve(found, axis)
    exponent = _exponent(sizes, seconds)
    return f"{exponent:.2f} ({sizes[0]:.0f} to {sizes[-1]:.0f} {axis})", exponent <= _MOST_EXPONENT


def _draw(found: Found) -> None:
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, len(_AXES), figsize=(10, 3.2), layout="constrained")
    for panel, axis in zip(panels, _AXES, strict=True):
        sizes, seconds = _curve(found, axis)
        panel.loglog(sizes, seconds, "o-", color="#0072B2", label=f"measured, exponent {_exponent(sizes, seconds):.2f}")
        panel.loglog(sizes, seconds[0] * sizes / sizes[0], "--", color="#999999", label="proportional")
        panel.set_xlabel(axis)
        panel.set_ylabel("seconds")
        panel.legend(frameon=False)
    figure.savefig(found.scratch / "growth.png", dpi=120)
    plt.close(figure)

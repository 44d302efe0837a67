"""Dots on a scale: how far the scale goes, and which dots lie above which because they would hide each other."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_ROUND = (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10)  # so that quarters of the scale are easy to read


def scale_top(values: Sequence[float]) -> float:
    """End of a scale from 0 that holds all values; 1 if there are none but 0."""
    most = max(values, default=0.0)
    if most <= 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(most))
    return float(next(step * power for step in _ROUND if step * power >= most * (1 - 1e-12)))


def piled(positions: NDArray[np.float64], diameter: float) -> NDArray[np.int64]:
    """The lowest level at which each of some dots (N,) touches no other, placed from left to right."""
    levels, last = np.zeros(len(positions), np.int64), list[float]()
    for i in np.argsort(positions, kind="stable"):
        free = (level for level, before in enumerate(last) if positions[i] - before >= diameter)
        levels[i] = level = next(free, len(last))
        last[level : level + 1] = [float(positions[i])]
    return levels

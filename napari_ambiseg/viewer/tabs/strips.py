"""Where everything in a strip of sizes lies. No windows.

A strip shows one measure: a dot a reading, from left to right by its size, dots that would hide each other one above
the other. Whoever sees nothing has no size, and stands apart: in a gutter at the left.

Legend: S samples, R readers (experts); x to the right and y downwards, in pixels of the screen.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.readings.distribution import Distribution
from napari_ambiseg.readings.dots import piled, scale_top

DOT = 6.0
"""Diameter of a reading's dot."""

MARK = 4.5
"""Half the width of an expert's mark."""

BELOW = 2 * MARK + 5.0
"""Room for marks below the scale: those that would hide each other hang one below the other."""

GUTTER = 52.0
"""Width of the place of those who see nothing."""

_BETWEEN = 10.0  # gutter and scale


@dataclass(frozen=True, slots=True)
class Scale:
    """A horizontal line with room for dots above it.

    Attributes:
        left: Where 0 is.
        right: Where ``top`` is.
        above: Upper end of the room for dots.
        y: Of the line.
        top: Value at the right end.
    """

    left: float
    right: float
    above: float
    y: float
    top: float

    def x(self, value: float) -> float:
        """Where a value is."""
        return self.left + (self.right - self.left) * value / self.top


@dataclass(frozen=True, slots=True)
class Spots:
    """Where everything of one strip lies.

    Attributes:
        scale: The scale.
        readings: Centre of each reading's dot (S, 2), as x and y.
        experts: Upper tip of each expert's mark (R, 2).
    """

    scale: Scale
    readings: NDArray[np.float64]
    experts: NDArray[np.float64]


def spots_of(one: Distribution, *, left: float, right: float, above: float, y: float) -> Spots:
    """Place one measure; arguments as in ``Scale``."""
    scale = Scale(left, right, above, y, scale_top([*one.samples.tolist(), *one.experts.tolist()]))
    return Spots(scale, _dots(one.samples, scale), _marks(one.experts, scale))


def _dots(values: NDArray[np.float64], scale: Scale) -> NDArray[np.float64]:
    """Centres of dots, as high as there is room, on the scale or in the gutter."""
    drawn, columns = values > 0, int((GUTTER - _BETWEEN) // DOT)
    rank = np.cumsum(~drawn) - 1  # among those that see nothing
    x = np.where(drawn, scale.left + values / scale.top * (scale.right - scale.left), (rank % columns + 1) * DOT)
    level = rank // columns
    level[drawn] = piled(x[drawn], DOT)
    step = min(DOT, (scale.y - scale.above - DOT - 1) / max(1, level.max(initial=0)))
    return np.column_stack([x, scale.y - 1 - DOT / 2 - level * step]).astype(np.float64)


def _marks(values: NDArray[np.float64], scale: Scale) -> NDArray[np.float64]:
    rank = np.cumsum(values == 0) - 1
    x = [scale.x(value) if value else MARK * (2 * place + 1) for value, place in zip(values, rank, strict=True)]
    level = piled(np.array(x), MARK)
    step = (BELOW - 2 * MARK) / max(1, level.max(initial=0))
    return np.column_stack([x, scale.y + 1 + level * step]).astype(np.float64)

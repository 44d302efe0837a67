"""Linked outlines of masks, and of how many readings mark a pixel: for files and figures.

With S readings, the number of votes at a pixel is a whole number, so that the region marked by a share of at least c of
the readings is that of at least k = ceil(c S) votes. Its outline is the contour of the votes at k - 1/2: halfway
between what is inside and what is not, it encloses exactly those pixels' centres, where a contour at c S itself would
run through centres whenever c S is whole.

Lines are closed and in pixels, (row, column) with pixel centres at whole numbers; times the spacing they are in
millimetres. Pixels that touch at a corner only are outlined apart.

Legend: S readings, H x W pixels, N points of a line.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from skimage.measure import find_contours

from napari_ambiseg.errors import SettingsError
from napari_ambiseg.readings.masks import check_readings

ISO_SHARES = (0.25, 0.5, 0.75, 0.95)
"""Shares of the readings whose outlines are usually shown."""

Lines = tuple[NDArray[np.float64], ...]
"""Closed lines (N, 2); the first point is the last, too."""


@dataclass(frozen=True, slots=True)
class IsoContour:
    """What at least a share of the readings marks.

    Attributes:
        share: The share, in (0, 1].
        votes: How many readings that takes.
        lines: Outline.
        pixels: How many pixels it encloses.
    """

    share: float
    votes: int
    lines: Lines
    pixels: int


def outlines(mask: NDArray[np.bool_]) -> Lines:
    """The outlines of a mask (H, W), holes included; none of an empty one."""
    return _lines(mask, 0.5)


def votes_for(share: float, count: int) -> int:
    """How many of ``count`` readings are a share of at least ``share``.

    Raises:
        SettingsError: If ``share`` is not in (0, 1].
    """
    if not 0 < share <= 1:
        raise SettingsError(f"the share of readings to be outlined is {share}; give a number above 0, at most 1")
    return math.ceil(share * count - 1e-9)  # 0.07 * 100 > 7


def iso_contours(readings: NDArray[np.bool_], shares: Sequence[float] = ISO_SHARES) -> tuple[IsoContour, ...]:
    """The outlines of what each of some shares of the readings (S, H, W) marks.

    Raises:
        InputImageError: If ``readings`` are not boolean masks, at least one.
        SettingsError: If a share is not in (0, 1].
    """
    check_readings(readings)
    votes = np.count_nonzero(readings, axis=0)
    needed = [votes_for(share, len(readings)) for share in shares]
    return tuple(
        IsoContour(share, k, _lines(votes, k - 0.5), int(np.count_nonzero(votes >= k)))
        for share, k in zip(shares, needed, strict=True)
    )


def _lines(values: NDArray[np.bool_] | NDArray[np.integer], level: float) -> Lines:
    """Contours of values that are 0 outside the array, so that every line is closed."""
    above = values > level
    rows, columns = np.flatnonzero(above.any(axis=1)), np.flatnonzero(above.any(axis=0))
    if rows.size == 0:
        return ()
    padded = np.pad(values.astype(np.float64), 1)  # of which a box around the region is enough
    box = padded[rows[0] : rows[-1] + 3, columns[0] : columns[-1] + 3]
    shift = np.array([rows[0] - 1, columns[0] - 1], np.float64)
    return tuple(line + shift for line in find_contours(box, level, fully_connected="low"))

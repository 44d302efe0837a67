"""From an outline, drawn pixel by pixel on a CT slice, to a mask on the grid of the models.

The LIDC readers marked the first pixels *outside* the nodule, so the nodule is what the outline encloses without the
outline itself. An outline may also mark a hole; then the outline's pixels and what they enclose are outside.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from skimage.draw import line, polygon


@dataclass(frozen=True, slots=True)
class Outline:
    """One closed outline of one reader on one slice.

    Attributes:
        points: Row and column of its pixels (P, 2), in order.
        z_mm: Where the slice lies along the body.
        inclusion: False for a hole.
    """

    points: NDArray[np.int64]
    z_mm: float
    inclusion: bool = True


def enclosed(points: NDArray[np.int64], shape: tuple[int, int]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """What an outline encloses, with its border, and the border alone.

    Args:
        points: Row and column of the outline's pixels (P, 2); gaps are closed by straight lines.
        shape: Height and width of the masks; points beyond them are an error of the caller.
    """
    inside, border = np.zeros(shape, bool), np.zeros(shape, bool)
    inside[polygon(points[:, 0], points[:, 1], shape)] = True
    for start, end in zip(points, np.roll(points, -1, axis=0), strict=True):
        border[line(*start, *end)] = True
    return inside | border, border


def nodule_mask(outlines: Sequence[Outline], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """One reader's nodule on one slice, on the pixels of the scan; outline pixels are outside.

    Args:
        outlines: The reader's outlines on the slice, holes included.
        shape: Height and width of the mask.
    """
    mask = np.zeros(shape, bool)
    for outline in sorted(outlines, key=lambda o: not o.inclusion):  # holes are cut last
        filled, border = enclosed(outline.points, shape)
        mask = mask | (filled & ~border) if outline.inclusion else mask & ~filled
    return mask


def to_grid(
    mask: NDArray[np.bool_],
    *,
    centre_px: tuple[float, float],
    pixel_mm: float,
    size: int = 128,
    spacing_mm: float = 0.5,
) -> NDArray[np.bool_]:
    """The mask on a square grid around a point: bilinear interpolation, at least one half is inside.

    Args:
        mask: Nodule on the scan's pixels.
        centre_px: Row and column, in the scan's pixels, of the middle of the grid.
        pixel_mm: Size of the scan's pixels.
        size: Height and width of the grid in pixels.
        spacing_mm: Size of the grid's pixels.
    """
    offset = (np.arange(size) - (size - 1) / 2) * spacing_mm / pixel_mm
    where = np.meshgrid(centre_px[0] + offset, centre_px[1] + offset, indexing="ij")
    return map_coordinates(mask.astype(np.float32), where, order=1) >= 0.5

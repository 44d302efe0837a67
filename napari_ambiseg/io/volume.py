"""A picture of two or more dimensions as a viewer shows it: along its own axes, in millimetres, with its provenance.

The axes are the picture's own, (slices, rows, columns), never the scanner's: an oblique series is shown as it was cut,
so that its slices stay slices. Millimetres along these axes are the patient's coordinates projected on them, so that
two series that were cut alike lie upon each other. Where the slices lie in the patient stays known as a matrix.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class ImageVolume:
    """Pixels and where they lie.

    Attributes:
        name: What to call it.
        pixels: Values (H, W), (slices, H, W) or (times, slices, H, W).
        spacing_mm: From slice to slice, row to row, column to column.
        origin_mm: Where the middle of the first pixel lies along these axes.
        affine: From (column, row, slice) to millimetres (left, posterior, superior) (4, 4).
        is_hu: Whether the values are Hounsfield units for certain.
        window: Values that the file would show black and white.
        inverted: Whether low values are meant to be bright.
        sources: The file of each slice; one for all of them, if one holds all.
        notes: What a user should know before measuring on it, a sentence each.
    """

    name: str
    pixels: NDArray[Any]
    spacing_mm: tuple[float, float, float]
    origin_mm: tuple[float, float, float]
    affine: NDArray[np.float64]
    is_hu: bool = False
    window: tuple[float, float] | None = None
    inverted: bool = False
    sources: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()


def along_own_axes(affine: NDArray[np.float64]) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Spacing and origin along (slices, rows, columns) of the matrix of a volume.

    The spacing of slices is taken along the normal of their planes: in a sheared volume (tilted gantry) it is less than
    the way from a pixel to the one above it.
    """
    columns, rows = affine[:3, 0], affine[:3, 1]
    right, down = columns / np.linalg.norm(columns), rows / np.linalg.norm(rows)
    normal = np.cross(right, down)
    normal = normal / np.linalg.norm(normal)
    step = float(affine[:3, 2] @ normal)
    normal, step = (normal, step) if step >= 0 else (-normal, -step)
    spacing = (step, float(np.linalg.norm(rows)), float(np.linalg.norm(columns)))
    position = affine[:3, 3]
    return _rounded(spacing), _rounded((position @ normal, position @ down, position @ right))


def shift_mm(affine: NDArray[np.float64]) -> float:
    """By how much each slice is shifted, within its plane, against the one before."""
    columns, rows, step = (affine[:3, axis] for axis in range(3))
    normal = np.cross(columns, rows)
    normal = normal / np.linalg.norm(normal)
    return float(np.linalg.norm(step - (step @ normal) * normal))


def _rounded(values: tuple[Any, Any, Any]) -> tuple[float, float, float]:
    """Without the noise of matrices of 32 bits."""
    first, second, third = (round(float(value), 6) + 0.0 for value in values)
    return first, second, third

"""Matrices (4, 4) from (column, row, slice) to millimetres (left, posterior, superior), for slices of volumes."""

import numpy as np
from numpy.typing import NDArray


def flat_affine(spacing_mm: tuple[float, float], *, thickness_mm: float = 1.0) -> NDArray[np.float64]:
    """The matrix of a slice of which nothing is known but the height and width of a pixel."""
    return np.diag([spacing_mm[1], spacing_mm[0], thickness_mm, 1.0])


def affine_of_slice(affine: NDArray[np.float64], index: int) -> NDArray[np.float64]:
    """The matrix of one slice of a volume, as a volume of its own."""
    moved = affine.copy()
    moved[:, 3] = affine @ [0, 0, index, 1]
    return moved

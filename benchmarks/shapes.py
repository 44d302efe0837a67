"""Masks that look like readings of one lesion: wavy discs around nearly the same place."""

import numpy as np
from numpy.typing import NDArray


def lesions(count: int, side_px: int, *, radius: float, seed: int) -> NDArray[np.bool_]:
    """Masks (count, side, side) of discs whose outlines waver.

    Args:
        count: How many.
        side_px: Height and width of each.
        radius: Of the largest, roughly, as a share of the side; the smallest has a third of it.
        seed: The same masks for the same seed.
    """
    draw = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side_px, :side_px]
    masks = np.zeros((count, side_px, side_px), np.bool_)
    for mask in masks:
        y, x = rows - draw.normal(side_px / 2, 0.02 * side_px), columns - draw.normal(side_px / 2, 0.02 * side_px)
        wave = 1 + 0.15 * np.sin(5 * np.arctan2(y, x) + draw.uniform(0, 6))
        mask[:] = np.hypot(y, x) < radius * side_px * draw.uniform(1 / 3, 1) * wave
    return masks

"""What a set of readings says together, pixel by pixel. S readings, H x W pixels."""

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.readings.masks import check_readings


def probability(readings: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Share of the readings that mark each pixel (H, W), in [0, 1].

    Raises:
        InputImageError: If ``readings`` are not boolean masks (S, H, W), at least one.
    """
    check_readings(readings)
    return np.divide(np.count_nonzero(readings, axis=0), len(readings), dtype=np.float32)


def majority(readings: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels that more than half of the readings mark (H, W); a tie is outside.

    Raises:
        InputImageError: As ``probability``.
    """
    check_readings(readings)
    return np.asarray(2 * np.count_nonzero(readings, axis=0) > len(readings), np.bool_)


def entropy(readings: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Disagreement at each pixel (H, W), in bits: -p log2 p - (1 - p) log2 (1 - p).

    0 where all agree, 1 where half of the readings mark the pixel.

    Raises:
        InputImageError: As ``probability``.
    """
    inside = probability(readings).astype(np.float64)
    bits = np.zeros_like(inside)
    for share in (inside, 1 - inside):
        bits -= share * np.log2(share, out=np.zeros_like(share), where=share > 0)
    return bits.astype(np.float32)

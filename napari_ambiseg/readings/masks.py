"""What every question about readings asks first: are these masks, is there one at all, and how large are they?"""

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.errors import InputImageError


def check_readings(readings: NDArray[np.bool_], *, name: str = "readings") -> None:
    """Refuse what is not a non-empty stack of boolean masks (S, H, W).

    Args:
        readings: The masks.
        name: What the user calls them.

    Raises:
        InputImageError: If they are not; the sentence says what to do.
    """
    if readings.ndim != 3 or 0 in readings.shape[1:]:
        raise InputImageError(
            f"the {name} have shape {readings.shape}; expected (number, height, width), none of them 0"
        )
    if len(readings) == 0:
        raise InputImageError(f"there are no {name}; give at least one mask")
    if readings.dtype != np.bool_:
        raise InputImageError(f"the {name} are of type {readings.dtype}; expected booleans, e.g. `masks > 0`")


def pixel_counts(readings: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Pixels inside each mask (S,)."""
    # One mask at a time: many times faster than np.count_nonzero over two axes.
    return np.array([np.count_nonzero(mask) for mask in readings], np.int64)


def boxed(*, samples: NDArray[np.bool_], experts: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Both sets as one, samples first, inside the bounding box of all they mark.

    Args:
        samples: Masks (S, H, W), bool.
        experts: Masks (R, H, W), bool; S and R may differ.

    Returns:
        Masks (S + R, h, w); of one pixel if they are all empty.

    Raises:
        InputImageError: If a set is empty, not boolean, or the pictures differ in size.
    """
    check_readings(samples, name="samples")
    check_readings(experts, name="experts")
    if samples.shape[1:] != experts.shape[1:]:
        raise InputImageError(
            f"the samples are {samples.shape[1]} x {samples.shape[2]} pixels and the experts' masks "
            f"{experts.shape[1]} x {experts.shape[2]}; bring both to the grid of the same image"
        )
    masks = np.concatenate([samples, experts])
    union = masks.any(axis=0)
    rows, columns = np.flatnonzero(union.any(axis=-1)), np.flatnonzero(union.any(axis=0))
    if rows.size == 0:
        return masks[:, :1, :1]
    return masks[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]

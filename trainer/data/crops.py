"""The part of a slice that an evaluation judges: the middle, or a square that the seed puts anywhere.

On a lesion-centred slice there is little doubt which structure is meant. The paper therefore also judges models on
crops at uniformly random places: the lesion may lie at the border or outside, and the experts' masks are then empty.
Such a figure can only be compared with another one if both saw the same crops. The place of a crop is hence a function
of the seed and the slice's name alone, whatever the model, the subset or the order; it is read off a hash, so that no
version of any library moves it.
"""

import hashlib
from dataclasses import replace

import numpy as np

from napari_ambiseg.errors import InputImageError
from napari_ambiseg.readings.slice import MultiReaderSlice


def evaluation_crop(one: MultiReaderSlice, size_px: int, *, slice_id: str, seed: int) -> MultiReaderSlice:
    """The square of a slice that is judged under a seed, with what each reader drew inside it.

    Args:
        one: The slice, image (C, H, W).
        size_px: Side of the square, in the slice's pixels.
        slice_id: What the slice is called in every evaluation.
        seed: Of the evaluation.

    Returns:
        The crop: image (C, size_px, size_px), as many readings as before, some perhaps empty now.

    Raises:
        InputImageError: If the slice is smaller than the square.
    """
    height, width = _free(one, size_px)
    return _cut(one, size_px, uniform_origin((height, width), slice_id=slice_id, seed=seed))


def central_crop(one: MultiReaderSlice, size_px: int) -> MultiReaderSlice:
    """The middle square of a slice, where models with a central crop are trained and read.

    Raises:
        InputImageError: If the slice is smaller than the square.
    """
    height, width = _free(one, size_px)
    return _cut(one, size_px, (height // 2, width // 2))


def uniform_origin(free_px: tuple[int, int], *, slice_id: str, seed: int) -> tuple[int, int]:
    """The first row and column of a crop, uniform over all places.

    Args:
        free_px: Rows and columns by which the slice is larger than the crop.
        slice_id: What the slice is called in every evaluation.
        seed: Of the evaluation.

    Returns:
        Row in 0 .. free_px[0], column in 0 .. free_px[1]. The remainder of a number of 128 bits is uniform to 2^-100.
    """
    digest = hashlib.sha256(f"crop|{seed}|{slice_id}".encode()).digest()
    row, column = (
        int.from_bytes(half, "big") % (n + 1) for half, n in zip((digest[:16], digest[16:]), free_px, strict=True)
    )
    return row, column


def _free(one: MultiReaderSlice, size_px: int) -> tuple[int, int]:
    height, width = one.image.shape[1:]
    if not 1 <= size_px <= min(height, width):
        raise InputImageError(
            f"a crop of {size_px} x {size_px} pixels does not fit a slice of {height} x {width}; "
            "choose a smaller crop of at least 1 pixel, or larger slices"
        )
    return height - size_px, width - size_px


def _cut(one: MultiReaderSlice, size_px: int, origin: tuple[int, int]) -> MultiReaderSlice:
    rows, columns = (slice(first, first + size_px) for first in origin)
    return replace(
        one,
        image=np.ascontiguousarray(one.image[:, rows, columns]),
        readings=np.ascontiguousarray(one.readings[:, rows, columns]),
    )

"""What a caller hands to the engine, and which slices are refused before any work is done."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.engine.grey import GreyScale
from napari_ambiseg.engine.placement import place
from napari_ambiseg.errors import InputImageError
from napari_ambiseg.models.checkpoint import Grid


@dataclass(frozen=True, slots=True)
class SliceInput:
    """One slice to be read.

    Attributes:
        pixels: Grey values (H, W).
        spacing_mm: Height and width of a pixel in millimetres.
        grey: What the grey values mean.
        centre_px: Row and column where the middle of the model's field of view is wanted; None is the slice's middle.
        extent_mm: Height and width of the field of view; None is the model's own. Over any other size the model's grid
            is stretched, and the model, which was made for its own size, may read worse.
    """

    pixels: NDArray[np.generic]
    spacing_mm: tuple[float, float]
    grey: GreyScale = GreyScale.AUTO
    centre_px: tuple[float, float] | None = None
    extent_mm: tuple[float, float] | None = None


def check_slice(slice_input: SliceInput, grid: Grid) -> None:
    """Refuse what no model can read.

    Raises:
        InputImageError: If the image is RGB, not 2D, empty, not numeric, constant or smaller than the model's grid, has
            values that are not finite, or if its spacing, centre or field of view make no sense.
    """
    pixels = slice_input.pixels
    check_pixels(pixels)
    spacing = slice_input.spacing_mm
    if len(spacing) != 2 or not all(math.isfinite(s) and s > 0 for s in spacing):
        raise InputImageError(
            f"the pixel spacing is {spacing} mm; give a pixel's height and width, two positive numbers"
        )
    centre = slice_input.centre_px
    if centre is not None and (len(centre) != 2 or not all(map(math.isfinite, centre))):
        raise InputImageError(f"the centre of the field of view is {centre}; give a row and a column")
    extent = slice_input.extent_mm
    if extent is not None and (len(extent) != 2 or not all(math.isfinite(e) and e > 0 for e in extent)):
        raise InputImageError(
            f"the field of view is {extent} mm; give its height and width, two positive numbers, or None (the model's)"
        )
    place(grid, slice_shape=pixels.shape[:2], spacing_mm=spacing, centre_px=centre, extent_mm=extent)


def check_pixels(pixels: NDArray[np.generic]) -> None:
    """Refuse what no model can read, whatever its spacing.

    Raises:
        InputImageError: If the image is RGB, not 2D, empty, not numeric or constant, or has values that are not finite.
    """
    _check_shape(pixels.shape)
    _check_values(pixels)


def _check_shape(shape: tuple[int, ...]) -> None:
    if 0 in shape:
        raise InputImageError(f"the image has shape {shape}, so it has no pixels; choose another image")
    if len(shape) == 3 and shape[-1] in (3, 4):
        raise InputImageError(f"the image has shape {shape}, which looks like RGB; convert it to one grey channel")
    if len(shape) != 2:
        raise InputImageError(f"the image has {len(shape)} axes (shape {shape}); choose one slice of it, with 2 axes")


def _check_values(pixels: NDArray[np.generic]) -> None:
    is_number = np.issubdtype(pixels.dtype, np.integer) or np.issubdtype(pixels.dtype, np.floating)
    if not is_number:
        raise InputImageError(f"the image has values of type {pixels.dtype}; give grey values, integers or floats")
    bad = pixels.size - int(np.isfinite(pixels).sum())
    if bad:
        raise InputImageError(
            f"{bad} of the image's {pixels.size} pixels are NaN or infinite; replace them, e.g. by -1000 (air) in CT"
        )
    if pixels.min() == pixels.max():
        raise InputImageError(f"every pixel of the image is {pixels.flat[0]}; choose an image that shows something")

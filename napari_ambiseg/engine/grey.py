"""From a user's grey values to network input, whose 0 is aerated lung and whose 1 is soft tissue.

CT in Hounsfield units (HU) needs no guess: the scale is absolute. Scanners mark the outside of their circle with
padding such as -2000 or -3024; the network's input is clipped from below, so padding ends as black like air does. It is
clipped before anything is resampled, or else it would darken its neighbours.
"""

from enum import Enum

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.errors import InputImageError
from napari_ambiseg.readings.intensity import Intensity

_LOOKS_LIKE_HU_BELOW = -200.0  # only HU go this far below 0: fat is about -100, lung -850, air -1000
_LOOKS_LIKE_HU_RANGE = 500.0


class GreyScale(Enum):
    """What the grey values of a slice mean.

    ``HU`` are CT values. ``UNIT`` is a picture that spans the model's range: integers from 0 to 255 or floats from 0 to
    1, as LIDC slices are stored. ``NORMALISED`` is network input already. ``PERCENTILES`` is a guess for anything else:
    the 1st percentile counts as aerated lung, the 99th as soft tissue, which fits a slice of lung on an unknown scale
    and may well be wrong elsewhere. ``AUTO`` chooses one of these: see ``recognise``.
    """

    AUTO = "auto"
    HU = "hu"
    UNIT = "unit"
    NORMALISED = "normalised"
    PERCENTILES = "percentiles"


def recognise(pixels: NDArray[np.generic]) -> GreyScale:
    """The grey scale that finite ``pixels`` seem to have.

    HU if some value is below -200 and the values span more than 500; UNIT for uint8 and for floats within [0, 1]; else
    PERCENTILES. Never NORMALISED: nothing tells it from an arbitrary scale, so whoever has it must say so.
    """
    low, high = float(pixels.min()), float(pixels.max())
    if low < _LOOKS_LIKE_HU_BELOW and high - low > _LOOKS_LIKE_HU_RANGE:
        return GreyScale.HU
    if pixels.dtype == np.uint8 or (np.issubdtype(pixels.dtype, np.floating) and low >= 0.0 and high <= 1.0):
        return GreyScale.UNIT
    return GreyScale.PERCENTILES


def normalise(pixels: NDArray[np.generic], grey: GreyScale, intensity: Intensity) -> NDArray[np.float32]:
    """Network input of ``pixels`` on the grey scale ``grey``, clipped to the range of ``intensity``; any shape.

    Raises:
        InputImageError: If the values cannot be of that scale.
    """
    match grey:
        case GreyScale.AUTO:
            return normalise(pixels, recognise(pixels), intensity)
        case GreyScale.HU:
            return intensity.from_hu(pixels)
        case GreyScale.UNIT:
            return intensity.from_unit(_unit(pixels))
        case GreyScale.NORMALISED:
            return np.clip(pixels.astype(np.float32), intensity.low, intensity.high).astype(np.float32)
        case GreyScale.PERCENTILES:
            return np.clip(_between_percentiles(pixels), intensity.low, intensity.high).astype(np.float32)


def _unit(pixels: NDArray[np.generic]) -> NDArray[np.float32]:
    """Values in [0, 1]: integers count up to 255."""
    top = 255.0 if np.issubdtype(pixels.dtype, np.integer) else 1.0
    low, high = float(pixels.min()), float(pixels.max())
    if low < 0.0 or high > top:
        raise InputImageError(
            f"the grey values run from {low:g} to {high:g}, but the grey scale 'unit' means {pixels.dtype} values from "
            f"0 to {top:g}; choose 'auto' or 'hu', or rescale the image"
        )
    return pixels.astype(np.float32) / np.float32(top)


def _between_percentiles(pixels: NDArray[np.generic]) -> NDArray[np.float32]:
    """0 at the 1st percentile and 1 at the 99th; at the extremes where these agree (a few bright pixels on black)."""
    values = pixels.astype(np.float64)
    low, high = np.percentile(values, (1, 99))
    if high <= low:
        low, high = values.min(), values.max()
    return ((values - low) / (high - low)).astype(np.float32)

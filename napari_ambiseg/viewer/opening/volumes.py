"""DICOM and NIfTI as napari's layer data: in millimetres along their own axes, in the window that the file asks for."""

from typing import Any

import numpy as np

from napari_ambiseg.engine.grey import GreyScale, recognise
from napari_ambiseg.io.volume import ImageVolume
from napari_ambiseg.viewer.image.origin import InPatient, Origin, with_origin
from napari_ambiseg.viewer.image.windows import MEDIASTINUM, looked_at

LayerData = tuple[Any, dict[str, Any], str]

_DARK, _BRIGHT = 1, 99.5  # percentiles that are black and white where nobody says


def image_data(volume: ImageVolume) -> LayerData:
    """A picture."""
    is_hu = volume.is_hu or recognise(looked_at(volume.pixels)) is GreyScale.HU
    origin = _origin(volume, GreyScale.HU if is_hu else GreyScale.AUTO)
    options = {
        **_placed(volume, origin),
        "contrast_limits": volume.window or grey_limits(volume.pixels, is_hu=is_hu),
        "colormap": "gray_r" if volume.inverted else "gray",
    }
    return volume.pixels, options, "image"


def labels_data(volume: ImageVolume) -> LayerData:
    """Labels, as somebody drew them."""
    return volume.pixels, _placed(volume, _origin(volume, GreyScale.AUTO)), "labels"


def grey_limits(pixels: Any, *, is_hu: bool) -> tuple[float, float]:
    """What becomes black and white where the file does not say."""
    if is_hu:
        return MEDIASTINUM.limits
    if pixels.dtype == np.uint8:
        return 0.0, 255.0
    values = looked_at(pixels)
    if not values.size:
        return 0.0, 1.0
    low, high = (float(value) for value in np.percentile(values, (_DARK, _BRIGHT)))
    return (low, high) if high > low else (low, low + 1.0)


def _origin(volume: ImageVolume, grey: GreyScale) -> Origin:
    return Origin(path=volume.sources[0], split="", index=0, count=1, name=volume.name, grey=grey)


def _placed(volume: ImageVolume, origin: Origin) -> dict[str, Any]:
    axes = min(volume.pixels.ndim, 3)
    times = volume.pixels.ndim - axes
    return {
        "name": volume.name,
        "scale": (1.0,) * times + volume.spacing_mm[-axes:],
        "translate": (0.0,) * times + volume.origin_mm[-axes:],
        "units": ("pixel",) * times + ("mm",) * axes,
        "metadata": with_origin(origin, InPatient(volume.affine, volume.sources)),
    }

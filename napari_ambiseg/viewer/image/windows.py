"""Which values are black and white: the windows in which radiologists read CT, for images in Hounsfield units (HU).

An image is in HU if it was opened as such, or if the values that are looked at are as nothing else has them.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Image

from napari_ambiseg.engine.grey import GreyScale, recognise
from napari_ambiseg.viewer.image.origin import origin_of
from napari_ambiseg.viewer.image.plane import finest

_LOOKED_AT = 2 * 10**5  # values of an image


@dataclass(frozen=True, slots=True)
class Window:
    """A range of HU.

    Attributes:
        name: What radiologists call it.
        width: From black to white.
        centre: The middle grey.
        key: Sets it, in napari's canvas.
    """

    name: str
    width: float
    centre: float
    key: str

    @property
    def limits(self) -> tuple[float, float]:
        """What becomes black and white."""
        return self.centre - self.width / 2, self.centre + self.width / 2


LUNG = Window("Lung", 1500, -600, "H")
MEDIASTINUM = Window("Mediastinum", 400, 40, "J")
BONE = Window("Bone", 2500, 480, "K")
WINDOWS = (LUNG, MEDIASTINUM, BONE)


def is_in_hu(layer: Image) -> bool:
    """Whether the values of an image are HU, as far as anybody can tell."""
    origin = origin_of(layer)
    if origin is not None and origin.grey is not GreyScale.AUTO:
        return origin.grey is GreyScale.HU
    if layer.rgb or not np.issubdtype(layer.dtype, np.number) or np.issubdtype(layer.dtype, np.unsignedinteger):
        return False
    values = looked_at(finest(layer))
    return values.size > 0 and recognise(values) is GreyScale.HU


def apply(window: Window, layer: Image) -> None:
    """Show an image in HU in a window."""
    low, high = layer.contrast_limits_range
    layer.contrast_limits_range = (min(low or 0.0, window.limits[0]), max(high or 0.0, window.limits[1]))
    layer.contrast_limits = window.limits


def applied(layer: Image) -> Window | None:
    """The window in which an image is shown; None for any other."""
    shown = np.array(layer.contrast_limits, np.float64)
    return next((window for window in WINDOWS if np.allclose(shown, window.limits, atol=0.5)), None)


def looked_at(values: Any) -> np.ndarray:
    """Some of the finite values of an array of any size, evenly drawn."""
    stride = max(1, int(np.ceil((np.prod(values.shape) / _LOOKED_AT) ** (1 / max(1, values.ndim)))))
    some = np.asarray(values[(slice(None, None, stride),) * values.ndim])
    return some[np.isfinite(some)]

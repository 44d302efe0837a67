"""Which slices of a volume are read together: those that experts marked, or those near the one that is shown."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from napari.layers import Image, Labels
from numpy.typing import NDArray

from napari_ambiseg.viewer.image.experts import marked_slices
from napari_ambiseg.viewer.image.plane import Plane, layer_shape, slice_distance_mm


def is_volume(image: Image) -> bool:
    """Whether an image has several slices."""
    return not image.rgb and image.ndim > 2 and layer_shape(image)[-3] > 1


def marked(image: Image, plane: Plane, experts: Sequence[Labels], window: tuple[slice, slice]) -> tuple[Plane, ...]:
    """The slices on which some expert marked something inside a window, the nearest to ``plane`` first."""
    return _planes(plane, np.flatnonzero(marked_slices(experts, image, plane.index, window)))


def near(image: Image, plane: Plane, reach_mm: float) -> tuple[Plane, ...]:
    """The slices within ``reach_mm`` on either side of ``plane``, the nearest first; itself among them."""
    numbers = np.arange(layer_shape(image)[-3])
    distance = np.abs(numbers - plane.index[-1]) * slice_distance_mm(image)
    return _planes(plane, numbers[distance <= reach_mm * (1 + 1e-9)])


def _planes(plane: Plane, numbers: NDArray[np.int64]) -> tuple[Plane, ...]:
    nearest_first = sorted(numbers.tolist(), key=lambda number: (abs(number - plane.index[-1]), number))
    return tuple(replace(plane, index=(*plane.index[:-1], number)) for number in nearest_first)

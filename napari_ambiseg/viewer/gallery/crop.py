"""What thumbnails show: the slice around the lesion, and the outlines of all who marked it. No windows.

The window holds everything that an expert or a reading marks, as the readings were drawn: it stays when the threshold
moves. It is square in millimetres where the slice allows it, and turned as napari turns the slice: the map from data to
world may mirror or rotate it, and a thumbnail that shows left for right would be worse than none.

Legend: S samples, R readers, H x W pixels of the slice, h x w of the window, N segments.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from napari.utils.transforms import Affine
from numpy.typing import NDArray

from napari_ambiseg.engine.grey import GreyScale, normalise
from napari_ambiseg.readings.intensity import Intensity
from napari_ambiseg.viewer.image.outlines import outline_segments
from napari_ambiseg.viewer.image.plane import Plane
from napari_ambiseg.viewer.image.windows import LUNG
from napari_ambiseg.viewer.session.result import Result, window_of

_MARGIN = 0.35  # around what is marked, as a share of its size
_LEAST_MM = 12.0  # side of the window


@dataclass(frozen=True, slots=True)
class Crop:
    """The window, and everyone's outlines in it.

    Attributes:
        grey: Grey values (h, w), uint8.
        to_world: Where one pixel down and one to the right lead, in the world (2, 2): rows are the world's vertical and
            horizontal axis, columns are down and right.
        experts: Segments of each expert's outline, R arrays (N, 2, 2): start and end, as row and column in pixels of
            the window, whose corner is (0, 0).
        readings: The same of each reading as it was drawn, S arrays.
    """

    grey: NDArray[np.uint8]
    to_world: NDArray[np.float64]
    experts: tuple[NDArray[np.float32], ...]
    readings: tuple[NDArray[np.float32], ...]


def crop_of(result: Result) -> Crop:
    """The window of a result."""
    return crops_of([result])[0]


def crops_of(results: Sequence[Result]) -> tuple[Crop, ...]:
    """One window for several results of a slice, around everything that is marked in any; of each, what it shows."""
    first = results[0].request
    rows, columns = lesion_window(
        np.concatenate([one.sampled.readings for one in results]),
        np.concatenate([one.request.experts.masks for one in results]),
        spacing_mm=first.plane.spacing_mm,
        nothing=window_of(results[0].sampled.placement),
    )
    return tuple(_crop(one, rows, columns) for one in results)


def lesion_window(
    readings: NDArray[np.bool_],
    experts: NDArray[np.bool_],
    *,
    spacing_mm: tuple[float, float],
    nothing: tuple[slice, slice],
) -> tuple[slice, slice]:
    """Rows and columns around everything that is marked.

    Args:
        readings: (S, H, W).
        experts: (R, H, W).
        spacing_mm: Height and width of a pixel.
        nothing: The window where nothing is marked.
    """
    marked = np.asarray(readings.any(axis=0) | experts.any(axis=0))
    extents = [np.flatnonzero(lines.any(axis=1)) for lines in (marked, marked.T)]
    if extents[0].size == 0:
        return nothing
    side_mm = max(
        _LEAST_MM,
        *((1 + _MARGIN) * (np.ptp(extent) + 1) * step for extent, step in zip(extents, spacing_mm, strict=True)),
    )
    rows, columns = (
        _around(extent, round(side_mm / step), length)
        for extent, step, length in zip(extents, spacing_mm, marked.shape, strict=True)
    )
    return rows, columns


def to_world(plane: Plane) -> NDArray[np.float64]:
    """Where one pixel down and one to the right lead, as in ``Crop``."""
    own = Affine(scale=plane.scale, rotate=plane.rotate, shear=plane.shear).linear_matrix
    return np.asarray(plane.affine[:-1, :-1] @ own)[-2:, -2:]


def _crop(result: Result, rows: slice, columns: slice) -> Crop:
    request = result.request
    grey = _grey(request.slice_input.pixels, result.sampled.grey)[rows, columns]
    return Crop(
        grey=np.rint(255 * np.clip(grey, 0, 1)).astype(np.uint8),
        to_world=to_world(request.plane),
        experts=_split(request.experts.masks[:, rows, columns]),
        readings=_split(result.sampled.readings[:, rows, columns]),
    )


def _around(extent: NDArray[np.intp], count: int, length: int) -> slice:
    """``count`` indices around an extent, moved inside a slice of this length, or all that it has."""
    count = min(count, length)
    start = (int(extent[0]) + int(extent[-1]) + 1 - count) // 2
    start = min(max(0, start), length - count)
    return slice(start, start + count)


def _split(masks: NDArray[np.bool_]) -> tuple[NDArray[np.float32], ...]:
    """The outline of each mask; pixel centres are at whole numbers and a half."""
    if len(masks) == 0:
        return ()
    segments, number = outline_segments(masks)
    ends = np.stack([segments[:, 0], segments.sum(axis=1)], axis=1) + np.float32(0.5)
    return tuple(ends[number == i] for i in range(len(masks)))


def _grey(pixels: NDArray[np.generic], grey: GreyScale) -> NDArray[np.float32]:
    """Grey from 0 to 1, as the image is shown before anybody changes its contrast: CT in the window for lung."""
    if grey is GreyScale.HU:
        low, high = LUNG.limits
        return ((pixels.astype(np.float32) - low) / (high - low)).astype(np.float32)
    scaled = normalise(pixels, grey, Intensity())
    return scaled if grey is GreyScale.PERCENTILES else Intensity().to_unit(scaled)

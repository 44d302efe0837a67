"""Sizes of readings in millimetres. S readings, H x W pixels.

A pixel is a rectangle of the spacing's height and width, so that a mask is an area with a straight-edged outline. The
long axis is the greatest distance between two points of the outline, the short axis the longest chord
perpendicular to it, both as a calliper would measure them: dents and gaps between parts are bridged (convex hull).
"""

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.errors import InputImageError
from napari_ambiseg.readings.masks import check_readings, pixel_counts


def areas_mm2(readings: NDArray[np.bool_], spacing_mm: tuple[float, float]) -> NDArray[np.float64]:
    """Area of each reading (S,) in square millimetres.

    Args:
        readings: Masks (S, H, W), bool.
        spacing_mm: Height and width of a pixel in millimetres.

    Raises:
        InputImageError: If ``readings`` are not boolean masks, or the spacing is not positive.
    """
    _check(readings, spacing_mm)
    return pixel_counts(readings) * np.float64(spacing_mm[0] * spacing_mm[1])


def diameters_mm(readings: NDArray[np.bool_], spacing_mm: tuple[float, float]) -> NDArray[np.float64]:
    """Long axis and perpendicular short axis of each reading (S, 2) in millimetres; 0 for an empty mask.

    Arguments and errors as ``areas_mm2``.
    """
    _check(readings, spacing_mm)
    return np.array([_axes(mask, spacing_mm) for mask in readings])


def check_spacing(spacing_mm: tuple[float, float]) -> None:
    """Refuse what are no height and width of a pixel.

    Raises:
        InputImageError: If one of the two is not positive.
    """
    if not all(0 < side < np.inf for side in spacing_mm):
        raise InputImageError(f"the pixel spacing is {spacing_mm} mm; both numbers must be positive")


def _check(readings: NDArray[np.bool_], spacing_mm: tuple[float, float]) -> None:
    check_readings(readings)
    check_spacing(spacing_mm)


def _axes(mask: NDArray[np.bool_], spacing_mm: tuple[float, float]) -> tuple[float, float]:
    from scipy.spatial import ConvexHull  # a quarter of a second that the viewer's start need not wait for
    from scipy.spatial.distance import cdist

    rows = np.flatnonzero(mask.any(axis=-1))
    if rows.size == 0:
        return 0.0, 0.0
    left = mask[rows].argmax(axis=1)
    right = mask.shape[1] - mask[rows, ::-1].argmax(axis=1)  # one past the last pixel: its right edge
    corners = [(rows + down, side) for down in (0, 1) for side in (left, right)]
    points = np.concatenate([np.stack(corner, axis=1) for corner in corners]) * np.asarray(spacing_mm, np.float64)
    hull: NDArray[np.float64] = points[ConvexHull(points).vertices]
    distances = cdist(hull, hull)
    a, b = np.unravel_index(distances.argmax(), distances.shape)
    long_axis = float(distances[a, b])
    return long_axis, _longest_chord(hull, across=(hull[b] - hull[a]) / long_axis)


def _longest_chord(hull: NDArray[np.float64], *, across: NDArray[np.float64]) -> float:
    """Longest chord of a convex polygon perpendicular to the unit vector ``across``.

    The chord's length is a concave, piecewise linear function of its position, so the longest one meets a vertex.
    """
    position = hull @ across
    height = hull @ np.array([-across[1], across[0]])
    start, end = int(position.argmin()), int(position.argmax())
    turned = np.roll(np.arange(len(hull)), -start)
    split = (end - start) % len(hull)
    there, back = turned[: split + 1], np.append(turned[split:], start)[::-1]
    edges = [np.interp(position, position[side], height[side]) for side in (there, back)]
    return float(np.abs(edges[0] - edges[1]).max())

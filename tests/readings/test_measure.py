"""Sizes in millimetres, against hand-worked shapes and an independent search by half-planes."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

from napari_ambiseg.errors import InputImageError
from napari_ambiseg.readings.measure import areas_mm2, diameters_mm

SPACING = (0.5, 0.8)


def rectangle(height: int, width: int) -> NDArray[np.bool_]:
    mask = np.zeros((1, 40, 40), np.bool_)
    mask[0, 5 : 5 + height, 7 : 7 + width] = True
    return mask


def test_area_is_pixels_times_the_area_of_one() -> None:
    both = np.concatenate([rectangle(3, 4), np.zeros((1, 40, 40), np.bool_)])
    np.testing.assert_allclose(areas_mm2(both, SPACING), [12 * 0.4, 0])


def test_axes_of_a_rectangle_are_its_diagonal_and_the_chord_across() -> None:
    height, width = 4 * 0.5, 10 * 0.8
    diagonal = math.hypot(height, width)
    # The chord perpendicular to the diagonal meets both long sides: height / cos(angle of the diagonal).
    np.testing.assert_allclose(diameters_mm(rectangle(4, 10), SPACING), [[diagonal, height * diagonal / width]])


def test_axes_of_a_single_pixel_are_those_of_its_rectangle() -> None:
    diagonal = math.hypot(*SPACING)
    np.testing.assert_allclose(diameters_mm(rectangle(1, 1), SPACING), [[diagonal, 0.5 * diagonal / 0.8]])


def test_axes_of_a_square_are_its_diagonals() -> None:
    np.testing.assert_allclose(diameters_mm(rectangle(6, 6), (0.5, 0.5)), [[3 * math.sqrt(2), 3 * math.sqrt(2)]])


def test_axes_of_a_fine_ellipse_are_its_diameters() -> None:
    rows, columns = (np.mgrid[:400, :400] + 0.5) / 400 - 0.5
    turn = 0.6
    along, across = columns * math.cos(turn) + rows * math.sin(turn), rows * math.cos(turn) - columns * math.sin(turn)
    ellipse = (along / 0.4) ** 2 + (across / 0.15) ** 2 < 1
    np.testing.assert_allclose(diameters_mm(ellipse[None], (1 / 400, 1 / 400)), [[0.8, 0.3]], atol=0.006)


def test_axes_of_an_empty_mask_are_zero() -> None:
    assert diameters_mm(np.zeros((1, 8, 8), np.bool_), SPACING).tolist() == [[0, 0]]


def test_gaps_between_parts_are_bridged() -> None:
    parts = np.zeros((1, 3, 30), np.bool_)
    parts[0, 1, 2] = parts[0, 1, 21] = True
    assert diameters_mm(parts, (1, 1))[0, 0] == pytest.approx(math.hypot(20, 1))


@given(arrays(np.bool_, (6, 7)).filter(np.any), st.sampled_from([(1.0, 1.0), SPACING, (2.0, 0.3)]))
def test_axes_equal_an_exhaustive_search(mask: NDArray[np.bool_], spacing: tuple[float, float]) -> None:
    corners = np.array([(y + dy, x + dx) for y, x in np.argwhere(mask) for dy in (0, 1) for dx in (0, 1)]) * spacing
    separation = corners[:, None] - corners
    lengths = np.hypot(separation[..., 0], separation[..., 1])
    long_axis, short_axis = diameters_mm(mask[None], spacing)[0]
    assert long_axis == pytest.approx(lengths.max())
    # Several pairs may be farthest apart; the short axis must belong to one of them.
    hull = ConvexHull(corners)
    farthest = separation[np.isclose(lengths, lengths.max())] / lengths.max()
    assert any(short_axis == pytest.approx(longest_chord(hull, axis), rel=1e-6) for axis in farthest)


def longest_chord(hull: ConvexHull, axis: NDArray[np.float64]) -> float:
    """Longest chord perpendicular to ``axis``: lines through all vertices, clipped by the hull's half-planes."""
    across = np.array([-axis[1], axis[0]])
    normals, offsets = hull.equations[:, :2], hull.equations[:, 2]
    best = 0.0
    for vertex in hull.points[hull.vertices]:
        slack = -(normals @ vertex + offsets)  # how far the line may go before it leaves a half-plane
        speed = normals @ across
        ahead = min((s / v for s, v in zip(slack, speed, strict=True) if v > 1e-9), default=0.0)
        behind = max((s / v for s, v in zip(slack, speed, strict=True) if v < -1e-9), default=0.0)
        best = max(best, ahead - behind)
    return best


@pytest.mark.parametrize("spacing", [(0.0, 0.5), (0.5, -1.0), (math.nan, 0.5), (math.inf, 0.5)])
def test_a_spacing_that_is_no_length_is_refused(spacing: tuple[float, float]) -> None:
    for function in (areas_mm2, diameters_mm):
        with pytest.raises(InputImageError, match="both numbers must be positive"):
            function(rectangle(2, 2), spacing)

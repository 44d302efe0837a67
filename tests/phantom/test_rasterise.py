"""Outlines become masks as LIDC means them: the outline's own pixels are outside."""

import numpy as np

from napari_ambiseg.phantom.rasterise import Outline, nodule_mask, to_grid


def square(top: int, left: int, size: int, *, inclusion: bool = True) -> Outline:
    """A square outline of ``size`` pixels a side, given by its corners."""
    low, high = np.array([top, left]), np.array([top, left]) + size - 1
    corners = np.array([low, [low[0], high[1]], high, [high[0], low[1]]])
    return Outline(corners, 0.0, inclusion)


def test_outline_pixels_are_outside() -> None:
    mask = nodule_mask([square(2, 3, 5)], (10, 10))
    expected = np.zeros((10, 10), bool)
    expected[3:6, 4:7] = True  # a 5 x 5 outline encloses 3 x 3 pixels
    np.testing.assert_array_equal(mask, expected)


def test_a_diamond_is_worked_by_hand() -> None:
    points = np.array([[1, 3], [2, 4], [3, 5], [4, 4], [5, 3], [4, 2], [3, 1], [2, 2]])
    rows = ["0000000", "0000000", "0001000", "0011100", "0001000", "0000000", "0000000"]
    expected = np.array([[c == "1" for c in row] for row in rows])
    np.testing.assert_array_equal(nodule_mask([Outline(points, 0.0)], (7, 7)), expected)


def test_an_outline_around_nothing_is_an_empty_mask() -> None:
    assert not nodule_mask([square(4, 4, 2)], (10, 10)).any()


def test_a_hole_and_its_outline_are_outside_whatever_the_order() -> None:
    outlines = [square(4, 4, 3, inclusion=False), square(1, 1, 9)]
    mask = nodule_mask(outlines, (12, 12))
    assert mask.sum() == 7 * 7 - 3 * 3
    assert not mask[4:7, 4:7].any()
    np.testing.assert_array_equal(mask, nodule_mask(outlines[::-1], (12, 12)))


def test_several_outlines_of_one_reader_are_joined() -> None:
    assert nodule_mask([square(1, 1, 4), square(6, 6, 5)], (12, 12)).sum() == 4 + 9


def test_the_grid_keeps_area_and_puts_the_centre_in_the_middle() -> None:
    mask = np.zeros((60, 60), bool)
    mask[20:41, 15:36] = True  # 21 pixels of 0.7 mm: 14.7 mm, around pixel (30, 25)
    grid = to_grid(mask, centre_px=(30.0, 25.0), pixel_mm=0.7)
    rows, columns = np.nonzero(grid)
    assert grid.shape == (128, 128)
    assert abs(grid.sum() * 0.25 - 14.7**2) < 15
    assert rows.mean() == 63.5
    assert columns.mean() == 63.5


def test_the_grid_copies_masks_that_lie_on_it() -> None:
    mask = np.random.default_rng(0).random((128, 128)) < 0.5
    np.testing.assert_array_equal(to_grid(mask, centre_px=(63.5, 63.5), pixel_mm=0.5), mask)

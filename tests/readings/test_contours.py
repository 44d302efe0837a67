"""Outlines enclose what they are said to enclose."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from skimage.measure import points_in_poly

from napari_ambiseg.errors import SettingsError
from napari_ambiseg.readings.contours import Lines, iso_contours, outlines, votes_for

MASKS = arrays(np.bool_, (5, 6))
STACKS = st.integers(1, 9).flatmap(lambda n: arrays(np.bool_, (n, 4, 5)))


def inside(lines: Lines, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """The pixels whose centres lie inside an odd number of the lines."""
    centres = np.stack(np.mgrid[: shape[0], : shape[1]], axis=-1).reshape(-1, 2)
    crossed = np.zeros(len(centres), np.int64)
    for line in lines:
        crossed += points_in_poly(centres, line)
    return (crossed % 2 == 1).reshape(shape)


def test_the_outline_of_one_pixel_is_a_diamond_around_its_centre() -> None:
    mask = np.zeros((5, 5), np.bool_)
    mask[2, 3] = True
    (line,) = outlines(mask)
    assert {tuple(point) for point in line} == {(1.5, 3), (2.5, 3), (2, 2.5), (2, 3.5)}
    assert tuple(line[0]) == tuple(line[-1])


@given(MASKS)
def test_outlines_are_closed_and_enclose_the_mask(mask: NDArray[np.bool_]) -> None:
    lines = outlines(mask)
    assert all(tuple(line[0]) == tuple(line[-1]) for line in lines)
    np.testing.assert_array_equal(inside(lines, mask.shape), mask)


@given(STACKS, st.sampled_from([0.05, 0.25, 0.5, 0.75, 0.95, 1.0]))
def test_an_iso_contour_encloses_what_at_least_that_share_marks(stack: NDArray[np.bool_], share: float) -> None:
    (found,) = iso_contours(stack, [share])
    region = stack.mean(axis=0) >= share - 1e-9
    np.testing.assert_array_equal(inside(found.lines, region.shape), region)
    assert found.pixels == region.sum()


def test_a_level_that_readings_meet_exactly_lies_halfway_to_the_next() -> None:
    ladder = np.array([[[i < 4 - column for column in range(5)]] for i in range(4)])  # 4 3 2 1 0 of 4 readings
    reach = {found.share: max(line[:, 1].max() for line in found.lines) for found in iso_contours(ladder)}
    assert reach == {0.25: 3.5, 0.5: 2.5, 0.75: 1.5, 0.95: 0.5}


@pytest.mark.parametrize(("share", "count", "votes"), [(0.07, 100, 7), (0.95, 16, 16), (0.25, 16, 4), (0.25, 3, 1)])
def test_votes_that_a_share_takes(share: float, count: int, votes: int) -> None:
    assert votes_for(share, count) == votes


@pytest.mark.parametrize("share", [0.0, -1.0, 1.01, float("nan")])
def test_what_is_no_share_is_refused(share: float) -> None:
    with pytest.raises(SettingsError, match="give a number above 0, at most 1"):
        iso_contours(np.ones((1, 2, 2), np.bool_), [share])

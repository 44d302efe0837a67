"""The relative-area rule, against its equation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from napari_ambiseg.errors import InputImageError, SettingsError
from napari_ambiseg.readings.agreement import ged, mean_dice
from napari_ambiseg.readings.pairs import all_pairs
from napari_ambiseg.readings.relative_area import by_threshold, keeps, relative_area


def of_areas(*areas: int) -> NDArray[np.bool_]:
    return np.array([[[i < area for i in range(100)]] for area in areas])


STACKS = st.integers(1, 6).flatmap(lambda n: arrays(np.bool_, (n, 3, 3)))


def test_a_reading_of_exactly_the_threshold_is_kept_and_one_below_becomes_empty() -> None:
    kept = relative_area(of_areas(10, 5, 4, 0), 0.5)
    assert kept.sum(axis=(1, 2)).tolist() == [10, 5, 0, 0]
    np.testing.assert_array_equal(kept[:2], of_areas(10, 5))


def test_rounding_moves_no_threshold() -> None:
    for percent in range(1, 101):  # in floats, 0.07 * 100 > 7
        assert keeps(np.array([100, percent, percent - 1]), percent / 100).tolist() == [True, True, False]


@given(STACKS)
def test_zero_changes_nothing(readings: NDArray[np.bool_]) -> None:
    np.testing.assert_array_equal(relative_area(readings, 0), readings)


@given(STACKS)
def test_one_leaves_the_largest_alone(readings: NDArray[np.bool_]) -> None:
    areas = readings.sum(axis=(1, 2))
    kept = relative_area(readings, 1).sum(axis=(1, 2))
    np.testing.assert_array_equal(kept, np.where(areas == areas.max(), areas, 0))


@given(STACKS, st.floats(0, 1), st.floats(0, 1))
def test_a_higher_threshold_never_brings_a_reading_back(readings: NDArray[np.bool_], a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert not (relative_area(readings, high) & ~relative_area(readings, low)).any()


def test_the_readings_given_are_left_as_they_are() -> None:
    readings = of_areas(10, 1)
    relative_area(readings, 0.5)
    np.testing.assert_array_equal(readings, of_areas(10, 1))


@pytest.mark.parametrize("r", [-0.01, 1.01, math.nan])
def test_a_threshold_outside_zero_to_one_is_refused(r: float) -> None:
    with pytest.raises(SettingsError, match=r"the relative-area threshold is .*; expected a number from 0"):
        relative_area(of_areas(3), r)


def test_no_readings_are_refused() -> None:
    with pytest.raises(InputImageError, match="there are no readings"):
        relative_area(np.zeros((0, 3, 3), np.bool_), 0.5)


@given(
    st.integers(1, 6).flatmap(lambda n: arrays(np.bool_, (n, 3, 4))),
    st.integers(1, 4).flatmap(lambda n: arrays(np.bool_, (n, 3, 4))),
)
def test_all_thresholds_at_once_equal_one_after_the_other(
    samples: NDArray[np.bool_], experts: NDArray[np.bool_]
) -> None:
    thresholds = [0, 0.2, 0.25, 0.5, 0.75, 1]
    found = by_threshold(all_pairs(samples=samples, experts=experts), thresholds)
    for at, r in enumerate(thresholds):
        masks = {"samples": relative_area(samples, r), "experts": experts}
        assert found.ged[at] == pytest.approx(ged(**masks), abs=1e-12)
        assert found.dice[at] == pytest.approx(mean_dice(**masks), abs=1e-12)

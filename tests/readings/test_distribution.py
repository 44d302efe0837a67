import numpy as np
import pytest
from numpy.typing import NDArray

from napari_ambiseg.errors import InputImageError
from napari_ambiseg.readings.distribution import sizes
from napari_ambiseg.readings.measure import areas_mm2, diameters_mm


def squares(*sides: int) -> NDArray[np.bool_]:
    places = np.arange(30)
    return np.array([(places < side)[:, None] & (places < side) for side in sides])


def test_sizes_are_those_of_the_masks_with_the_experts_beside_them() -> None:
    samples, experts = squares(1, 2, 3), squares(2, 0)
    found = sizes(samples=samples, experts=experts, spacing_mm=(0.5, 0.8))
    for distribution, measured in zip(
        found,
        [lambda m: areas_mm2(m, (0.5, 0.8)), *(lambda m, k=k: diameters_mm(m, (0.5, 0.8))[:, k] for k in (0, 1))],
        strict=True,
    ):
        np.testing.assert_array_equal(distribution.samples, measured(samples))
        np.testing.assert_array_equal(distribution.experts, measured(experts))
    assert [(d.name, d.unit) for d in found] == [("area", "mm²"), ("long axis", "mm"), ("short axis", "mm")]
    assert (found.area.empty_samples, found.area.empty_experts) == (0, 1)


def test_empty_readings_are_counted_and_do_not_pull_the_percentiles() -> None:
    area = sizes(samples=squares(*range(1, 22), 0, 0), experts=np.zeros((0, 30, 30), np.bool_), spacing_mm=(1, 1)).area
    assert area.empty_samples == 2
    assert (area.low, area.median, area.high) == (pytest.approx(4), 121, pytest.approx(400))  # 1², 2², ..., 21²
    assert len(area.experts) == 0


def test_where_all_are_empty_there_is_no_median() -> None:
    area = sizes(samples=squares(0, 0), experts=squares(3), spacing_mm=(1, 1)).area
    assert np.isnan([area.low, area.median, area.high]).all()
    assert area.empty_samples == 2


def test_without_samples_there_is_nothing_to_measure() -> None:
    with pytest.raises(InputImageError, match="give at least one mask"):
        sizes(samples=np.zeros((0, 3, 3), np.bool_), experts=squares(2), spacing_mm=(1, 1))


def test_emptying_samples_is_the_same_as_measuring_what_is_left() -> None:
    samples, experts, kept = squares(1, 5, 9, 4, 0), squares(3), np.array([False, True, True, False, True])
    emptied = sizes(samples=samples, experts=experts, spacing_mm=(0.5, 0.7)).emptied(kept)
    again = sizes(samples=samples & kept[:, None, None], experts=experts, spacing_mm=(0.5, 0.7))
    for one, other in zip(emptied, again, strict=True):
        np.testing.assert_array_equal(one.samples, other.samples)
        np.testing.assert_array_equal(one.experts, other.experts)
        assert (one.name, one.unit, one.median, one.low, one.high) == (
            other.name,
            other.unit,
            other.median,
            other.low,
            other.high,
        )

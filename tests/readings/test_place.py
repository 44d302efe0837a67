"""A mask among readings: hand-worked strips, and readings placed among themselves."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from napari_ambiseg.errors import InputImageError
from napari_ambiseg.readings.agreement import overlap
from napari_ambiseg.readings.place import among, place, told

STACKS = st.integers(2, 7).flatmap(lambda n: arrays(np.bool_, (n, 3, 3)))


def bars(*bounds: tuple[int, int]) -> NDArray[np.bool_]:
    """Masks on a strip of 40 pixels, from the first to before the second number."""
    places = np.arange(40)
    return np.array([[(places >= a) & (places < b)] for a, b in bounds])


READINGS = among(samples=bars((0, 10), (0, 12), (0, 8), (30, 40)), experts=bars((0, 10), (5, 5)), spacing_mm=(0.5, 2.0))


def test_a_mask_like_most_is_usual() -> None:
    found = place(bars((1, 11))[0], READINGS)
    assert found.area_mm2 == 10
    np.testing.assert_allclose(found.dice_samples, [18 / 20, 20 / 22, 14 / 18, 0])
    np.testing.assert_allclose(found.dice_experts, [18 / 20, 0])
    assert found.area_rank == (1 + 0.5 + 0.5) / 4  # one is smaller, two as large
    assert (found.inside_of, found.around) == (1 / 4, 0)
    assert found.support == pytest.approx((9 + 10 + 7) / 40)
    assert (found.mode, found.usual_way) == (0, True)
    assert found.mode_iou == pytest.approx((9 / 11 + 10 / 12 + 7 / 11) / 3)
    # Among themselves: first 18/20 + .., each mean over the three others, one of which shares nothing with it.
    assert found.rank == 3 / 4 + 0.25 * (found.mean_dice_samples > READINGS.dice_within.max())


def test_a_mask_where_nobody_drew_is_like_none() -> None:
    found = place(bars((20, 25))[0], READINGS)
    assert not found.usual_way
    assert (found.rank, found.support, found.mean_dice_samples) == (0.125, 0, 0)  # tied with the stray reading
    assert told(found) == (
        "5 mm², larger than 0 % of 4 readings · mean Dice 0.00 with the readings, 0.00 with 2 experts · "
        "like none of the ways that were drawn"
    )


def test_an_empty_mask_is_like_the_readings_that_see_nothing() -> None:
    found = place(bars((0, 0))[0], among(samples=bars((0, 4), (7, 7)), experts=bars((3, 3)), spacing_mm=(1, 1)))
    assert found.dice_samples.tolist() == [0, 1]
    assert found.dice_experts.tolist() == [1]
    assert math.isnan(found.support)
    assert found.usual_way
    assert found.mode_iou == 1


def test_a_mask_that_contains_all_is_said_to() -> None:
    found = place(bars((0, 40))[0], READINGS)
    assert (found.around, found.inside_of, found.area_rank) == (1, 0, 1)


@given(STACKS)
def test_an_accepted_reading_has_the_rank_of_that_reading(stack: NDArray[np.bool_]) -> None:
    prepared = among(samples=stack, experts=stack[:1], spacing_mm=(1, 1))
    dice = overlap(samples=stack, experts=stack).dice
    for i, mask in enumerate(stack):
        found = place(mask, prepared)
        np.testing.assert_allclose(found.dice_samples, dice[i])
        within = [(dice[k].sum() - 1) / (len(stack) - 1) for k in range(len(stack))]
        ranks = [0.5 if math.isclose(w, within[i], abs_tol=1e-9) else float(w < within[i]) for w in within]
        assert found.rank == pytest.approx(np.mean(ranks))
        assert i in prepared.modes[found.mode].members or found.mode_iou >= prepared.similar_iou


def test_without_experts_or_others_there_is_nothing_to_compare_with() -> None:
    found = place(bars((0, 10))[0], among(samples=bars((0, 9)), experts=READINGS.experts[:0], spacing_mm=(1, 1)))
    assert math.isnan(found.rank)
    assert math.isnan(found.mean_dice_experts)
    assert "expert" not in told(found)


def test_masks_of_other_slices_are_refused() -> None:
    with pytest.raises(InputImageError, match="bring both to the grid of the same image"):
        place(np.zeros((2, 40), np.bool_), READINGS)
    with pytest.raises(InputImageError, match="bring both to the grid of the same image"):
        among(samples=bars((0, 9)), experts=np.zeros((1, 2, 40), np.bool_), spacing_mm=(1, 1))

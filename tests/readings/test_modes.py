"""Ways to read a lesion: hand-made sets, and what must not change when the readings are shuffled."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.optimize import brentq

from napari_ambiseg.errors import SettingsError
from napari_ambiseg.readings.modes import mode_numbers, modes, nearest_mode, share, told

STACKS = st.integers(1, 9).flatmap(lambda n: arrays(np.bool_, (n, 2, 3)))


def bars(*bounds: tuple[int, int]) -> NDArray[np.bool_]:
    """Masks on a strip of 40 pixels, from the first to before the second number."""
    places = np.arange(40)
    return np.array([[(places >= a) & (places < b)] for a, b in bounds])


def test_two_opinions_and_the_view_that_there_is_nothing_are_told_apart() -> None:
    # Left: 10, 9 and 10 pixels, IoU .9 and 1. Right: 20 and 19. Once nothing.
    found = modes(bars((20, 40), (0, 10), (0, 9), (5, 5), (0, 10), (20, 39)))
    assert [mode.members for mode in found] == [(1, 2, 4), (0, 5), (3,)]
    assert [mode.medoid for mode in found] == [1, 0, 3]
    assert [mode.empty for mode in found] == [False, False, True]
    assert [mode.mean_iou for mode in found] == pytest.approx([(0.9 + 0.9 + 1) / 3, 0.95, 1])
    assert [mode.share.fraction for mode in found] == pytest.approx([1 / 2, 1 / 3, 1 / 6])
    assert mode_numbers(found).tolist() == [1, 0, 0, 2, 0, 1]
    assert told(found) == "3 ways to read this lesion: 50 %, 33 % and 17 % see nothing"


def test_the_medoid_is_nearest_to_the_members() -> None:
    (only,) = modes(bars((0, 20), (0, 18), (0, 16)))
    assert only.medoid == 1


def test_groups_are_joined_by_their_mean_iou() -> None:
    # IoU 8/10 between neighbours, 7/11 between the outer ones: once two are joined, the third is at the mean, .718.
    chain = bars((0, 9), (1, 10), (2, 11))
    assert len(modes(chain, similar_iou=0.71)) == 1
    assert len(modes(chain, similar_iou=0.72)) == 2


def test_only_equal_readings_are_one_at_the_strictest_and_all_drawn_ones_at_the_loosest() -> None:
    readings = bars((0, 9), (0, 10), (0, 9), (30, 31), (0, 0))
    assert [mode.members for mode in modes(readings, similar_iou=1)] == [(0, 2), (4,), (1,), (3,)]
    assert [mode.members for mode in modes(readings, similar_iou=0)] == [(0, 1, 2, 3), (4,)]


@given(STACKS, st.sampled_from([0.3, 0.5, 0.7]), st.randoms())
def test_the_order_of_the_readings_does_not_matter(stack: NDArray[np.bool_], similar: float, chance: object) -> None:
    order = list(range(len(stack)))
    chance.shuffle(order)  # type: ignore[attr-defined]
    one, other = modes(stack, similar_iou=similar), modes(stack[order], similar_iou=similar)
    assert [mode.members for mode in one] == [tuple(sorted(order[i] for i in mode.members)) for mode in other]
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(stack[a.medoid], stack[order][b.medoid])
        assert (a.share, a.empty, a.mean_iou) == (b.share, b.empty, pytest.approx(b.mean_iou))


@given(STACKS)
def test_every_reading_is_in_one_mode_and_each_medoid_in_its_own(stack: NDArray[np.bool_]) -> None:
    found = modes(stack)
    assert sorted(i for mode in found for i in mode.members) == list(range(len(stack)))
    for mode in found:
        assert mode.medoid in mode.members
        assert all(stack[i].any() != mode.empty for i in mode.members)


@pytest.mark.parametrize(("count", "total"), [(2, 16), (0, 16), (16, 16), (41, 100), (1, 1)])
def test_wilsons_interval_ends_where_the_score_test_rejects(count: int, total: int) -> None:
    found, seen = share(count, total), count / total

    def excess(truth: float) -> float:
        return (seen - truth) ** 2 - 1.959963984540054**2 * truth * (1 - truth) / total

    low = brentq(excess, 1e-12, seen - 1e-9) if count else 0.0
    high = brentq(excess, seen + 1e-9, 1 - 1e-12) if count < total else 1.0
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-9), pytest.approx(high, abs=1e-9))


def test_two_of_sixteen_are_far_from_certain() -> None:
    found = share(2, 16)
    assert found.fraction == 0.125
    assert (round(found.low, 3), round(found.high, 3)) == (0.035, 0.360)


def test_equally_frequent_ways_have_equal_percentages() -> None:
    thirds = modes(bars((0, 5), (10, 15), (20, 25), (0, 5), (10, 15), (20, 25)))
    assert told(thirds) == "3 ways to read this lesion: 33 %, 33 % and 33 %"


def test_rare_ways_are_summed_and_single_readings_are_no_ways() -> None:
    found = modes(bars(*[(a, a + 4) for a in (0, 0, 0, 0, 5, 5, 10, 10, 15, 15, 20, 20, 25, 30)], (3, 3), (3, 3)))
    assert told(found) == (
        "6 ways to read this lesion: 25 %, 12 %, 12 %, 2 rarer ones with 25 % together and 12 % see nothing; "
        "2 of 16 readings are like no other"
    )


def test_agreement_and_its_lack_are_said_as_such() -> None:
    assert told(modes(bars((0, 5), (0, 5)))) == "One way to read this lesion: all 2 agree"
    assert told(modes(bars((0, 0), (0, 0), (9, 9)))) == "All 3 readings see nothing"
    assert told(modes(bars((0, 5), (9, 12)))) == "2 of 2 readings are like no other"
    assert (
        told(modes(bars((0, 5), (0, 5), (9, 12))))
        == "1 way to read this lesion: 67 %; 1 of 3 readings is like no other"
    )


@pytest.mark.parametrize("wrong", [-0.1, 1.1, float("nan")])
def test_a_similarity_that_is_no_iou_is_refused(wrong: float) -> None:
    with pytest.raises(SettingsError, match="give an IoU from 0 to 1"):
        modes(bars((0, 5)), similar_iou=wrong)


def test_single_readings_come_after_all_ways_even_after_the_one_that_sees_nothing() -> None:
    found = modes(bars((0, 10), (30, 40), (0, 10), (5, 5)))
    assert [(mode.members, mode.is_way) for mode in found] == [((0, 2), True), ((3,), True), ((1,), False)]


def test_the_nearest_way_is_the_one_with_the_highest_mean_iou() -> None:
    found = modes(bars((0, 10), (30, 40), (0, 10), (5, 5)))
    assert nearest_mode(found, np.array([0.9, 0.6, 0.5, 0.0])) == (0, pytest.approx(0.7))
    assert nearest_mode(found, np.array([0.9, 0.8, 0.5, 0.0])) == (2, pytest.approx(0.8))
    assert nearest_mode(found, np.array([0.0, 0.0, 0.0, 1.0])) == (1, 1.0)

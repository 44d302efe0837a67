"""The collective-insight score and vote counts, worked by hand and against loops over pixels."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from napari_ambiseg.errors import InputImageError
from napari_ambiseg.readings.agreement import mean_dice, overlap
from napari_ambiseg.readings.collective import collective_insight
from napari_ambiseg.readings.consensus import majority
from napari_ambiseg.readings.votes import joint_votes, majority_dice

Masks = NDArray[np.bool_]
SETS = st.integers(1, 5).flatmap(lambda n: arrays(np.bool_, (n, 3, 4)))


def of_rows(*rows: str) -> Masks:
    return np.array([[[c == "#" for c in row]] for row in rows])


def test_the_score_of_a_hand_worked_case() -> None:
    """Eight pixels; the union of the experts has 4, of which the samples mark 3 (and one more that no expert does)."""
    samples, experts = of_rows("###.....", ".##.#..."), of_rows("####....", "##......", "........")
    found = collective_insight(samples=samples, experts=experts)
    assert found.combined_sensitivity == 3 / 4
    # Best Dice per expert: 2 * 3 / (3 + 4); 2 * 2 / (3 + 2); both samples against nothing.
    assert found.max_dice == pytest.approx((6 / 7 + 4 / 5 + 0) / 3)
    # Samples: one pair, 2 pixels apart, equal areas. Experts: apart by 2, 4 and 2 pixels, areas by as many.
    samples_v = 2 / 8
    experts_v = [2 / 8 - (2 / 8) ** 2, 4 / 8 - (4 / 8) ** 2]
    d_a = 1 - (abs(samples_v - min(experts_v)) + abs(samples_v - max(experts_v))) / 2
    assert found.diversity_agreement == pytest.approx(d_a)
    s_c, d_max = 3 / 4, found.max_dice
    assert found.score == pytest.approx(3 * s_c * d_max * d_a / (s_c + d_max + d_a))


def test_sensitivity_is_recall_and_not_precision() -> None:
    wide, narrow = of_rows("######..", "######.."), of_rows("##......", "##......")
    assert collective_insight(samples=wide, experts=narrow).combined_sensitivity == 1
    assert collective_insight(samples=narrow, experts=wide).combined_sensitivity == 1 / 3


def test_equal_sets_score_one() -> None:
    masks = of_rows("##..", "....", "####")
    assert collective_insight(samples=masks, experts=masks).score == pytest.approx(1)


def test_where_nobody_marks_anything_all_is_found() -> None:
    nothing = np.zeros((3, 4, 4), bool)
    assert collective_insight(samples=nothing, experts=nothing).score == 1
    found = collective_insight(samples=of_rows("##..", "##.."), experts=of_rows("....", "...."))
    assert (found.combined_sensitivity, found.max_dice, found.score) == (1, 0, 0)


@pytest.mark.parametrize("alone", ["samples", "experts"])
def test_a_lone_mask_has_no_diversity_to_agree_with(alone: str) -> None:
    masks = {"samples": of_rows("##..", "#..."), "experts": of_rows("##..", "....")}
    masks[alone] = masks[alone][:1]
    found = collective_insight(**masks)
    assert math.isnan(found.diversity_agreement)
    assert math.isnan(found.score)
    assert found.max_dice > 0


@given(SETS, SETS)
def test_parts_equal_loops_over_masks_and_pixels(samples: Masks, experts: Masks) -> None:
    found = collective_insight(samples=samples, experts=experts)
    wanted = {tuple(at) for at in np.argwhere(experts.any(axis=0))}
    drawn = {tuple(at) for at in np.argwhere(samples.any(axis=0))}
    assert found.combined_sensitivity == (len(wanted & drawn) / len(wanted) if wanted else 1)
    best = [max(mean_dice(samples=s[None], experts=y[None]) for s in samples) for y in experts]
    assert found.max_dice == pytest.approx(np.mean(best))
    if min(len(samples), len(experts)) > 1:
        v_s, v_y = (
            [np.var(a.astype(float) - b.astype(float)) for a, b in combinations(masks, 2)]
            for masks in (samples, experts)
        )
        d_a = 1 - (abs(min(v_s) - min(v_y)) + abs(max(v_s) - max(v_y))) / 2
        assert found.diversity_agreement == pytest.approx(d_a)


@given(SETS, SETS)
def test_votes_count_every_pixel_once(samples: Masks, experts: Masks) -> None:
    table = joint_votes(samples=samples, experts=experts)
    by_hand = np.zeros((len(samples) + 1, len(experts) + 1), int)
    for y, x in np.ndindex(samples.shape[1:]):
        by_hand[samples[:, y, x].sum(), experts[:, y, x].sum()] += 1
    np.testing.assert_array_equal(table, by_hand)


@given(SETS, SETS)
def test_majority_dice_is_the_dice_of_the_majorities(samples: Masks, experts: Masks) -> None:
    both = overlap(samples=majority(samples)[None], experts=majority(experts)[None])
    assert majority_dice(joint_votes(samples=samples, experts=experts)) == both.dice[0, 0]


def test_votes_of_many_samples_do_not_overflow() -> None:
    table = joint_votes(samples=np.ones((300, 2, 2), bool), experts=np.ones((1, 2, 2), bool))
    assert table[300, 1] == 4


def test_sets_on_different_grids_are_refused() -> None:
    with pytest.raises(InputImageError, match="bring both to the grid"):
        joint_votes(samples=np.zeros((1, 4, 4), bool), experts=np.zeros((1, 4, 5), bool))

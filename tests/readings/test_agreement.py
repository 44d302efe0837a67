"""Agreement of two sets of masks, against hand-worked cases, double loops over pixels, and what holds for any set."""

import math
import time
from fractions import Fraction
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from napari_ambiseg.errors import InputImageError
from napari_ambiseg.readings import agreement
from napari_ambiseg.readings.agreement import compare, ged, hm_iou, mean_dice, overlap
from napari_ambiseg.readings.pairs import all_pairs
from napari_ambiseg.seeds import ANTITHETIC

Masks = NDArray[np.bool_]


def of_rows(*rows: str) -> Masks:
    """Masks (number, 1, W) drawn as text: "##.." marks the first two of four pixels."""
    return np.array([[[c == "#" for c in row]] for row in rows])


def sets(count: st.SearchStrategy[int]) -> st.SearchStrategy[Masks]:
    return count.flatmap(lambda n: arrays(np.bool_, (n, 3, 4)))


def pixels(mask: Masks) -> set[tuple[int, int]]:
    return {(int(y), int(x)) for y, x in np.argwhere(mask)}


def exact_iou(a: Masks, b: Masks) -> Fraction:
    first, second = pixels(a), pixels(b)
    return Fraction(len(first & second), len(first | second)) if first | second else Fraction(1)


def exact_dice(a: Masks, b: Masks) -> Fraction:
    first, second = pixels(a), pixels(b)
    return Fraction(2 * len(first & second), len(first) + len(second)) if first | second else Fraction(1)


def exact_distance(left: Masks, right: Masks, *, without_self: bool) -> Fraction:
    distances = [
        1 - exact_iou(a, b) for i, a in enumerate(left) for j, b in enumerate(right) if not (without_self and i == j)
    ]
    return sum(distances, Fraction()) / len(distances)


def exact_ged(samples: Masks, experts: Masks, *, unbiased: bool) -> Fraction:
    between = exact_distance(samples, experts, without_self=False)
    return 2 * between - sum(exact_distance(x, x, without_self=unbiased) for x in (samples, experts))


SETS = sets(st.integers(1, 5))
SETS_OF_TWO_OR_MORE = sets(st.integers(2, 5))


def test_iou_and_dice_of_a_hand_worked_pair() -> None:
    result = overlap(samples=of_rows("###."), experts=of_rows(".###", "...#", "####"))
    assert result.iou.tolist() == [[2 / 4, 0, 3 / 4]]
    assert result.dice.tolist() == [[4 / 6, 0, 6 / 7]]


def test_two_empty_masks_agree_and_an_empty_one_agrees_with_nothing_else() -> None:
    result = overlap(samples=of_rows("....", "#..."), experts=of_rows("....", "##.."))
    assert result.iou.tolist() == [[1, 0], [0, 0.5]]
    assert result.dice.tolist() == [[1, 0], [0, 2 / 3]]


def test_ged_of_a_hand_worked_case() -> None:
    samples, experts = of_rows("##..", "####"), of_rows("##..", "....")
    # d(S, Y): 0, 1, 1/2, 1, mean 5/8; d(S, S'): 0, 1/2, 1/2, 0, mean 1/4; d(Y, Y'): 0, 1, 1, 0, mean 1/2.
    assert ged(samples=samples, experts=experts) == pytest.approx(2 * 5 / 8 - 1 / 4 - 1 / 2)
    # Without i = j the self terms are 1/2 and 1.
    assert ged(samples=samples, experts=experts, unbiased=True) == pytest.approx(2 * 5 / 8 - 1 / 2 - 1)


def test_ged_of_all_empty_sets_is_zero() -> None:
    empty = np.zeros((3, 4, 4), np.bool_)
    result = compare(samples=empty, experts=empty[:2])
    assert (result.ged, result.ged_unbiased, result.mean_dice, result.hm_iou) == (0, 0, 1, 1)


def test_ged_of_disjoint_single_masks_is_two() -> None:
    assert ged(samples=of_rows("##.."), experts=of_rows("..##")) == 2


def test_unbiased_ged_is_undefined_for_single_masks() -> None:
    one, two = of_rows("##.."), of_rows("##..", "#...")
    assert math.isnan(ged(samples=one, experts=two, unbiased=True))
    assert math.isnan(ged(samples=two, experts=one, unbiased=True))


@given(SETS)
def test_ged_of_identical_sets_is_zero(masks: Masks) -> None:
    assert ged(samples=masks, experts=masks) == pytest.approx(0, abs=1e-12)


@given(SETS_OF_TWO_OR_MORE)
def test_unbiased_ged_of_identical_sets_is_minus_twice_the_bias(masks: Masks) -> None:
    n = len(masks)
    spread = (1 - overlap(samples=masks, experts=masks).iou).sum() / (n * (n - 1))
    assert ged(samples=masks, experts=masks, unbiased=True) == pytest.approx(-2 * spread / n, abs=1e-12)


@given(SETS, SETS)
def test_ged_is_never_negative_nor_above_two(samples: Masks, experts: Masks) -> None:
    assert -1e-12 <= ged(samples=samples, experts=experts) <= 2


@given(SETS, SETS)
def test_iou_dice_and_published_ged_equal_a_double_loop(samples: Masks, experts: Masks) -> None:
    result = compare(samples=samples, experts=experts)
    iou = [[float(exact_iou(s, y)) for y in experts] for s in samples]
    dice = [[float(exact_dice(s, y)) for y in experts] for s in samples]
    np.testing.assert_array_equal(result.iou, iou)
    np.testing.assert_array_equal(result.dice, dice)
    assert result.mean_dice == pytest.approx(np.mean(dice))
    assert result.mean_iou == pytest.approx(np.mean(iou))
    assert result.ged == pytest.approx(float(exact_ged(samples, experts, unbiased=False)), abs=1e-12)


@given(SETS_OF_TWO_OR_MORE, SETS_OF_TWO_OR_MORE)
def test_unbiased_ged_equals_a_double_loop(samples: Masks, experts: Masks) -> None:
    found = ged(samples=samples, experts=experts, unbiased=True)
    assert found == pytest.approx(float(exact_ged(samples, experts, unbiased=True)), abs=1e-12)


@given(sets(st.integers(1, 3)), sets(st.integers(1, 2)))
@settings(max_examples=50)
def test_hm_iou_is_the_best_of_all_pairings_of_the_tiled_sets(samples: Masks, experts: Masks) -> None:
    common = math.lcm(len(samples), len(experts))
    left = [i % len(samples) for i in range(common)]
    right = [j % len(experts) for j in range(common)]
    iou = [[exact_iou(s, y) for y in experts] for s in samples]
    best = max(sum(iou[i][j] for i, j in zip(left, p, strict=True)) for p in permutations(right)) / common
    assert hm_iou(samples=samples, experts=experts) == pytest.approx(float(best))


@pytest.mark.parametrize(("count", "readers"), [(16, 9), (25, 11), (40, 7), (257, 2), (300, 1), (6, 4)])
def test_transportation_and_matching_of_copies_have_the_same_optimum(
    monkeypatch: pytest.MonkeyPatch, count: int, readers: int
) -> None:
    rng = np.random.default_rng(count)
    masks = rng.random((count + readers, 6, 6)) < rng.random((count + readers, 1, 1))
    both = {"samples": masks[:count], "experts": masks[count:]}
    monkeypatch.setattr(agreement, "_LARGEST_TILING", 0)
    transported = hm_iou(**both)
    monkeypatch.setattr(agreement, "_LARGEST_TILING", 10**6)
    assert hm_iou(**both) == pytest.approx(transported, abs=1e-12)


def test_sets_whose_least_common_multiple_is_large_are_matched_quickly() -> None:
    """499 samples and 10 experts: a matching of 4990 copies would take minutes."""
    masks = np.random.default_rng(0).random((509, 4, 4)) < 0.5
    start = time.process_time()
    assert 0 < hm_iou(samples=masks[:499], experts=masks[499:]) < 1
    assert time.process_time() - start < 5


def test_hm_iou_of_a_hand_worked_case() -> None:
    # Two of the four samples hit the first expert, one the second, one is empty: tiled, each expert asks for two.
    samples, experts = of_rows("##..", "##..", "..##", "...."), of_rows("##..", "..##")
    assert hm_iou(samples=samples, experts=experts) == 3 / 4


def test_unbiased_ged_of_a_hand_worked_antithetic_pair() -> None:
    samples, experts = of_rows("##..", "####", "##.."), of_rows("##..", "....")
    # d(S, Y): 0, 1, 1/2, 1, 0, 1, mean 7/12. The first two are opposites, which leaves d(S, S') = 0 and 1/2, mean 1/4;
    # d(Y, Y') is 1.
    found = compare(samples=samples, experts=experts, seeds=(5, 5 | ANTITHETIC, 9))
    assert found.ged_unbiased == pytest.approx(2 * 7 / 12 - 1 / 4 - 1)
    assert found.ged == pytest.approx(ged(samples=samples, experts=experts))
    assert math.isnan(compare(samples=samples[:2], experts=experts, seeds=(5, 5 | ANTITHETIC)).ged_unbiased)


def test_samples_with_other_seeds_than_theirs_are_refused() -> None:
    with pytest.raises(InputImageError, match="2 samples came with 3 seeds; give the seed of each"):
        compare(samples=of_rows("##..", "#..."), experts=of_rows("##.."), seeds=(1, 2, 3))


def test_a_number_that_cuts_an_antithetic_pair_leaves_its_first_independent() -> None:
    samples, experts = of_rows("##..", "####", "#...", "...."), of_rows("##..", "....")
    seeds = (5, 5 | ANTITHETIC, 9, 9 | ANTITHETIC)
    three = all_pairs(samples=samples, experts=experts, seeds=seeds).first(3)
    found = agreement.compare_pairs(three).ged_unbiased
    assert found == pytest.approx(compare(samples=samples[:3], experts=experts, seeds=seeds[:3]).ged_unbiased)


def test_the_unbiased_estimate_stays_centred_when_samples_come_in_antithetic_pairs() -> None:
    generator = np.random.default_rng(0)
    chance = generator.random((1, 1, 1, 8))
    drawn = generator.random((2000, 6, 1, 8))
    drawn[:, 1:4:2] = 1 - drawn[:, 0:4:2]  # the noise of each pair's second, as likely as that of its first
    seeds = (1, 1 | ANTITHETIC, 2, 2 | ANTITHETIC)
    sets = [(masks[:4], masks[4:]) for masks in drawn < chance]
    unbiased = np.array([compare(samples=s, experts=y, seeds=seeds).ged_unbiased for s, y in sets])
    assert abs(unbiased.mean()) < 4 * unbiased.std() / math.sqrt(len(sets))
    as_if_independent = np.array([ged(samples=s, experts=y, unbiased=True) for s, y in sets])
    assert as_if_independent.mean() < -4 * as_if_independent.std() / math.sqrt(len(sets))


def test_the_unbiased_estimate_is_centred_on_zero_for_equal_distributions_and_the_published_one_is_not() -> None:
    generator = np.random.default_rng(0)
    drawn = generator.random((2000, 6, 1, 8)) < generator.random((1, 1, 1, 8))  # every pixel with its own probability
    pairs = [(masks[:4], masks[4:]) for masks in drawn]
    unbiased = np.array([ged(samples=s, experts=y, unbiased=True) for s, y in pairs])
    published = np.array([ged(samples=s, experts=y) for s, y in pairs])
    assert abs(unbiased.mean()) < 4 * unbiased.std() / math.sqrt(len(pairs))
    assert published.mean() > 20 * published.std() / math.sqrt(len(pairs))


@given(SETS, SETS)
def test_compare_says_what_the_single_functions_say(samples: Masks, experts: Masks) -> None:
    both = {"samples": samples, "experts": experts}
    result = compare(**both)
    assert result.ged == ged(**both)
    assert result.ged_unbiased == pytest.approx(ged(**both, unbiased=True), nan_ok=True)
    assert (result.mean_dice, result.hm_iou) == (mean_dice(**both), hm_iou(**both))
    assert result.sample_areas.tolist() == [int(mask.sum()) for mask in samples]
    assert result.expert_areas.tolist() == [int(mask.sum()) for mask in experts]


def test_large_masks_are_counted_exactly() -> None:
    # 4097 x 4097 is above 2^24, where float32 stops counting: the odd pixel would be lost.
    side = 4097
    samples = np.ones((1, side, side), np.bool_)
    experts = samples.copy()
    experts[0, 0, 0] = False
    result = compare(samples=samples, experts=experts)
    assert result.sample_areas[0] == side**2
    assert result.iou[0, 0] == (side**2 - 1) / side**2


@pytest.mark.parametrize(("count", "height", "width"), [(2, 1, 63), (23, 301, 317), (40, 512, 512)])
def test_common_pixels_are_the_product_of_the_masks_as_a_matrix(count: int, height: int, width: int) -> None:
    masks = np.random.default_rng(count).random((count, height, width)) < 0.4
    flat = masks.reshape(count, -1).astype(np.float64)
    np.testing.assert_array_equal(all_pairs(samples=masks[:-1], experts=masks[-1:]).common, flat @ flat.T)


def test_masks_far_apart_on_the_grid_are_cropped_without_loss() -> None:
    samples, experts = np.zeros((2, 40, 50), np.bool_), np.zeros((1, 40, 50), np.bool_)
    samples[0, 0, 49] = samples[1, 39, 0] = experts[0, 39, 0] = True
    assert overlap(samples=samples, experts=experts).iou.tolist() == [[0], [1]]


def test_inputs_are_left_as_they_were() -> None:
    samples, experts = of_rows("##..", "...."), of_rows("#...")
    before = samples.copy(), experts.copy()
    compare(samples=samples, experts=experts)
    np.testing.assert_array_equal(samples, before[0])
    np.testing.assert_array_equal(experts, before[1])


@pytest.mark.parametrize(
    ("samples", "experts", "sentence"),
    [
        (np.zeros((0, 4, 4), bool), np.zeros((1, 4, 4), bool), "there are no samples; give at least one mask"),
        (np.zeros((1, 4, 4), bool), np.zeros((0, 4, 4), bool), "there are no experts; give at least one mask"),
        (np.zeros((1, 4, 4), bool), np.zeros((1, 4, 5), bool), r"4 x 4 pixels .* 4 x 5; bring both"),
        (np.zeros((4, 4), bool), np.zeros((1, 4, 4), bool), r"samples have shape \(4, 4\); expected \(number"),
        (np.zeros((1, 0, 4), bool), np.zeros((1, 0, 4), bool), r"samples have shape \(1, 0, 4\)"),
        (np.zeros((1, 4, 4), bool), np.zeros((1, 4, 4), np.uint8), "experts are of type uint8; expected booleans"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_a_sentence(samples: Any, experts: Any, sentence: str) -> None:
    for function in (compare, overlap, ged, mean_dice, hm_iou):
        with pytest.raises(InputImageError, match=sentence):
            function(samples=samples, experts=experts)


def test_sixteen_samples_of_a_lesion_against_four_experts_take_less_than_half_a_millisecond() -> None:
    rows, columns = np.mgrid[:128, :128]
    masks = np.stack([(rows - 64) ** 2 + (columns - 60 - i / 4) ** 2 < 18**2 for i in range(20)])
    best = math.inf  # the best of many: a busy machine makes single runs long
    for _ in range(300):
        start = time.perf_counter()
        compare(samples=masks[:16], experts=masks[16:])
        best = min(best, time.perf_counter() - start)
    assert best < 0.5e-3

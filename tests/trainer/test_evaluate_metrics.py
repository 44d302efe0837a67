"""Figures and references of one slice against hand-worked cases and closed forms.

The experts: two draw a block of 8 x 8 pixels, one its inner 4 x 4, one nothing. IoU (block, inner) = 16 / 64, every
pair with the empty mask has IoU 0. Of the 16 ordered pairs, 4 are block and inner (d = 0.75), 4 block and nothing, 2
inner and nothing (d = 1), and 6 are equal: D = E d(Y, Y') = (3 + 4 + 2) / 16.
"""

import math
from pathlib import Path

import numpy as np
import pytest

from napari_ambiseg.readings.agreement import ged
from trainer.evaluation.data import read_data
from trainer.evaluation.metrics import THRESHOLDS, Experts, Judged, judge, metric_names, pooled_names
from trainer.evaluation.protocol import Protocol
from trainer.evaluation.references import REFERENCES, judge_references, resampled

D = 9 / 16


def square(side: int) -> np.ndarray:
    mask = np.zeros((20, 20), bool)
    mask[5 : 5 + side, 5 : 5 + side] = True
    return mask


EXPERTS = np.stack([square(8), square(8), square(4), square(0)])


def references(
    experts: np.ndarray, slice_id: str = "s", counts: tuple[int, ...] = (4, 16)
) -> dict[str, dict[str, float]]:
    who = Experts(experts, tuple(range(len(experts))))
    found = judge_references(slice_id, who, counts=counts, threshold=0.5, seed=0)
    return {name: judged.figures for name, judged in found.items()}


def judged(samples: np.ndarray, counts: list[int], threshold: float = 0.5, experts: np.ndarray = EXPERTS) -> Judged:
    who = Experts(experts, tuple(range(len(experts))))
    return judge(samples=samples, experts=who, counts=counts, threshold=threshold)


def test_figures_of_the_experts_themselves_by_hand() -> None:
    found = judged(EXPERTS, [4]).figures
    dice = (4 * 1 + 4 * 0.4 + 1 + 1) / 16  # blocks; block and inner, 2 x 16 / 80; inner; two empty masks
    assert found["ged_4"] == pytest.approx(0)
    assert found["ged_unbiased_4"] == pytest.approx(2 * D - 2 * D * 4 / 3)
    assert found["dice_4"] == pytest.approx(dice)
    assert found["hm_iou_4"] == 1
    assert found["empty_readings_4"] == found["empty_experts"] == 0.25


def test_post_processed_figures_are_those_of_the_processed_readings() -> None:
    """The inner block has a quarter of the largest area, so r = 0.5 empties it."""
    emptied = np.stack([square(8), square(8), square(0), square(0)])
    found, expected = judged(EXPERTS, [4]), judged(emptied, [4], threshold=0.0)
    for name in ("ged", "dice", "iou", "hm_iou", "collective_insight", "majority_dice", "brier", "dice_expert3"):
        assert found.figures[f"{name}_4_pp"] == pytest.approx(expected.figures[f"{name}_4"]), name
    assert found.figures["ged_4_pp"] != pytest.approx(found.figures["ged_4"])
    assert found.vectors["calibration_4_pp"] == expected.vectors["calibration_4"]


def test_figures_by_relative_area_agree_with_post_processing_at_each_threshold() -> None:
    curves = judged(EXPERTS, [4]).vectors
    for at, r in enumerate(THRESHOLDS):
        figures = judged(EXPERTS, [4], threshold=r).figures
        assert curves["ged_4_by_r"][at] == pytest.approx(figures["ged_4_pp"])
        assert curves["dice_4_by_r"][at] == pytest.approx(figures["dice_4_pp"])


def test_new_figures_of_a_hand_worked_case() -> None:
    """Readings: the block and nothing; the experts: two blocks, the inner one, nothing. 400 pixels."""
    found = judged(np.stack([square(8), square(0)]), [2]).figures
    assert found["iou_2"] == pytest.approx((1 + 1 + 0.25 + 0 + 0 + 0 + 0 + 1) / 8)
    assert [found[f"dice_expert{k}_2"] for k in (1, 2, 3, 4)] == pytest.approx([0.5, 0.5, 0.2, 0.5])
    assert found["majority_dice_2"] == 0  # one of two is no majority; of the experts three mark the inner block
    # Inner block: p = 1/2, q = 3/4; the ring around it: 1/2, 1/2.
    assert found["brier_2"] == pytest.approx(16 * 0.25**2 / 400)
    assert found["combined_sensitivity_2"] == 1
    assert found["max_dice_2"] == pytest.approx((1 + 1 + 0.4 + 1) / 4)


def test_an_expert_who_did_not_read_the_slice_has_no_dice() -> None:
    found = judge(samples=EXPERTS, experts=Experts(EXPERTS[:2], (0, 3)), counts=[4], threshold=0.5).figures
    assert found["dice_expert1_4"] == found["dice_expert4_4"]
    assert "dice_expert2_4" not in found


def test_where_nobody_marks_anything_everything_agrees() -> None:
    nothing = np.zeros((4, 20, 20), bool)
    found = judged(nothing, [4], experts=nothing[:2])
    assert found.figures["ged_4"] == found.figures["brier_4"] == 0
    assert found.figures["collective_insight_4"] == found.figures["majority_dice_4"] == 1
    assert found.vectors["calibration_4"][0] == 400


def test_figures_at_n_are_those_of_the_first_n_readings() -> None:
    """The largest area of the post-processing is that of these N, too."""
    samples = np.stack([square(s) for s in (4, 3, 0, 4, 12, 8, 1, 9)])
    both, alone = judged(samples, [4, 8]), judged(samples[:4], [4])
    assert {name: both.figures[name] for name in alone.figures} == alone.figures
    assert {name: both.vectors[name] for name in alone.vectors} == alone.vectors
    assert both.figures["ged_8"] != both.figures["ged_4"]


def test_every_figure_has_a_name_and_every_name_a_figure() -> None:
    found, names = judged(EXPERTS, [1, 4]), metric_names([1, 4], readers=4)
    pooled = pooled_names([1, 4])
    assert len(names) == len(set(names))
    assert set(names) == {*found.figures, *pooled}
    assert {vector for vector, _ in pooled.values()} <= set(found.vectors)
    assert set(metric_names([1, 4], readers=4, headlines=True)) < set(names)
    assert math.isnan(found.figures["ged_unbiased_1"])
    assert math.isnan(found.figures["collective_insight_1"])


def test_empty_reference_by_hand() -> None:
    """d(empty, Y) is 1, 1, 1, 0, so that GED = 2 * 3/4 - 0 - D, whatever N."""
    found = references(EXPERTS)["empty"]
    assert found["ged_4"] == found["ged_16"] == pytest.approx(1.5 - D)
    assert found["dice_4"] == found["dice_16_pp"] == 0.25
    assert found["empty_readings_16"] == 1


def test_majority_reference_by_hand() -> None:
    """A pixel of the inner block has three of four votes; one of the outer ring has two, a tie, and is left out."""
    found = references(EXPERTS)["majority_oracle"]
    assert found["ged_4"] == pytest.approx(2 * (0.75 + 0.75 + 0 + 1) / 4 - D)
    assert found["dice_4"] == pytest.approx((0.4 + 0.4 + 1 + 0) / 4)


def test_one_expert_reference_is_the_mean_over_leaving_each_out() -> None:
    """Others of a block (twice): block, inner, nothing; of the inner: block, block, nothing; of nothing: the rest."""
    self_block = 2 * (0.75 + 1 + 1) / 9
    self_inner = 2 * (1 + 1) / 9
    self_nothing = 2 * (0.75 + 0.75) / 9
    each = [
        2 * (0 + 0.75 + 1) / 3 - self_block,
        2 * (0 + 0.75 + 1) / 3 - self_block,
        2 * (0.75 + 0.75 + 1) / 3 - self_inner,
        2 * (1 + 1 + 1) / 3 - self_nothing,
    ]
    found = references(EXPERTS)["one_expert"]
    assert found["ged_16"] == pytest.approx(np.mean(each))
    assert found["dice_16"] == pytest.approx(np.mean([(1 + 0.4) / 3, (1 + 0.4) / 3, 0.8 / 3, 0]))


@pytest.mark.parametrize("count", [1, 4, 16])
def test_draws_from_the_experts_score_d_over_n_on_average(count: int) -> None:
    drawn = [resampled(f"slice {i}", EXPERTS, count, seed=0) for i in range(400)]
    values = [ged(samples=samples, experts=EXPERTS) for samples in drawn]
    error = np.std(values) / math.sqrt(len(values))
    assert np.mean(values) == pytest.approx(D / count, abs=4 * error)


def test_draws_from_the_experts_are_prefixes_of_one_another() -> None:
    assert (resampled("s", EXPERTS, 16, seed=0)[:4] == resampled("s", EXPERTS, 4, seed=0)).all()
    assert (resampled("s", EXPERTS, 16, seed=0) != resampled("t", EXPERTS, 16, seed=0)).any()


def test_a_lone_expert_has_no_others_to_be_judged_against() -> None:
    found = references(EXPERTS[:1])
    assert set(found) == set(REFERENCES)
    assert all(math.isnan(value) for value in found["one_expert"].values())
    assert found["majority_oracle"]["dice_4"] == 1


def test_references_on_real_slices_come_in_the_order_of_what_they_know(lidc_val: Path, protocol: Protocol) -> None:
    """Who draws as the experts do comes before their majority, that before one of them, and that before nobody."""
    data = read_data([str(lidc_val)], "val", limit=40, seed=0)
    tasks = [data.task(i, protocol) for i in range(len(data))]
    found = [references(task.slice.readings, task.id, (16,)) for task in tasks]
    mean = {name: np.mean([one[name]["ged_16"] for one in found]) for name in REFERENCES}
    assert mean["experts_resampled"] < mean["majority_oracle"] < mean["one_expert"] < mean["empty"]
    assert len({task.slice.subject for task in tasks}) > 30  # even spacing goes through the patients

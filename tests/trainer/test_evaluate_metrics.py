"""Figures and references of one slice against hand-worked cases and closed forms.

The experts: two draw a block of 8 x 8 pixels, one its inner 4 x 4, one nothing. IoU (block, inner) = 16 / 64, every
pair with the empty mask has IoU 0. Of the 16 ordered pairs, 4 are block and inner (d = 0.75), 4 block and nothing, 2
inner and nothing (d = 1), and 6 are equal: D = E d(Y, Y') = (3 + 4 + 2) / 16.
"""

import math
from pathlib import Path

import numpy as np
import pytest

from trainer.evaluation.data import read_data
from trainer.evaluation.metrics import metric_names, slice_metrics
from trainer.evaluation.references import REFERENCES, reference_metrics, resampled

D = 9 / 16


def square(side: int) -> np.ndarray:
    mask = np.zeros((20, 20), bool)
    mask[5 : 5 + side, 5 : 5 + side] = True
    return mask


EXPERTS = np.stack([square(8), square(8), square(4), square(0)])


def references(
    experts: np.ndarray, slice_id: str = "s", counts: tuple[int, ...] = (4, 16)
) -> dict[str, dict[str, float]]:
    return reference_metrics(slice_id, experts, counts=counts, threshold=0.5, seed=0)


def test_figures_of_the_experts_themselves_by_hand() -> None:
    found = slice_metrics(samples=EXPERTS, experts=EXPERTS, counts=[4], threshold=0.5)
    dice = (4 * 1 + 4 * 0.4 + 1 + 1) / 16  # blocks; block and inner, 2 x 16 / 80; inner; two empty masks
    assert found["ged_4"] == pytest.approx(0)
    assert found["ged_unbiased_4"] == pytest.approx(2 * D - 2 * D * 4 / 3)
    assert found["dice_4"] == pytest.approx(dice)
    assert found["hm_iou_4"] == 1
    assert found["empty_readings_4"] == found["empty_experts"] == 0.25


def test_post_processed_figures_are_those_of_the_processed_readings() -> None:
    """The inner block has a quarter of the largest area, so r = 0.5 empties it."""
    emptied = np.stack([square(8), square(8), square(0), square(0)])
    found = slice_metrics(samples=EXPERTS, experts=EXPERTS, counts=[4], threshold=0.5)
    expected = slice_metrics(samples=emptied, experts=EXPERTS, counts=[4], threshold=0.0)
    assert found["ged_4_pp"] == pytest.approx(expected["ged_4"])
    assert found["dice_4_pp"] == pytest.approx(expected["dice_4"])
    assert found["ged_4_pp"] != pytest.approx(found["ged_4"])


def test_figures_at_n_are_those_of_the_first_n_readings() -> None:
    """The largest area of the post-processing is that of these N, too."""
    samples = np.stack([square(s) for s in (4, 3, 0, 4, 12, 8, 1, 9)])
    both = slice_metrics(samples=samples, experts=EXPERTS, counts=[4, 8], threshold=0.5)
    alone = slice_metrics(samples=samples[:4], experts=EXPERTS, counts=[4], threshold=0.5)
    assert {name: both[name] for name in alone} == alone
    assert both["ged_8"] != both["ged_4"]


def test_every_figure_has_a_name_and_every_name_a_figure() -> None:
    found = slice_metrics(samples=EXPERTS, experts=EXPERTS, counts=[1, 4], threshold=0.5)
    assert list(found) == metric_names([1, 4])
    assert math.isnan(found["ged_unbiased_1"])


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
    values = [references(EXPERTS, f"slice {i}", (count,))["experts_resampled"][f"ged_{count}"] for i in range(400)]
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


def test_references_on_real_slices_come_in_the_order_of_what_they_know(lidc_val: Path) -> None:
    """Who draws as the experts do comes before their majority, that before one of them, and that before nobody."""
    data = read_data([str(lidc_val)], "val", limit=40, seed=0)
    tasks = [data[i] for i in range(len(data))]
    found = [references(task.slice.readings, task.id, (16,)) for task in tasks]
    ged = {name: np.mean([one[name]["ged_16"] for one in found]) for name in REFERENCES}
    assert ged["experts_resampled"] < ged["majority_oracle"] < ged["one_expert"] < ged["empty"]
    assert len({task.slice.subject for task in tasks}) > 30  # even spacing goes through the patients

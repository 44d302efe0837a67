"""Intervals against their large-sample theory, and the properties that make them intervals over patients."""

import math

import numpy as np
import pytest

from trainer.evaluation.bootstrap import PatientResamples, patient_intervals


def names(patients: int, slices: int) -> list[str]:
    return [f"patient {p}" for p in range(patients) for _ in range(slices)]


def test_interval_has_the_width_that_the_central_limit_theorem_gives() -> None:
    """P independent patients: the mean's standard deviation is sd / sqrt(P), so the interval is +- 1.96 of it."""
    values = np.random.default_rng(0).normal(3.0, 2.0, size=(400, 1))
    (found,) = patient_intervals(values, names(400, 1))
    half = 1.96 * values.std() / math.sqrt(400)
    assert found.mean == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert found.high == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_interval_covers_the_true_mean_as_often_as_it_says() -> None:
    """Slices of a patient share an effect; 95 % is nominal, and the percentile interval falls a little short of it."""
    rng, covered = np.random.default_rng(1), 0
    for trial in range(400):
        effects = rng.normal(0.5, 0.2, size=(40, 1)) + rng.normal(0.0, 0.1, size=(40, 5))
        (found,) = patient_intervals(effects.reshape(-1, 1), names(40, 5), seed=trial, resamples=300)
        covered += found.low <= 0.5 <= found.high
    assert 0.90 <= covered / 400 <= 0.98


def test_more_slices_of_the_same_patients_do_not_narrow_the_interval() -> None:
    per_patient = np.random.default_rng(2).random((30, 1))
    once = patient_intervals(per_patient, names(30, 1))
    tenfold = patient_intervals(np.repeat(per_patient, 10, axis=0), names(30, 10))
    assert tenfold[0].low == pytest.approx(once[0].low)
    assert tenfold[0].high == pytest.approx(once[0].high)


def test_patients_with_more_slices_weigh_more() -> None:
    values = np.array([[1.0], [1.0], [1.0], [0.0]])
    (found,) = patient_intervals(values, ["a", "a", "a", "b"])
    assert found.mean == 0.75
    assert (found.low, found.high) == (0.0, 1.0)  # one resample in four holds only a, one in four only b


def test_one_patient_gives_an_interval_of_no_width() -> None:
    (found,) = patient_intervals(np.array([[0.2], [0.4]]), ["only", "only"])
    assert found.mean == found.low == found.high == pytest.approx(0.3)


def test_slices_where_a_metric_is_undefined_are_left_out_of_it_alone() -> None:
    values = np.array([[1.0, 5.0], [math.nan, 5.0], [3.0, 5.0]])
    first, second = patient_intervals(values, ["a", "b", "c"])
    assert first.mean == 2.0
    assert (first.low, first.high) == (1.0, 3.0)
    assert (second.mean, second.low, second.high) == (5.0, 5.0, 5.0)


def test_a_metric_that_is_defined_nowhere_becomes_null_in_json() -> None:
    (found,) = patient_intervals(np.full((3, 1), math.nan), ["a", "b", "c"])
    assert found.as_json() == {"mean": None, "low": None, "high": None}


def test_the_same_seed_gives_the_same_interval_and_another_one_nearly() -> None:
    values = np.random.default_rng(3).random((50, 1))
    first, again, other = (patient_intervals(values, names(50, 1), seed=seed)[0] for seed in (0, 0, 1))
    assert first == again
    assert first != other
    assert first.low == pytest.approx(other.low, abs=0.02)


def test_a_difference_has_the_p_that_the_normal_law_gives() -> None:
    """A mean of 2 standard errors: two-sided p = 0.0455."""
    values = np.random.default_rng(4).normal(size=(400, 1))
    values += 2 * values.std() / math.sqrt(400) - values.mean()
    (found,) = PatientResamples(names(400, 1), resamples=20000).means(values).differences()
    assert found.p == pytest.approx(0.0455, abs=0.01)
    assert found.interval.mean == pytest.approx(2 * values.std() / math.sqrt(400))


def test_no_difference_has_p_one_and_a_sure_one_the_smallest_there_is() -> None:
    resamples = PatientResamples(names(20, 2), resamples=999)
    nothing, sure, undefined = resamples.means(np.tile([0.0, 1.0, math.nan], (40, 1))).differences()
    assert nothing.p == 1
    assert sure.p == 2 / 1000
    assert math.isnan(undefined.p)
    assert undefined.as_json() == {"mean": None, "low": None, "high": None, "p": None}


def test_a_pooled_figure_is_the_ratio_of_sums_and_its_interval_that_of_resampled_sums() -> None:
    """Sums a and b of each slice: the ratio of all is no mean of ratios, but is the mean of a where b is 1."""
    rng = np.random.default_rng(5)
    values = np.stack([rng.random(60), rng.uniform(1, 9, 60)], axis=1)
    resamples = PatientResamples(names(20, 3))
    (ratio,) = resamples.pooled(values, lambda sums: sums[..., 0] / sums[..., 1]).intervals()
    assert ratio.mean == pytest.approx(values[:, 0].sum() / values[:, 1].sum())
    assert ratio.low < ratio.mean < ratio.high
    values[:, 1] = 1
    (mean,) = resamples.pooled(values, lambda sums: sums[..., 0] / sums[..., 1]).intervals()
    (plain,) = resamples.means(values[:, :1]).intervals()
    assert (mean.low, mean.mean, mean.high) == pytest.approx((plain.low, plain.mean, plain.high))

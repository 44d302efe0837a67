"""Intervals against their large-sample theory, and the properties that make them intervals over patients."""

import math

import numpy as np
import pytest

from trainer.evaluation.bootstrap import patient_intervals


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

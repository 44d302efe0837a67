"""Calibration against hand-worked bins, loops over pixels and samplers whose error is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from napari_ambiseg.readings.calibration import BINS, brier, expected_calibration_error, reliability
from napari_ambiseg.readings.votes import joint_votes

Masks = NDArray[np.bool_]
SETS = st.integers(1, 12).flatmap(lambda n: arrays(np.bool_, (n, 3, 4)))


def of_rows(*rows: str) -> Masks:
    return np.array([[[c == "#" for c in row]] for row in rows])


SAMPLES = of_rows("##....", "#.....", "#.....", "#..#..")  # p: 1, 1/4, 0, 1/4, 0, 0
EXPERTS = of_rows("###...", "##....")  # q: 1, 1, 1/2, 0, 0, 0
VOTES = joint_votes(samples=SAMPLES, experts=EXPERTS)


def test_bins_of_a_hand_worked_case() -> None:
    """Three pixels at p = 0; two at 1/4 in (0.2, 0.3], which is bin 3; one at 1 in the last."""
    pixels, p, q = reliability(VOTES)
    assert pixels.nonzero()[0].tolist() == [0, 3, 10]
    assert pixels[[0, 3, 10]].tolist() == [3, 2, 1]
    assert p[[0, 3, 10]].tolist() == [0, 0.5, 1]
    assert q[[0, 3, 10]].tolist() == [0.5, 1, 1]


def test_ece_and_brier_of_a_hand_worked_case() -> None:
    sums = reliability(VOTES)
    assert expected_calibration_error(sums) == pytest.approx((0.5 + 0.5 + 0) / 6)
    assert expected_calibration_error(sums, marked=True) == pytest.approx(0.5 / 3)
    assert brier(VOTES) == pytest.approx(((3 / 4) ** 2 + (1 / 2) ** 2 + (1 / 4) ** 2) / 6)


@pytest.mark.parametrize("count", [1, 3, 7, 10, 16, 20, 100])
def test_a_share_on_an_edge_belongs_to_the_lower_bin(count: int) -> None:
    votes = np.zeros((count + 1, 2), np.int64)
    votes[:, 0] = 1
    pixels = reliability(votes)[0]
    for b in range(1, BINS):
        assert pixels[b] == sum(b - 1 < 10 * k / count <= b for k in range(count + 1))


@given(SETS, SETS)
def test_ece_and_brier_equal_a_loop_over_pixels(samples: Masks, experts: Masks) -> None:
    votes = joint_votes(samples=samples, experts=experts)
    p, q = samples.mean(axis=0).ravel(), experts.mean(axis=0).ravel()
    assert brier(votes) == pytest.approx(np.mean((p - q) ** 2))
    inside = [(p > b / 10 + 1e-9) & (p <= (b + 1) / 10 + 1e-9) for b in range(10)]
    gaps = [abs(p[i].mean() - q[i].mean()) * i.sum() if i.any() else 0 for i in inside]
    at_zero = q[p == 0].sum()
    sums = reliability(votes)
    assert expected_calibration_error(sums) == pytest.approx((sum(gaps) + at_zero) / p.size)
    if (p > 0).any():
        assert expected_calibration_error(sums, marked=True) == pytest.approx(sum(gaps) / (p > 0).sum())


@given(st.lists(st.tuples(SETS, SETS), min_size=2, max_size=4))
def test_sums_of_slices_give_the_error_of_all_their_pixels(slices: list[tuple[Masks, Masks]]) -> None:
    """Numbers of samples and experts may differ from slice to slice."""
    sums = sum(reliability(joint_votes(samples=s, experts=y)) for s, y in slices)
    p = np.concatenate([s.mean(axis=0).ravel() for s, _ in slices])
    q = np.concatenate([y.mean(axis=0).ravel() for _, y in slices])
    bins = np.ceil(p * 10 - 1e-9).astype(int)
    expected = sum(abs((p - q)[bins == b].sum()) for b in range(BINS)) / p.size
    assert expected_calibration_error(np.asarray(sums)) == pytest.approx(expected)


def test_many_samples_with_the_right_frequencies_are_calibrated_and_others_are_not() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random((64, 64))
    experts = rng.random((50, 64, 64)) < truth
    right = rng.random((400, 64, 64)) < truth
    sure = np.repeat(truth[None] > 0.5, 400, axis=0)
    errors = [
        float(expected_calibration_error(reliability(joint_votes(samples=s, experts=experts)), marked=marked))
        for s in (right, sure)
        for marked in (False, True)
    ]
    assert max(errors[:2]) < 0.01
    assert errors[2] == pytest.approx(0.25, abs=0.01)  # mean distance of a uniform number from its rounding
    assert errors[3] == pytest.approx(0.25, abs=0.01)


def test_where_no_sample_marks_anything_the_marked_error_is_undefined() -> None:
    sums = reliability(joint_votes(samples=of_rows("...."), experts=of_rows("##..")))
    assert np.isnan(expected_calibration_error(sums, marked=True))
    assert expected_calibration_error(sums) == 0.5

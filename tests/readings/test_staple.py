"""STAPLE against the paper's formulas pixel by pixel, against its likelihood, and on readers whose quality is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from napari_ambiseg.errors import InputImageError
from napari_ambiseg.readings.staple import Staple, staple

STACKS = st.integers(1, 5).flatmap(lambda n: arrays(np.bool_, (n, 4, 5)))


def disc(radius: float, *, side: int = 40, shift: int = 0) -> NDArray[np.bool_]:
    rows, columns = np.mgrid[:side, :side] - side // 2
    return rows**2 + (columns - shift) ** 2 <= radius**2


def field_of(readings: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Decisions (R, N) on the field: twice the height and width of the box around all marks."""
    rows, columns = np.nonzero(readings.any(axis=0))
    box = readings[:, rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    field = np.zeros((len(box), 2 * box.shape[1], 2 * box.shape[2]))
    field[:, : box.shape[1], : box.shape[2]] = box
    return field.reshape(len(box), -1)


def slowly(readings: NDArray[np.bool_], rounds: int) -> tuple[list[float], list[float], list[float]]:
    """The paper's equations, one pixel and one reader at a time."""
    decisions = field_of(readings)
    count, pixels = decisions.shape
    p, q, prior = [0.99999] * count, [0.99999] * count, float(decisions.mean())
    weights = [0.0] * pixels
    for _ in range(rounds):
        for i in range(pixels):
            a, b = prior, 1 - prior
            for j in range(count):
                a *= p[j] if decisions[j, i] else 1 - p[j]
                b *= 1 - q[j] if decisions[j, i] else q[j]
            weights[i] = a / (a + b)
        for j in range(count):
            p[j] = sum(w * d for w, d in zip(weights, decisions[j], strict=True)) / sum(weights)
            q[j] = sum((1 - w) * (1 - d) for w, d in zip(weights, decisions[j], strict=True)) / (pixels - sum(weights))
    return p, q, weights


def test_it_is_the_papers_iteration_run_to_its_end() -> None:
    readings = np.random.default_rng(0).random((4, 6, 7)) < np.array([0.1, 0.5, 0.9])[[0, 1, 2, 2, 1, 0]][:, None]
    p, q, weights = slowly(readings, 400)
    found = staple(readings)
    np.testing.assert_allclose(found.sensitivity, p, atol=1e-6)
    np.testing.assert_allclose(found.specificity, q, atol=1e-6)
    rows, columns = np.nonzero(readings.any(axis=0))
    height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
    field = np.reshape(weights, (2 * height, 2 * width))[:height, :width]
    box = (slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1))
    expected = np.where(readings.any(axis=0)[box], field, 0)
    np.testing.assert_allclose(found.probability[box], expected, atol=1e-6)


def log_likelihood(decisions: NDArray[np.float64], p: NDArray[np.float64], q: NDArray[np.float64]) -> float:
    prior = decisions.mean()
    inside = np.where(decisions == 1, p[:, None], 1 - p[:, None]).prod(axis=0)
    outside = np.where(decisions == 1, 1 - q[:, None], q[:, None]).prod(axis=0)
    return float(np.log(prior * inside + (1 - prior) * outside).sum())


def test_no_other_qualities_nearby_make_the_decisions_likelier() -> None:
    chance = np.random.default_rng(1)
    readings = disc(9)[None] ^ (chance.random((5, 40, 40)) < 0.2) & disc(16)[None]
    found, decisions = staple(readings), field_of(readings)
    best = log_likelihood(decisions, found.sensitivity, found.specificity)
    for _ in range(200):
        p, q = (np.clip(v + chance.normal(0, 0.01, 5), 1e-6, 1 - 1e-6) for v in (found.sensitivity, found.specificity))
        assert log_likelihood(decisions, p, q) < best


def test_the_quality_of_readers_is_recovered() -> None:
    chance = np.random.default_rng(2)
    truth = np.zeros((160, 160), np.bool_)
    truth[40:120, 40:120] = True  # a quarter of the field, if the noise reaches its borders
    p, q = np.array([0.95, 0.9, 0.8, 0.7, 0.6]), np.array([0.995, 0.99, 0.98, 0.999, 0.99])
    readings = chance.random((5, 160, 160)) < np.where(truth, p[:, None, None], 1 - q[:, None, None])
    found = staple(readings)
    # Nobody marks beyond the picture, where the field goes on: specificities are those of four times the pixels.
    outside = 1 - (1 - q) * (160**2 - 80**2) / (320**2 - 80**2)
    np.testing.assert_allclose(found.sensitivity, p, atol=0.03)
    np.testing.assert_allclose(found.specificity, outside, atol=0.01)
    assert (found.mask == truth).mean() > 0.97


def test_of_four_alike_and_one_stray_the_four_are_right() -> None:
    found = staple(np.stack([disc(8)] * 4 + [disc(8, shift=25, side=40)]))
    np.testing.assert_array_equal(found.mask, disc(8))
    np.testing.assert_allclose(found.sensitivity[:4], 1, atol=1e-6)
    assert found.sensitivity[4] < 0.01


@pytest.mark.parametrize("place", [(0, 0), (30, 5)])
def test_neither_the_size_of_the_picture_nor_the_place_in_it_matters(place: tuple[int, int]) -> None:
    small = np.random.default_rng(3).random((4, 9, 8)) < 0.5
    large = np.zeros((4, 70, 60), np.bool_)
    where = (slice(place[0], place[0] + 9), slice(place[1], place[1] + 8))
    large[:, *where] = small
    one, other = staple(small), staple(large)
    np.testing.assert_allclose(one.probability, other.probability[where], atol=1e-6)
    np.testing.assert_allclose(one.specificity, other.specificity)


@given(STACKS)
def test_readers_who_agree_are_perfect_and_their_mask_is_the_consensus(stack: NDArray[np.bool_]) -> None:
    found = staple(np.repeat(stack[:1], 3, axis=0))
    np.testing.assert_array_equal(found.mask, stack[0])
    np.testing.assert_allclose(found.sensitivity, 1, atol=1e-6)


@given(STACKS)
def test_whatever_is_read_probabilities_stay_between_0_and_1_and_nothing_is_made_up(stack: NDArray[np.bool_]) -> None:
    found: Staple = staple(stack)
    for values in (found.probability, found.sensitivity, found.specificity):
        assert np.all((values >= 0) & (values <= 1))
    assert not found.probability[~stack.any(axis=0)].any()


def test_a_hundred_readers_who_never_agree_are_no_division_by_zero() -> None:
    found = staple(np.eye(100, dtype=np.bool_).reshape(100, 10, 10))
    assert np.isfinite(found.probability).all()
    assert np.isfinite(found.sensitivity).all()


def test_no_readings_have_no_consensus() -> None:
    with pytest.raises(InputImageError, match="give at least one mask"):
        staple(np.zeros((0, 4, 4), np.bool_))

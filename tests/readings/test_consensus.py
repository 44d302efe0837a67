"""What readings say together, against hand-worked cases."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from napari_ambiseg.errors import InputImageError
from napari_ambiseg.readings.consensus import entropy, majority, probability

# Four readers; the pixels are marked by 0, 1, 2, 3, 4 of them.
LADDER = np.array([[[i < marked for marked in range(5)]] for i in range(4)])
STACKS = st.integers(1, 7).flatmap(lambda n: arrays(np.bool_, (n, 3, 3)))


def test_probability_is_the_share_of_readers() -> None:
    found = probability(LADDER)
    assert found.dtype == np.float32
    assert found.tolist() == [[0, 0.25, 0.5, 0.75, 1]]


def test_a_tie_is_outside_the_majority() -> None:
    assert majority(LADDER).tolist() == [[False, False, False, True, True]]


def test_entropy_is_one_bit_at_a_tie_and_zero_in_agreement() -> None:
    quarter = 0.25 * 2 + 0.75 * np.log2(4 / 3)
    found = entropy(LADDER)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [[0, quarter, 1, quarter, 0]], rtol=1e-6)


@given(STACKS)
def test_complementing_every_reading_mirrors_the_probability_and_keeps_the_entropy(stack: NDArray[np.bool_]) -> None:
    np.testing.assert_allclose(probability(~stack), 1 - probability(stack), atol=1e-6)
    np.testing.assert_allclose(entropy(~stack), entropy(stack), atol=1e-6)


@given(STACKS)
def test_the_majority_lies_where_the_probability_exceeds_a_half(stack: NDArray[np.bool_]) -> None:
    np.testing.assert_array_equal(majority(stack), stack.mean(axis=0) > 0.5)


@pytest.mark.parametrize("function", [probability, majority, entropy])
def test_no_readings_have_no_consensus(function: object) -> None:
    assert callable(function)
    with pytest.raises(InputImageError, match="there are no readings; give at least one mask"):
        function(np.zeros((0, 4, 4), np.bool_))


@pytest.mark.parametrize("count", [1, 128, 255, 256, 300])
def test_however_many_readings_mark_a_pixel_all_are_counted(count: int) -> None:
    stack = np.zeros((count, 1, 3), np.bool_)
    stack[:, 0, 0] = True
    stack[: count // 2 + 1, 0, 1] = True  # just more than half
    assert probability(stack)[0].tolist() == pytest.approx([1, (count // 2 + 1) / count, 0])
    assert majority(stack).tolist() == [[True, True, False]]

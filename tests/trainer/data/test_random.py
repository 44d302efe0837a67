"""The numbers are those of numpy's Philox under the same key and counter."""

import numpy as np
import pytest

from trainer.data.random import Purpose, generator


@pytest.mark.parametrize("seed", [0, 7, 2**40 + 3, 2**64 + 1])
def test_a_generator_is_philox_with_the_seed_as_its_key(seed: int) -> None:
    plain = np.random.Generator(np.random.Philox(key=seed, counter=[0, 12, 3, int(Purpose.CROP)]))
    ours = generator(seed, step=12, example=3, purpose=Purpose.CROP)
    np.testing.assert_array_equal(ours.standard_normal(100), plain.standard_normal(100))


def test_every_use_has_numbers_of_its_own() -> None:
    first = [
        generator(seed, step=step, example=example, purpose=purpose).random()
        for seed in (0, 1)
        for step in (0, 1)
        for example in (0, 1)
        for purpose in Purpose
    ]
    assert len(set(first)) == 2**3 * len(Purpose)

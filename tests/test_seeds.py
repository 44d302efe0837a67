"""Seeds of readings: all different, the same whatever their number, and in antithetic pairs where asked for."""

import numpy as np
import pytest

from napari_ambiseg.errors import SettingsError
from napari_ambiseg.seeds import ANTITHETIC, noise_origins, noise_signs, reading_seeds


def test_seeds_of_readings_are_all_different_and_begin_alike_whatever_their_number() -> None:
    drawn = [reading_seeds(seed, 50) for seed in range(20)]
    assert len({seed for seeds in drawn for seed in seeds}) == 1000
    assert reading_seeds(7, 4) == drawn[7][:4]
    assert all(0 <= seed < 2**63 for seed in drawn[0])


def test_antithetic_readings_come_in_pairs_that_share_all_but_the_sign() -> None:
    pairs = reading_seeds(7, 6, antithetic=True)
    assert pairs[0::2] == reading_seeds(7, 6)[0::2]
    assert noise_origins(pairs[0::2]) == noise_origins(pairs[1::2])
    assert noise_signs(pairs) == (1, -1) * 3
    assert reading_seeds(7, 3, antithetic=True) == pairs[:3]
    assert len(set(pairs)) == 6


def test_seeds_may_be_numpys_integers() -> None:
    turned = np.array([5, 5 + ANTITHETIC], np.uint64)
    assert noise_origins(turned) == (5, 5)  # pyright: ignore[reportArgumentType]
    assert noise_signs(turned) == (1, -1)  # pyright: ignore[reportArgumentType]
    assert noise_origins(range(3)) == (0, 1, 2)


@pytest.mark.parametrize(("seed", "count"), [(-1, 4), (0, 0), (0, -3)])
def test_impossible_seeds_and_counts_are_refused(seed: int, count: int) -> None:
    with pytest.raises(SettingsError, match="give"):
        reading_seeds(seed, count)

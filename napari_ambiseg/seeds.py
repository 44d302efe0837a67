"""Seeds: one for each reading, which depends on its own and on no other.

Seeds may come in antithetic pairs (Hammersley & Morton, 1956): the noise of the second is the first's with the other
sign. Because -n is as likely as n, each reading is as fair a draw of the model as any. What turns around with the noise
cancels out over a pair; with the models that ship the two differ more than independent readings do, and what is said of
a few readings speaks better for the model.
"""

from collections.abc import Sequence

import numpy as np

from napari_ambiseg.errors import SettingsError

ANTITHETIC = 1 << 63
"""The bit of a seed that turns its noise around: ``seed`` and ``seed | ANTITHETIC`` draw n and -n."""


def reading_seeds(seed: int, count: int, *, antithetic: bool = False) -> tuple[int, ...]:
    """One seed for each of ``count`` readings, derived from ``seed`` and the reading's number alone.

    Four readings are therefore the first four of sixteen, and neighbouring seeds share no reading.

    Args:
        seed: 0 or more.
        count: How many, at least 1.
        antithetic: Whether the second, fourth, ... reading has the noise of the one before it, turned around. Figures
            of N such readings (GED, HM-IoU, ...) are not those of N independent ones.

    Raises:
        SettingsError: If ``seed`` is negative or ``count`` is not positive.
    """
    if seed < 0:
        raise SettingsError(f"the seed is {seed}; give 0 or a positive whole number")
    if count < 1:
        raise SettingsError(f"{count} readings were asked for; give at least 1")
    if antithetic:
        return tuple(_of_number(seed, i - 1) | ANTITHETIC if i % 2 else _of_number(seed, i) for i in range(count))
    return tuple(_of_number(seed, i) for i in range(count))


def noise_origins(seeds: Sequence[int]) -> tuple[int, ...]:
    """What the noise of each reading is made of, below 2^63: equal numbers are an antithetic pair."""
    return tuple(int(seed) & (ANTITHETIC - 1) for seed in seeds)


def noise_signs(seeds: Sequence[int]) -> tuple[int, ...]:
    """-1 for each reading whose noise is turned around, else 1."""
    return tuple(-1 if int(seed) & ANTITHETIC else 1 for seed in seeds)  # numpy's own integers are too short


def _of_number(seed: int, number: int) -> int:
    """A seed of 63 bits for a reading: the highest bit is free for ``ANTITHETIC``."""
    state = np.random.SeedSequence(seed, spawn_key=(number,)).generate_state(1, np.uint64)[0]
    return int(state >> np.uint64(1))

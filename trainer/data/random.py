"""Random numbers that depend on where they are used, not on what was drawn before.

Every example of every step has a counter-based generator of its own, keyed on (seed, step, example, purpose). A run
that was killed and resumed, or split over processes, therefore draws the same numbers as one that was not.
"""

from enum import IntEnum
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Purpose(IntEnum):
    """What the numbers are for; a new purpose never disturbs the old ones."""

    ORDER = 0
    EXPERT = 1
    CROP = 2
    AUGMENT = 3
    TIME = 4
    NOISE = 5
    HOLDOUT = 6
    LATENT = 7
    CONDITIONING = 8
    BATCH = 9


class _Key(np.random.SeedSequence):
    """A key that is used as it is: given as ``key=``, each generator would first ask the system for entropy."""

    def __init__(self, key: int) -> None:
        super().__init__(0)
        self._words = np.array([key & (2**64 - 1), key >> 64], np.uint64)

    def generate_state(self, n_words: int, dtype: Any = np.uint32) -> NDArray[Any]:
        """The key itself, two words of 64 bits."""
        assert (n_words, dtype) == (2, np.uint64)
        return self._words


_key = lru_cache(maxsize=16)(_Key)


def generator(seed: int, *, step: int, example: int, purpose: Purpose) -> np.random.Generator:
    """The generator of one example at one step for one purpose."""
    return np.random.Generator(np.random.Philox(_key(seed), counter=[0, step, example, int(purpose)]))

"""Random numbers that depend on where they are used, not on what was drawn before.

Every example of every step has a counter-based generator of its own, keyed on (seed, step, example, purpose). A run
that was killed and resumed, or split over processes, therefore draws the same numbers as one that was not.
"""

from enum import IntEnum

import numpy as np


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


def generator(seed: int, *, step: int, example: int, purpose: Purpose) -> np.random.Generator:
    """The generator of one example at one step for one purpose."""
    return np.random.Generator(np.random.Philox(key=seed, counter=[0, step, example, int(purpose)]))

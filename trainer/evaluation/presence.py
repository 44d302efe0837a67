"""Calibration of presence: how often a reader draws nothing, against how often the experts do.

Slices are grouped by the share of their experts who drew nothing. A reader whose readings are like the experts' masks
draws nothing in that share of its own, up to chance: of four experts of whom none drew nothing, a fifth might have.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trainer.evaluation.bootstrap import Interval
from trainer.evaluation.metrics import Judged
from trainer.evaluation.summary import Slices


@dataclass(frozen=True, slots=True)
class Presence:
    """Slices on which one share of the experts drew nothing.

    Attributes:
        experts: That share, 0 to 1.
        slices: Their number.
        readings: The share of the readings that are empty there.
    """

    experts: float
    slices: int
    readings: Interval


def presence(judged: Sequence[Judged], slices: Slices, readings: int) -> list[Presence]:
    """The groups that there are, by ascending share.

    Args:
        judged: The figures of every slice.
        slices: Their patients.
        readings: Of how many readings.
    """
    experts = np.array([one.figures["empty_experts"] for one in judged]).round(6)
    empty = np.array([one.figures[f"empty_readings_{readings}"] for one in judged])
    shares = np.unique(experts)
    grouped = np.where(experts[:, None] == shares, empty[:, None], np.nan)
    intervals = slices.resamples.means(grouped).intervals()
    counts = (experts[:, None] == shares).sum(axis=0)
    return [Presence(float(s), int(n), i) for s, n, i in zip(shares, counts, intervals, strict=True)]

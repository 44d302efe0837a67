"""Calibration of presence: how often a reader draws nothing, against how often the experts do, seen from both sides.

From the experts' side (``presence``), slices are grouped by the share of their experts who drew nothing, and the
readings are counted: does the reader know which lesions are doubtful? One that knows little lies flat here, however
honest its doubts.

From the reader's side (``presence_reliability``), slices are grouped by the share of readings that are empty, and the
experts are counted, as in a reliability diagram: may its share be believed? A reader that is surer than it should be
lies flat here, however much it knows.

In either view even a reader that draws as the experts do lies a little flatter than the diagonal, because the share
that groups the slices is that of a small sample: of four experts of whom none drew nothing, a fifth might have.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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


@dataclass(frozen=True, slots=True)
class Reliability:
    """Slices on which a reader leaves about one share of its readings empty.

    Attributes:
        readings: That share, the mean over these slices.
        slices: Their number.
        experts: The share of the experts who drew nothing there.
    """

    readings: float
    slices: int
    experts: Interval


RELIABILITY_BINS = 5
"""Parts of [0, 1], equally wide, in which shares of empty readings count as about the same; 1 is in the last."""


def presence(judged: Sequence[Judged], slices: Slices, readings: int) -> list[Presence]:
    """The groups that there are, by ascending share.

    Args:
        judged: The figures of every slice.
        slices: Their patients.
        readings: Of how many readings.
    """
    experts, empty = _shares(judged, readings)
    return [Presence(*group) for group in _grouped(experts, empty, by=experts, slices=slices)]


def presence_reliability(judged: Sequence[Judged], slices: Slices, readings: int) -> list[Reliability]:
    """The groups that there are, by ascending share of empty readings.

    Args:
        judged: The figures of every slice.
        slices: Their patients.
        readings: Of how many readings.
    """
    experts, empty = _shares(judged, readings)
    in_bin = np.minimum((empty * RELIABILITY_BINS).astype(int), RELIABILITY_BINS - 1)
    return [Reliability(*group) for group in _grouped(empty, experts, by=in_bin, slices=slices)]


def _grouped(
    of: NDArray[np.float64], other: NDArray[np.float64], *, by: NDArray[np.generic], slices: Slices
) -> list[tuple[float, int, Interval]]:
    """Of each group of slices with equal ``by``, ascending: mean of ``of``, number of slices, mean of ``other``."""
    members = by[:, None] == np.unique(by)
    intervals = slices.resamples.means(np.where(members, other[:, None], np.nan)).intervals()
    return [
        (float(of[group].mean()), int(group.sum()), interval)
        for group, interval in zip(members.T, intervals, strict=True)
    ]


def _shares(judged: Sequence[Judged], readings: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of every slice, the share of experts who drew nothing and that of readings that are empty."""
    experts = np.array([one.figures["empty_experts"] for one in judged]).round(6)
    empty = np.array([one.figures[f"empty_readings_{readings}"] for one in judged]).round(6)
    return experts, empty

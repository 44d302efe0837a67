"""From figures of slices to those of an evaluation: means, intervals, differences of models on the same slices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.readings.calibration import BINS, expected_calibration_error
from trainer.evaluation.bootstrap import Difference, Interval, PatientResamples, Resampled
from trainer.evaluation.metrics import Judged, metric_names, pooled_names
from trainer.evaluation.protocol import Protocol

Summary = dict[str, Interval]
"""Figure -> its value over all slices, and its interval."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Slices:
    """The slices that several readers are judged on.

    Attributes:
        patients: Patient of each.
        resamples: Of these patients.
        protocol: Says which figures there are.
    """

    patients: tuple[str, ...]
    resamples: PatientResamples
    protocol: Protocol

    @property
    def names(self) -> list[str]:
        """The figures that a summary has, in its order."""
        return metric_names(self.protocol.readings, readers=self.protocol.readers)


def slices_of(patients: Sequence[str], protocol: Protocol) -> Slices:
    """The slices of these patients, with the resamples that the protocol's seed draws."""
    return Slices(tuple(patients), PatientResamples(patients, seed=protocol.seed), protocol)


def summarise(judged: Sequence[Judged], slices: Slices) -> Summary:
    """Values and intervals of all figures of one reader, judged on each of the slices."""
    intervals: Summary = dict(
        zip(slices.names, slices.resamples.means(_means(judged, slices)).intervals(), strict=True)
    )
    for name, pooled in _pooled(judged, slices).items():
        (intervals[name],) = pooled.intervals()
    return intervals


def compare(first: Sequence[Judged], second: Sequence[Judged], slices: Slices) -> dict[str, Difference]:
    """Figures of the second reader less those of the first; slices count where both define a figure."""
    paired = slices.resamples.means(_means(second, slices) - _means(first, slices))
    differences = dict(zip(slices.names, paired.differences(), strict=True))
    before, after = _pooled(first, slices), _pooled(second, slices)
    for name, pooled in after.items():
        (differences[name],) = _less(pooled, before[name]).differences()
    return differences


def by_relative_area(judged: Sequence[Judged], slices: Slices, name: str) -> list[Interval]:
    """A figure, e.g. "ged_4", at each threshold of ``metrics.THRESHOLDS``."""
    return slices.resamples.means(np.array([one.vectors[f"{name}_by_r"] for one in judged])).intervals()


def _means(judged: Sequence[Judged], slices: Slices) -> Floats:
    """Figures of the slices (M, K); those that are pooled, or undefined on a slice, are NaN."""
    return np.array([[one.figures.get(name, np.nan) for name in slices.names] for one in judged])


def _pooled(judged: Sequence[Judged], slices: Slices) -> Mapping[str, Resampled]:
    result: dict[str, Resampled] = {}
    for name, (vector, marked) in pooled_names(slices.protocol.readings).items():
        sums = np.array([one.vectors[vector] for one in judged])
        result[name] = slices.resamples.pooled(sums, _marked_error if marked else _error)
    return result


def _error(sums: Floats) -> Floats:
    return expected_calibration_error(sums.reshape(*sums.shape[:-1], 3, BINS))


def _marked_error(sums: Floats) -> Floats:
    return expected_calibration_error(sums.reshape(*sums.shape[:-1], 3, BINS), marked=True)


def _less(second: Resampled, first: Resampled) -> Resampled:
    return Resampled(second.seen - first.seen, second.drawn - first.drawn)

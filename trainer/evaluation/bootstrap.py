"""How far a figure over slices may be trusted: percentile intervals from resampling patients.

The slices of one patient are alike, so they are not so many independent observations. Patients are. A resample draws
P patients with replacement from the P that were seen, and brings all slices of each. With s_p the sum of a metric over
the slices of patient p, n_p their number and w_p how often p was drawn, w ~ Multinomial(P; 1/P, ..., 1/P),

    mean* = sum_p w_p s_p / sum_p w_p n_p .

So all resamples of all metrics are two matrix products, W s and W n. The interval holds the middle 95 % of the means
(Efron, 1979). All metrics share the resamples, and so do all models that are judged on the same slices. A figure that
is no mean over slices, but a function of sums over them, is that function of each resample's sums.

Two models are compared pair by pair: the mean of the differences on the same slices has the same kind of interval. Its
two-sided p is twice the share of resamples on the rarer side of 0, counting the observation itself as one resample on
either side (Davison & Hinkley, 1997), so that it is never 0: p = 2 min(1 + #{d* <= 0}, 1 + #{d* >= 0}) / (B + 1), at
most 1. It is below 0.05 when the interval leaves out 0, up to the resampling's own noise; no correction is made for
looking at many figures.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
LEVEL = 0.95

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and the ends of its interval; all NaN where the metric is defined on no slice.

    Attributes:
        mean: Mean over slices.
        low: Lower end.
        high: Upper end.
    """

    mean: float
    low: float
    high: float

    def as_json(self) -> dict[str, float | None]:
        """The three numbers; NaN, which JSON does not have, as null."""
        return {name: _or_null(value) for name, value in (("mean", self.mean), ("low", self.low), ("high", self.high))}


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure of one model less that of another on the same slices.

    Attributes:
        interval: The difference and its interval.
        p: Two-sided; NaN where the difference is not defined.
    """

    interval: Interval
    p: float

    def as_json(self) -> dict[str, float | None]:
        """The interval's numbers and p; NaN as null."""
        return {**self.interval.as_json(), "p": _or_null(self.p)}


@dataclass(frozen=True, slots=True)
class Resampled:
    """K figures: as seen, and in every resample.

    Attributes:
        seen: The figures of all slices (K,).
        drawn: The figures of the resamples (B, K); NaN where one holds only patients without the metric.
    """

    seen: Floats
    drawn: Floats

    def intervals(self, level: float = LEVEL) -> list[Interval]:
        """One interval a figure (K,)."""
        tail = 100 * (1 - level) / 2
        return [_interval(float(seen), column, tail) for seen, column in zip(self.seen, self.drawn.T, strict=True)]

    def differences(self) -> list[Difference]:
        """One difference a figure (K,), if the figures are differences."""
        return [Difference(i, _p(column)) for i, column in zip(self.intervals(), self.drawn.T, strict=True)]


class PatientResamples:
    """The resamples of a list of slices.

    Args:
        patients: Patient of each slice (M,).
        seed: Of the resampling.
        resamples: Their number B.
    """

    def __init__(self, patients: Sequence[str], *, seed: int = 0, resamples: int = RESAMPLES) -> None:
        names, owner = np.unique(np.asarray(patients, dtype=str), return_inverse=True)
        self._owner, self._patients = owner, len(names)
        rng = np.random.default_rng(seed)
        odds = np.full(len(names), 1 / len(names))
        self._weights = rng.multinomial(len(names), odds, size=resamples).astype(np.float64)

    def means(self, values: Floats) -> Resampled:
        """Means over slices of values (M, K); NaN leaves a slice out of the metric that it does not define."""
        (seen, drawn), (counts, drawn_counts) = self._sums(values), self._sums(~np.isnan(values))
        return Resampled(_ratio(seen, counts), _ratio(drawn, drawn_counts))

    def pooled(self, values: Floats, figure: Callable[[Floats], Floats]) -> Resampled:
        """One figure of sums over slices.

        Args:
            values: What each slice adds (M, L); NaN adds nothing.
            figure: Sums (..., L) -> the figure (...).
        """
        seen, drawn = self._sums(values)
        return Resampled(figure(seen)[None], figure(drawn)[:, None])

    def _sums(self, values: Floats | NDArray[np.bool_]) -> tuple[Floats, Floats]:
        """Sums over all slices (K,) and over those of each resample (B, K)."""
        per_patient = np.zeros((self._patients, values.shape[1]))
        np.add.at(per_patient, self._owner, np.nan_to_num(values.astype(np.float64), nan=0.0))
        return per_patient.sum(axis=0), self._weights @ per_patient


def patient_intervals(
    values: Floats,
    patients: Sequence[str],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> list[Interval]:
    """Mean and interval of each metric.

    Args:
        values: Metrics of M slices (M, K); NaN where a metric is not defined, which leaves that slice out of it.
        patients: Patient of each slice (M,).
        seed: Of the resampling.
        resamples: Number of resamples.
        level: Probability that the interval holds.

    Returns:
        One interval a metric (K,). With one patient there is nothing to resample: both ends are the mean.
    """
    return PatientResamples(patients, seed=seed, resamples=resamples).means(values).intervals(level)


def _ratio(sums: Floats, counts: Floats) -> Floats:
    """``sums / counts``, NaN where nothing was counted."""
    return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)


def _interval(mean: float, drawn: Floats, tail: float) -> Interval:
    defined = drawn[~np.isnan(drawn)]  # a resample may hold only patients without the metric
    if not len(defined):
        return Interval(mean, math.nan, math.nan)
    low, high = np.percentile(defined, [tail, 100 - tail])
    return Interval(mean, float(low), float(high))


def _p(drawn: Floats) -> float:
    defined = drawn[~np.isnan(drawn)]
    if not len(defined):
        return math.nan
    rarer = 1 + min(np.count_nonzero(defined <= 0), np.count_nonzero(defined >= 0))
    return min(1.0, 2 * rarer / (len(defined) + 1))


def _or_null(value: float) -> float | None:
    return None if math.isnan(value) else value

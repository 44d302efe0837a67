"""How far a mean over slices may be trusted: percentile intervals from resampling patients.

The slices of one patient are alike, so they are not so many independent observations. Patients are. A resample draws
P patients with replacement from the P that were seen, and brings all slices of each. With s_p the sum of a metric over
the slices of patient p, n_p their number and w_p how often p was drawn, w ~ Multinomial(P; 1/P, ..., 1/P),

    mean* = sum_p w_p s_p / sum_p w_p n_p .

So all resamples of all metrics are two matrix products, W s and W n. The interval holds the middle 95 % of the means
(Efron, 1979). All metrics share the resamples.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
LEVEL = 0.95


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
        named = {"mean": self.mean, "low": self.low, "high": self.high}
        return {name: None if math.isnan(value) else value for name, value in named.items()}


def patient_intervals(
    values: NDArray[np.float64],
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
    sums, counts = _per_patient(values, patients)
    weights = _draw_weights(len(sums), resamples=resamples, seed=seed)
    drawn = _ratio(weights @ sums, weights @ counts)
    means = _ratio(sums.sum(axis=0), counts.sum(axis=0))
    tail = 100 * (1 - level) / 2
    return [_interval(float(mean), drawn[:, k], tail) for k, mean in enumerate(means)]


def _per_patient(
    values: NDArray[np.float64], patients: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum of each metric over each patient's slices (P, K), and how many slices define it (P, K)."""
    names, owner = np.unique(np.asarray(patients, dtype=str), return_inverse=True)
    sums = np.zeros((len(names), values.shape[1]))
    counts = np.zeros_like(sums)
    np.add.at(sums, owner, np.nan_to_num(values, nan=0.0))
    np.add.at(counts, owner, ~np.isnan(values))
    return sums, counts


def _draw_weights(patients: int, *, resamples: int, seed: int) -> NDArray[np.float64]:
    """How often each patient is in each resample, (resamples, P)."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(patients, np.full(patients, 1 / patients), size=resamples).astype(np.float64)


def _ratio(sums: NDArray[np.float64], counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """``sums / counts``, NaN where nothing was counted."""
    return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)


def _interval(mean: float, drawn: NDArray[np.float64], tail: float) -> Interval:
    defined = drawn[~np.isnan(drawn)]  # a resample may hold only patients without the metric
    if not len(defined):
        return Interval(mean, math.nan, math.nan)
    low, high = np.percentile(defined, [tail, 100 - tail])
    return Interval(mean, float(low), float(high))

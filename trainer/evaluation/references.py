"""Simple readers on the same slices: what a model's figures are to be read against.

Each reference answers N masks for a slice, which are judged as a model's readings are:

- ``empty``: nobody sees anything. Whoever scores worse than this does harm.
- ``one_expert``: one expert's mask, N times, against the *other* experts; the mean over all experts. What a single
  confident radiologist scores. The set that it is judged against is one expert smaller than for the rest.
- ``majority_oracle``: the experts' majority, N times. It has seen the answers: no model that gives one mask should be
  expected to pass it in Dice.
- ``experts_resampled``: N masks drawn from the experts with replacement. It has seen the answers too: a perfect sampler
  at N readings. With D = E d(Y, Y') over all pairs of experts its expected GED is D / N, since E d(S, Y) = D and
  E d(S, S') = (1 - 1/N) D.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.readings.consensus import majority
from trainer.evaluation.metrics import slice_metrics
from trainer.evaluation.protocol import slice_seed

REFERENCES = ("empty", "one_expert", "majority_oracle", "experts_resampled")


def reference_metrics(
    slice_id: str, experts: NDArray[np.bool_], *, counts: Sequence[int], threshold: float, seed: int
) -> dict[str, dict[str, float]]:
    """The figures of every reference on one slice.

    Args:
        slice_id: Keys the draw of ``experts_resampled``.
        experts: Experts' masks (R, H, W), R at least 1.
        counts: Numbers N of readings.
        threshold: The relative area r of the post-processing.
        seed: Keys the draw too.

    Returns:
        Reference -> figure -> value; those of ``one_expert`` are NaN if there is only one expert.
    """
    drawn = resampled(slice_id, experts, max(counts), seed=seed)
    return {
        "empty": _of_one_mask(np.zeros_like(experts[0]), experts, counts, threshold),
        "one_expert": _leave_one_out(experts, counts, threshold),
        "majority_oracle": _of_one_mask(majority(experts), experts, counts, threshold),
        "experts_resampled": slice_metrics(samples=drawn, experts=experts, counts=counts, threshold=threshold),
    }


def resampled(slice_id: str, experts: NDArray[np.bool_], count: int, *, seed: int) -> NDArray[np.bool_]:
    """``count`` masks drawn from the experts with replacement (count, H, W); fewer are the first of more."""
    rng = np.random.default_rng(slice_seed(slice_id, seed=seed))
    return experts[rng.integers(len(experts), size=count)]


def _of_one_mask(
    mask: NDArray[np.bool_], experts: NDArray[np.bool_], counts: Sequence[int], threshold: float
) -> dict[str, float]:
    """The figures of one mask repeated."""
    repeated = np.broadcast_to(mask, (max(counts), *mask.shape))
    return slice_metrics(samples=repeated, experts=experts, counts=counts, threshold=threshold)


def _leave_one_out(experts: NDArray[np.bool_], counts: Sequence[int], threshold: float) -> dict[str, float]:
    """The mean over experts of the figures of each against the others."""
    if len(experts) < 2:
        return dict.fromkeys(_of_one_mask(experts[0], experts, counts, threshold), float("nan"))
    each = [_of_one_mask(experts[r], np.delete(experts, r, axis=0), counts, threshold) for r in range(len(experts))]
    return {name: float(np.mean([figures[name] for figures in each])) for name in each[0]}

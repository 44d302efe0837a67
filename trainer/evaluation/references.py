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

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.readings.consensus import majority
from trainer.evaluation.metrics import Experts, Judged, judge, mean_of
from trainer.evaluation.protocol import slice_seed

REFERENCES = ("empty", "one_expert", "majority_oracle", "experts_resampled")


def judge_references(
    slice_id: str, experts: Experts, *, counts: Sequence[int], threshold: float, seed: int
) -> dict[str, Judged]:
    """What is said of every reference on one slice.

    Args:
        slice_id: Keys the draw of ``experts_resampled``.
        experts: Who read it.
        counts: Numbers N of readings.
        threshold: The relative area r of the post-processing.
        seed: Keys the draw too.

    Returns:
        Reference -> its judgement; the figures of ``one_expert`` are NaN if there is only one expert.
    """
    masks = experts.masks
    drawn = resampled(slice_id, masks, max(counts), seed=seed)
    return {
        "empty": _of_one_mask(np.zeros_like(masks[0]), experts, counts, threshold),
        "one_expert": _leave_one_out(experts, counts, threshold),
        "majority_oracle": _of_one_mask(majority(masks), experts, counts, threshold),
        "experts_resampled": judge(samples=drawn, experts=experts, counts=counts, threshold=threshold),
    }


def resampled(slice_id: str, experts: NDArray[np.bool_], count: int, *, seed: int) -> NDArray[np.bool_]:
    """``count`` masks drawn from the experts with replacement (count, H, W); fewer are the first of more."""
    rng = np.random.default_rng(slice_seed(slice_id, seed=seed))
    return experts[rng.integers(len(experts), size=count)]


def _of_one_mask(mask: NDArray[np.bool_], experts: Experts, counts: Sequence[int], threshold: float) -> Judged:
    """One mask repeated."""
    repeated = np.broadcast_to(mask, (max(counts), *mask.shape))
    return judge(samples=repeated, experts=experts, counts=counts, threshold=threshold)


def _leave_one_out(experts: Experts, counts: Sequence[int], threshold: float) -> Judged:
    """The mean over experts of each against the others."""
    if len(experts.masks) < 2:
        alone = _of_one_mask(experts.masks[0], experts, counts, threshold)
        undefined = {name: (math.nan,) * len(vector) for name, vector in alone.vectors.items()}
        return Judged(dict.fromkeys(alone.figures, math.nan), undefined)
    each = [_of_one_mask(experts.masks[r], _without(experts, r), counts, threshold) for r in range(len(experts.masks))]
    return mean_of(each)


def _without(experts: Experts, r: int) -> Experts:
    return Experts(np.delete(experts.masks, r, axis=0), experts.slots[:r] + experts.slots[r + 1 :])

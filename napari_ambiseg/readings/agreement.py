r"""How well two sets of readings agree: the samples of a model, and the experts' masks.

For two masks with a and b pixels, i of them in common,

    IoU = i / (a + b - i),    Dice = 2 i / (a + b),    both 1 when both masks are empty.

The generalised energy distance compares the sets S (samples) and Y (experts) as distributions, with d = 1 - IoU:

    GED = 2 E d(S, Y) - E d(S, S') - E d(Y, Y').

*Published* is the V-statistic: every expectation is the mean over all pairs, a mask with itself included. It is never
negative, but S independent draws from the very distribution of the experts do not score 0: the self term
misses E d(S, S') / S, and the experts' likewise. Never compare it across S. *Unbiased* leaves the pairs i = j out of
both self terms, and the antithetic pairs (``napari_ambiseg.seeds``), whose two were not drawn independently; its
expectation is 0 for equal distributions, so single values may be negative.

HM-IoU (Hungarian-matched IoU) asks for one sample per expert: both sets are repeated to the least common multiple of
their sizes, matched one to one so that the total IoU is largest, and the matched IoUs are averaged. Equal copies may be
told together by how many of them are matched, which makes it a transportation problem: shares x_ij >= 0 of the pair
(i, j), 1/S from each sample and 1/R to each expert, that maximise sum_ij x_ij IoU_ij. Its vertices are multiples of
1/lcm (the constraints are totally unimodular), so both have the same optimum.

Legend: S samples, R readers (experts), H x W pixels.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.readings.pairs import Pairs, all_pairs

# The matching takes cubic time: beyond so many copies the transportation problem is solved as a linear program.
_LARGEST_TILING = 256


@dataclass(frozen=True, slots=True)
class Overlap:
    """Agreement of every sample with every expert.

    Attributes:
        iou: Intersection over union (S, R), float64.
        dice: Dice coefficient (S, R), float64.
    """

    iou: NDArray[np.float64]
    dice: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that is said of samples against experts, from one pass over the pixels.

    Attributes:
        iou: Intersection over union (S, R), float64.
        dice: Dice coefficient (S, R), float64.
        sample_areas: Pixels of each sample (S,), float64.
        expert_areas: Pixels of each expert's mask (R,), float64.
        ged: Generalised energy distance as published, in [0, 2]; 0 is best.
        ged_unbiased: The same without the pairs i = j and the antithetic pairs; NaN with fewer than two independent
            samples, or two experts.
        mean_dice: Mean Dice over all pairs.
        mean_iou: Mean IoU over all pairs.
        hm_iou: Hungarian-matched IoU, in [0, 1]; 1 is best.
    """

    iou: NDArray[np.float64]
    dice: NDArray[np.float64]
    sample_areas: NDArray[np.float64]
    expert_areas: NDArray[np.float64]
    ged: float
    ged_unbiased: float
    mean_dice: float
    mean_iou: float
    hm_iou: float


def compare(
    *, samples: NDArray[np.bool_], experts: NDArray[np.bool_], seeds: Sequence[int] | None = None
) -> Comparison:
    """Every figure of agreement at once.

    Args:
        samples: Masks (S, H, W), bool.
        experts: Masks (R, H, W), bool; S and R may differ.
        seeds: Of the samples (S,), so that antithetic pairs are known; None if all samples are independent.

    Raises:
        InputImageError: If a set is empty, not boolean, or the pictures differ in size.
    """
    return compare_pairs(all_pairs(samples=samples, experts=experts, seeds=seeds))


def compare_pairs(pairs: Pairs) -> Comparison:
    """As ``compare``, of pairs that are counted already."""
    iou, dice, sizes, s = pairs.iou(), pairs.dice(), pairs.sizes, pairs.samples
    distance, independent = 1 - iou, pairs.independent_samples()
    return Comparison(
        iou=iou[:s, s:],
        dice=dice,
        sample_areas=sizes[:s],
        expert_areas=sizes[s:],
        ged=_energy(distance, s),
        ged_unbiased=_energy(distance, s, independent),
        mean_dice=float(dice.mean()),
        mean_iou=float(iou[:s, s:].mean()),
        hm_iou=_matched(iou[:s, s:]),
    )


def overlap(*, samples: NDArray[np.bool_], experts: NDArray[np.bool_]) -> Overlap:
    """IoU and Dice of every sample with every expert; arguments and errors as ``compare``."""
    pairs = all_pairs(samples=samples, experts=experts)
    return Overlap(iou=pairs.iou()[: pairs.samples, pairs.samples :], dice=pairs.dice())


def ged(
    *,
    samples: NDArray[np.bool_],
    experts: NDArray[np.bool_],
    unbiased: bool = False,
    seeds: Sequence[int] | None = None,
) -> float:
    """Generalised energy distance; arguments and errors as ``compare``.

    Args:
        samples: Masks (S, H, W).
        experts: Masks (R, H, W).
        unbiased: Whether to leave the pairs i = j and antithetic pairs out (NaN if that leaves none).
        seeds: As ``compare``.
    """
    pairs = all_pairs(samples=samples, experts=experts, seeds=seeds)
    return _energy(1 - pairs.iou(), len(samples), pairs.independent_samples() if unbiased else None)


def mean_dice(*, samples: NDArray[np.bool_], experts: NDArray[np.bool_]) -> float:
    """Mean Dice over all pairs of a sample and an expert; arguments and errors as ``compare``."""
    return float(overlap(samples=samples, experts=experts).dice.mean())


def hm_iou(*, samples: NDArray[np.bool_], experts: NDArray[np.bool_]) -> float:
    """Hungarian-matched IoU, both sets tiled to the least common multiple; arguments and errors as ``compare``."""
    return _matched(overlap(samples=samples, experts=experts).iou)


def _energy(distance: NDArray[np.float64], count: int, independent: NDArray[np.bool_] | None = None) -> float:
    """GED from the distances of all pairs (S + R, S + R), the first ``count`` of them samples.

    With the pairs of samples that are ``independent`` (S, S), the self terms are taken over these and over the pairs of
    different experts; without, over all.
    """
    between = float(distance[:count, count:].mean())
    samples, experts = distance[:count, :count], distance[count:, count:]
    if independent is None:
        return 2 * between - float(samples.mean()) - float(experts.mean())
    different = ~np.eye(len(experts), dtype=np.bool_)
    return 2 * between - _mean_of(samples, independent) - _mean_of(experts, different)


def _mean_of(distance: NDArray[np.float64], chosen: NDArray[np.bool_]) -> float:
    return float(distance[chosen].sum()) / int(chosen.sum()) if chosen.any() else math.nan


def _matched(iou: NDArray[np.float64]) -> float:
    from scipy.optimize import linear_sum_assignment  # a third of a second that the viewer's start need not wait for

    common = math.lcm(*iou.shape)
    if common > _LARGEST_TILING:
        return _transported(iou)
    tiled = np.tile(iou, (common // iou.shape[0], common // iou.shape[1]))
    return float(tiled[linear_sum_assignment(tiled, maximize=True)].mean())


def _transported(iou: NDArray[np.float64]) -> float:
    """The same without copies: the optimum of the transportation problem."""
    from scipy.optimize import linprog
    from scipy.sparse import eye_array, kron, vstack

    s, r = iou.shape
    shares = vstack([kron(eye_array(s), np.ones((1, r))), kron(np.ones((1, s)), eye_array(r))])
    given = np.r_[np.full(s, 1 / s), np.full(r, 1 / r)]
    found = linprog(-iou.ravel(), A_eq=shares.tocsr(), b_eq=given, method="highs")
    assert found.success, found.message  # bounded, and equal shares of everything are feasible
    return -float(found.fun)

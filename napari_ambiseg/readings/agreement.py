r"""How well two sets of readings agree: the samples of a model, and the experts' masks.

For two masks with a and b pixels, i of them in common,

    IoU = i / (a + b - i),    Dice = 2 i / (a + b),    both 1 when both masks are empty.

The generalised energy distance compares the sets S (samples) and Y (experts) as distributions, with d = 1 - IoU:

    GED = 2 E d(S, Y) - E d(S, S') - E d(Y, Y').

*Published* is the V-statistic: every expectation is the mean over all pairs, a mask with itself included. It is never
negative, but S independent draws from the very distribution of the experts do not score 0: the self term
misses E d(S, S') / S, and the experts' likewise. Never compare it across S. *Unbiased* leaves the pairs i = j out of
both self terms; its expectation is 0 for equal distributions, so single values may be negative.

HM-IoU (Hungarian-matched IoU) asks for one sample per expert: both sets are repeated to the least common multiple of
their sizes, matched one to one so that the total IoU is largest, and the matched IoUs are averaged.

All pairs come from one product. With the masks as rows of a matrix M (one column per pixel inside the bounding box of
their union), M M^T holds the common pixels of every pair and, on its diagonal, the areas.

Legend: S samples, R readers (experts), H x W pixels.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from napari_ambiseg.errors import InputImageError
from napari_ambiseg.readings.masks import check_readings

# Pixels multiplied at a time: float32 counts exactly up to 2^24, and a block of many masks should stay small.
_BLOCK = 2**20


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
        ged_unbiased: The same without the pairs i = j; NaN with fewer than two samples or experts.
        mean_dice: Mean Dice over all pairs.
        hm_iou: Hungarian-matched IoU, in [0, 1]; 1 is best.
    """

    iou: NDArray[np.float64]
    dice: NDArray[np.float64]
    sample_areas: NDArray[np.float64]
    expert_areas: NDArray[np.float64]
    ged: float
    ged_unbiased: float
    mean_dice: float
    hm_iou: float


def compare(*, samples: NDArray[np.bool_], experts: NDArray[np.bool_]) -> Comparison:
    """Every figure of agreement at once.

    Args:
        samples: Masks (S, H, W), bool.
        experts: Masks (R, H, W), bool; S and R may differ.

    Raises:
        InputImageError: If a set is empty, not boolean, or the pictures differ in size.
    """
    pairs, sizes = _all_pairs(samples=samples, experts=experts)
    iou, count = _iou(pairs, sizes), len(samples)
    dice = _dice(pairs, sizes)[:count, count:]
    return Comparison(
        iou=iou[:count, count:],
        dice=dice,
        sample_areas=sizes[:count],
        expert_areas=sizes[count:],
        ged=_energy(1 - iou, count, unbiased=False),
        ged_unbiased=_energy(1 - iou, count, unbiased=True),
        mean_dice=float(dice.mean()),
        hm_iou=_matched(iou[:count, count:]),
    )


def overlap(*, samples: NDArray[np.bool_], experts: NDArray[np.bool_]) -> Overlap:
    """IoU and Dice of every sample with every expert; arguments and errors as ``compare``."""
    pairs, sizes = _all_pairs(samples=samples, experts=experts)
    count = len(samples)
    return Overlap(iou=_iou(pairs, sizes)[:count, count:], dice=_dice(pairs, sizes)[:count, count:])


def ged(*, samples: NDArray[np.bool_], experts: NDArray[np.bool_], unbiased: bool = False) -> float:
    """Generalised energy distance; arguments and errors as ``compare``.

    Args:
        samples: Masks (S, H, W).
        experts: Masks (R, H, W).
        unbiased: Whether to leave the pairs i = j out (NaN with fewer than two samples or experts).
    """
    pairs, sizes = _all_pairs(samples=samples, experts=experts)
    return _energy(1 - _iou(pairs, sizes), len(samples), unbiased=unbiased)


def mean_dice(*, samples: NDArray[np.bool_], experts: NDArray[np.bool_]) -> float:
    """Mean Dice over all pairs of a sample and an expert; arguments and errors as ``compare``."""
    return float(overlap(samples=samples, experts=experts).dice.mean())


def hm_iou(*, samples: NDArray[np.bool_], experts: NDArray[np.bool_]) -> float:
    """Hungarian-matched IoU, both sets tiled to the least common multiple; arguments and errors as ``compare``."""
    return _matched(overlap(samples=samples, experts=experts).iou)


def _all_pairs(
    *, samples: NDArray[np.bool_], experts: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Common pixels of all pairs of the S + R masks, samples first, and the pixels of each mask."""
    check_readings(samples, name="samples")
    check_readings(experts, name="experts")
    if samples.shape[1:] != experts.shape[1:]:
        raise InputImageError(
            f"the samples are {samples.shape[1]} x {samples.shape[2]} pixels and the experts' masks "
            f"{experts.shape[1]} x {experts.shape[2]}; bring both to the grid of the same image"
        )
    masks = np.concatenate([samples, experts])
    union = masks.any(axis=0)
    rows, columns = np.flatnonzero(union.any(axis=-1)), np.flatnonzero(union.any(axis=0))
    if rows.size == 0:
        return np.zeros((len(masks), len(masks))), np.zeros(len(masks))
    cropped = masks[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].reshape(len(masks), -1)
    pairs = np.zeros((len(masks), len(masks)))
    for first in range(0, cropped.shape[1], _BLOCK):
        block = cropped[:, first : first + _BLOCK].astype(np.float32)
        pairs += block @ block.T
    return pairs, np.diagonal(pairs).copy()


def _iou(pairs: NDArray[np.float64], sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    return _ratio(pairs, sizes[:, None] + sizes - pairs)


def _dice(pairs: NDArray[np.float64], sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    return _ratio(2 * pairs, sizes[:, None] + sizes)


def _ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Their quotient, 1 where both masks are empty."""
    return np.divide(part, whole, out=np.ones_like(whole), where=whole > 0)


def _energy(distance: NDArray[np.float64], count: int, *, unbiased: bool) -> float:
    """GED from the distances of all pairs (S + R, S + R), the first ``count`` of them samples."""
    between = float(distance[:count, count:].mean())
    return 2 * between - sum(_spread(d, unbiased) for d in (distance[:count, :count], distance[count:, count:]))


def _spread(distance: NDArray[np.float64], unbiased: bool) -> float:
    """Mean distance inside one set; a mask is at distance 0 from itself, so only the divisor differs."""
    pairs = len(distance) * (len(distance) - unbiased)
    return float(distance.sum()) / pairs if pairs else math.nan


def _matched(iou: NDArray[np.float64]) -> float:
    common = math.lcm(*iou.shape)
    tiled = np.tile(iou, (common // iou.shape[0], common // iou.shape[1]))
    return float(tiled[linear_sum_assignment(tiled, maximize=True)].mean())

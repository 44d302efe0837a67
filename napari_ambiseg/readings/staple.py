r"""STAPLE: the lesion that probably lies behind several readings, and how good each reader is (Warfield et al., 2004).

Every pixel has an unknown truth T, and reader j marks it with probability p_j (sensitivity) if T = 1 and leaves it with
probability q_j (specificity) if T = 0, independently of the other readers and pixels. Expectation-maximisation repeats,
with D_ij whether reader j marks pixel i, and f = P(T = 1) kept at the share of all decisions that mark,

    W_i = f a_i / (f a_i + (1 - f) b_i),
    a_i = prod_j p_j^D_ij (1 - p_j)^(1 - D_ij),    b_i = prod_j q_j^(1 - D_ij) (1 - q_j)^D_ij,
    p_j = sum_i W_i D_ij / sum_i W_i,              q_j = sum_i (1 - W_i) (1 - D_ij) / sum_i (1 - W_i).

Pixels with the same decisions have the same W, so that everything is computed once per pattern of decisions. The more
background is looked at, the more STAPLE makes of single marks. So that the result does not depend on the size of the
picture, the field is twice as high and wide as the bounding box of what anyone marks, wherever the picture ends.

Legend: R readers, K patterns, H x W pixels.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.readings.masks import check_readings

_FIRST = 0.99999  # sensitivities and specificities to begin with, as in the paper: readers are nearly right
_ITERATIONS = 1000
_CHANGE = 1e-9
_CERTAIN = 1e-12  # a perfect reader is held this far from certainty, so that logarithms stay finite
_LARGEST_LOG_ODDS = 600.0  # beyond, the weights of all pixels might vanish, and with them the sums that are divided by


@dataclass(frozen=True, slots=True)
class Staple:
    """The consensus and its readers.

    Attributes:
        probability: That each pixel belongs to the lesion (H, W), float32; 0 where nobody marks.
        sensitivity: Of each reader (R,), p; 1 where nobody marks anything.
        specificity: Of each reader (R,), q, with respect to the field; 1 where nobody marks anything.
    """

    probability: NDArray[np.float32]
    sensitivity: NDArray[np.float64]
    specificity: NDArray[np.float64]

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Where the lesion is more probable than not (H, W)."""
        return np.asarray(self.probability > 0.5, np.bool_)


def staple(readings: NDArray[np.bool_]) -> Staple:
    """Estimate the consensus of readings (R, H, W), bool.

    Raises:
        InputImageError: If ``readings`` are not boolean masks, at least one.
    """
    check_readings(readings)
    marked = np.asarray(readings.any(axis=0), np.bool_)
    probability = np.zeros(marked.shape, np.float32)
    if not marked.any():
        return Staple(probability, np.ones(len(readings)), np.ones(len(readings)))
    decisions, which, pixels = _patterns(readings, marked)
    weights, p, q = _estimate(decisions, pixels)
    probability[marked] = weights[which]
    return Staple(probability, p, q)


def _patterns(
    readings: NDArray[np.bool_], marked: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.float64]]:
    """The patterns of decisions (K, R), the last of them that of nobody; which the marked pixels have; how many do."""
    columns = np.packbits(readings[:, marked], axis=0)
    found, which, pixels = np.unique(columns, axis=1, return_inverse=True, return_counts=True)
    decisions = np.unpackbits(found, axis=0, count=len(readings)).T.astype(np.float64)
    sides = [np.ptp(np.flatnonzero(marked.any(axis=axis))) + 1 for axis in (0, 1)]
    rest = 4 * int(sides[0]) * int(sides[1]) - pixels.sum()
    nobody = np.zeros((1, len(readings)))
    return np.concatenate([decisions, nobody]), which.reshape(-1), np.append(pixels, rest).astype(np.float64)


def _estimate(
    decisions: NDArray[np.float64], pixels: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """W of each pattern (K,), sensitivities and specificities (R,)."""
    from scipy.special import expit, logit  # not before it is needed: the viewer's start is the quicker

    readers = decisions.shape[1]
    p, q = np.full((2, readers), _FIRST)
    prior = logit(pixels @ decisions.sum(axis=1) / (pixels.sum() * readers))
    weights = pixels
    for _ in range(_ITERATIONS):
        marks = np.log(p) - np.log1p(-q)  # log a - log b of a reader who marks, and of one who does not
        leaves = np.log1p(-p) - np.log(q)
        log_odds = prior + decisions @ marks + (1 - decisions) @ leaves
        weights = expit(np.clip(log_odds, -_LARGEST_LOG_ODDS, _LARGEST_LOG_ODDS))
        inside, outside = pixels * weights, pixels * (1 - weights)
        before = np.stack([p, q])
        p = np.clip(inside @ decisions / inside.sum(), _CERTAIN, 1 - _CERTAIN)
        q = np.clip(outside @ (1 - decisions) / outside.sum(), _CERTAIN, 1 - _CERTAIN)
        if np.abs(np.stack([p, q]) - before).max() < _CHANGE:
            break
    return weights, p, q

r"""Does a pixel that 70 % of the samples mark belong to the lesion for 70 % of the experts?

At each pixel let p be the share of the S samples that mark it (the mean sample) and q the share of the R experts (the
mean expert). The Brier score is the mean of (p - q)^2 over pixels. For the expected calibration error (ECE; Naeini et
al., 2015) pixels are put into bins by p, and

    ECE = sum_b n_b / n |mean of p in b - mean of q in b| = sum_b |P_b - Q_b| / sum_b n_b,

with P_b and Q_b the sums of p and q over the n_b pixels of bin b. The bins are p = 0 by itself and ten of equal width,
(0, 0.1], (0.1, 0.2], ..., (0.9, 1]. n, P and Q of several slices add up, so that the ECE of many slices, or of a
resample of them, comes from sums (``reliability``): the ECE is that of all their pixels, not a mean over slices.

Nearly all pixels of a slice are background for everybody, which makes its ECE small and dependent on how much of it is
judged. *Marked* leaves out the bin p = 0: the error where at least one sample marks the pixel. That looks at the
samples alone and so does not favour anybody; leaving out pixels by what experts drew would.

Finite sets are noisy: even samples from the very distribution of the experts score above 0. Compare equal S and R only.
"""

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.readings.votes import Votes

WIDE_BINS = 10
BINS = 1 + WIDE_BINS
"""p = 0, and ten bins of equal width."""


def reliability(votes: Votes) -> NDArray[np.float64]:
    """Pixels, sum of p and sum of q in each bin (3, BINS) of the votes of S samples and R experts (S + 1, R + 1)."""
    levels, experts = len(votes) - 1, votes.shape[1] - 1
    k = np.arange(levels + 1)
    pixels = votes.sum(axis=1)
    q = votes @ np.arange(experts + 1) / experts
    bins = -(-WIDE_BINS * k // levels)  # the smallest b with k / S <= b / 10, in whole numbers: no rounding at edges
    sums = [np.bincount(bins, weights=w, minlength=BINS) for w in (pixels, pixels * k / levels, q)]
    return np.stack(sums).astype(np.float64)


def expected_calibration_error(sums: NDArray[np.float64], *, marked: bool = False) -> NDArray[np.float64]:
    """ECE of ``reliability`` sums (..., 3, BINS), in [0, 1]; NaN without pixels.

    Args:
        sums: Of one slice, or added over several.
        marked: Whether to leave out the pixels that no sample marks.
    """
    n, p, q = np.moveaxis(sums[..., int(marked) :], -2, 0)
    gap, total = np.abs(p - q).sum(axis=-1), n.sum(axis=-1)
    return np.divide(gap, total, out=np.full(total.shape, np.nan), where=total > 0)


def brier(votes: Votes) -> float:
    """Mean over pixels of the squared difference of mean sample and mean expert, in [0, 1]; 0 is best."""
    p, q = (np.arange(n) / (n - 1) for n in votes.shape)
    return float(np.sum(votes * (p[:, None] - q) ** 2) / votes.sum())

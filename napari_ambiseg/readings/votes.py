"""How many samples and how many experts mark each pixel: a table that holds all that consensus and calibration need.

For S samples and R experts, entry (k, j) of the (S + 1, R + 1) table counts the pixels that k samples and j experts
mark. Unions, majorities and mean masks of both sets can be compared from it without looking at the pixels again, and
tables of slices with the same S and R add up.

Legend: S samples, R readers (experts), H x W pixels.
"""

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.readings.masks import boxed

Votes = NDArray[np.int64]
"""Pixels by votes of samples and of experts (S + 1, R + 1)."""


def joint_votes(*, samples: NDArray[np.bool_], experts: NDArray[np.bool_]) -> Votes:
    """Count the pixels by their votes.

    Arguments and errors as ``masks.boxed``.

    Returns:
        The table (S + 1, R + 1); it sums to H W.
    """
    s, r = len(samples), len(experts)
    masks = boxed(samples=samples, experts=experts)
    k, j = masks[:s].sum(axis=0, dtype=np.int64), masks[s:].sum(axis=0, dtype=np.int64)
    table = np.bincount((k * (r + 1) + j).ravel(), minlength=(s + 1) * (r + 1)).reshape(s + 1, r + 1)
    table[0, 0] += samples[0].size - k.size  # outside the box that was looked at
    return table


def majority_dice(votes: Votes) -> float:
    """Dice of the samples' majority with the experts', each what more than half of them mark; 1 if both are empty."""
    samples, experts = _more_than_half(len(votes)), _more_than_half(votes.shape[1])
    sizes = int(votes[samples].sum() + votes[:, experts].sum())
    return 2 * int(votes[np.ix_(samples, experts)].sum()) / sizes if sizes else 1.0


def combined_sensitivity(votes: Votes) -> float:
    """Share of what any expert marks that any sample marks too; 1 where no expert marks anything: nothing is missed.

    S_c of Rahman et al. (2023): TP / (TP + FN) of the samples' union against the experts'.
    """
    marked = int(votes[:, 1:].sum())
    return int(votes[1:, 1:].sum()) / marked if marked else 1.0


def _more_than_half(levels: int) -> NDArray[np.bool_]:
    """Which numbers 0 .. levels - 1 of votes are a majority; a tie is none, as in ``consensus.majority``."""
    return 2 * np.arange(levels) > levels - 1

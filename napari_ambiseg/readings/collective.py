r"""The collective-insight score (CI): coverage, nearness and diversity of a set of samples in one number.

Rahman et al., *Ambiguous medical image segmentation using diffusion models* (CVPR 2023), take from S samples and R
experts

    CI = 3 S_c D_max D_a / (S_c + D_max + D_a),

- S_c, combined sensitivity: recall of the union of the samples against the union of the experts;
- D_max, maximum Dice matching: the mean over experts of the Dice of the sample that is nearest to each;
- D_a, diversity agreement: 1 - (|V_min(S) - V_min(Y)| + |V_max(S) - V_max(Y)|) / 2, with V_min and V_max the smallest
  and the largest variance between two masks of a set.

The variant computed here: the variance between masks a and b is that of their difference over the P judged pixels,

    V(a, b) = |a xor b| / P - ((|a| - |b|) / P)^2,

over the pairs i < j. Code that has been published takes i = j along, so that V_min is 0 whatever was drawn, or swaps
the arguments of S_c, which then is a precision. Conventions: Dice is 1 for two empty masks; S_c is 1 where no expert
marks anything; D_a, and with it CI, is NaN for fewer than two samples or experts; CI is 0 where all three are.

V shrinks with the share of the picture that a lesion takes, so D_a lies near 1 on all but the largest: the score says
more of S_c and D_max. As with GED, never compare it across S.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.readings.pairs import Pairs, all_pairs
from napari_ambiseg.readings.votes import Votes, combined_sensitivity, joint_votes


@dataclass(frozen=True, slots=True)
class CollectiveInsight:
    """The score and its parts.

    Attributes:
        combined_sensitivity: S_c, in [0, 1].
        max_dice: D_max, in [0, 1].
        diversity_agreement: D_a, in [0, 1], or NaN.
        score: CI, in [0, 1], or NaN; 1 is best.
    """

    combined_sensitivity: float
    max_dice: float
    diversity_agreement: float
    score: float


def collective_insight(*, samples: NDArray[np.bool_], experts: NDArray[np.bool_]) -> CollectiveInsight:
    """The score of samples (S, H, W) against experts (R, H, W), bool.

    Raises:
        InputImageError: If a set is empty, not boolean, or the pictures differ in size.
    """
    pairs = all_pairs(samples=samples, experts=experts)
    return collective_insight_of(pairs, joint_votes(samples=samples, experts=experts))


def collective_insight_of(pairs: Pairs, votes: Votes) -> CollectiveInsight:
    """As ``collective_insight``, of what is counted already."""
    s_c = combined_sensitivity(votes)
    d_max = float(pairs.dice().max(axis=0).mean())
    d_a = _diversity_agreement(pairs, int(votes.sum()))
    total = s_c + d_max + d_a
    return CollectiveInsight(s_c, d_max, d_a, 0.0 if total == 0 else 3 * s_c * d_max * d_a / total)


def _diversity_agreement(pairs: Pairs, pixels: int) -> float:
    sizes, s = pairs.sizes, pairs.samples
    if min(s, len(sizes) - s) < 2:
        return float("nan")
    apart = sizes[:, None] + sizes - 2 * pairs.common
    variance = apart / pixels - ((sizes[:, None] - sizes) / pixels) ** 2
    drawn, wanted = _between(variance[:s, :s]), _between(variance[s:, s:])
    return 1 - float(abs(drawn.min() - wanted.min()) + abs(drawn.max() - wanted.max())) / 2


def _between(variance: NDArray[np.float64]) -> NDArray[np.float64]:
    """The pairs i < j of a square matrix."""
    return variance[np.triu_indices(len(variance), k=1)]

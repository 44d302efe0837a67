r"""Common pixels of every pair of masks: all that IoU, Dice and whatever is made of them need.

With the masks as rows of a matrix M (one column per pixel inside the bounding box of their union), M M^T holds the
common pixels of every pair and, on its diagonal, the areas. One product of matrices thus answers for every subset of
the samples, too: the first n of them, or those that a rule empties.

Legend: S samples, R readers (experts), H x W pixels.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.readings.masks import boxed

# Pixels multiplied at a time: float32 counts exactly up to 2^24, and a block of many masks should stay small.
_BLOCK = 2**20


@dataclass(frozen=True, slots=True)
class Pairs:
    """Every pair of S + R masks, the samples first.

    Attributes:
        common: Common pixels (S + R, S + R), float64; areas on the diagonal.
        samples: S.
    """

    common: NDArray[np.float64]
    samples: int

    @property
    def sizes(self) -> NDArray[np.float64]:
        """Pixels of each mask (S + R,)."""
        return np.diagonal(self.common)

    def iou(self) -> NDArray[np.float64]:
        """Intersection over union of all pairs (S + R, S + R); 1 where both are empty."""
        sizes = self.sizes
        return _ratio(self.common, sizes[:, None] + sizes - self.common)

    def dice(self) -> NDArray[np.float64]:
        """Dice of every sample with every expert (S, R); 1 where both are empty."""
        s, sizes = self.samples, self.sizes
        return _ratio(2 * self.common[:s, s:], sizes[:s, None] + sizes[s:])

    def first(self, count: int) -> "Pairs":
        """The pairs of the first ``count`` samples, and of all experts."""
        chosen = np.r_[:count, self.samples : len(self.common)]
        return Pairs(self.common[np.ix_(chosen, chosen)], count)

    def emptied(self, kept: NDArray[np.bool_]) -> "Pairs":
        """The pairs after the samples that are not ``kept`` (S,) have become empty masks."""
        weight = np.ones(len(self.common))
        weight[: self.samples] = kept
        return Pairs(self.common * weight * weight[:, None], self.samples)


def all_pairs(*, samples: NDArray[np.bool_], experts: NDArray[np.bool_]) -> Pairs:
    """Count the common pixels of all pairs; arguments and errors as ``masks.boxed``."""
    masks = boxed(samples=samples, experts=experts)
    flat = masks.reshape(len(masks), -1)
    common = np.zeros((len(masks), len(masks)))
    for first in range(0, flat.shape[1], _BLOCK):
        block = flat[:, first : first + _BLOCK].astype(np.float32)
        common += block @ block.T
    return Pairs(common, len(samples))


def _ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Their quotient, 1 where both masks are empty."""
    return np.divide(part, whole, out=np.ones_like(whole), where=whole > 0)

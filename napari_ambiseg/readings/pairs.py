r"""Common pixels of every pair of masks: all that IoU, Dice and whatever is made of them need.

A mask takes one bit a pixel, 64 pixels a word: the common pixels of two masks are the bits that are set in the words of
both. That is exact at any size, and takes half the time of the product M M^T of the masks as rows of a float matrix, or
less. The table of all pairs, with the areas on its diagonal, answers for every subset of the samples, too: the first n
of them, or those that a rule empties.

Legend: S samples, R readers (experts), H x W pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.errors import InputImageError
from napari_ambiseg.readings.masks import boxed
from napari_ambiseg.seeds import noise_origins

_WORDS_AT_A_TIME = 2**17  # 1 MB: few masks are compared in one go, many one by one with all that follow


@dataclass(frozen=True, slots=True)
class Pairs:
    """Every pair of S + R masks, the samples first.

    Attributes:
        common: Common pixels (S + R, S + R), float64; areas on the diagonal.
        samples: S.
        seeds: Of the samples (S,): those of an antithetic pair depend on each other. None is of independent samples.
    """

    common: NDArray[np.float64]
    samples: int
    seeds: tuple[int, ...] | None = None

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
        return Pairs(self.common[np.ix_(chosen, chosen)], count, None if self.seeds is None else self.seeds[:count])

    def emptied(self, kept: NDArray[np.bool_]) -> "Pairs":
        """The pairs after the samples that are not ``kept`` (S,) have become empty masks."""
        weight = np.ones(len(self.common))
        weight[: self.samples] = kept
        return Pairs(self.common * weight * weight[:, None], self.samples, self.seeds)

    def independent_samples(self) -> NDArray[np.bool_]:
        """Which pairs of samples (S, S) were drawn independently: none of a sample with itself or with its opposite."""
        origins = np.arange(self.samples) if self.seeds is None else np.array(noise_origins(self.seeds), np.int64)
        return origins[:, None] != origins


def all_pairs(*, samples: NDArray[np.bool_], experts: NDArray[np.bool_], seeds: Sequence[int] | None = None) -> Pairs:
    """Count the common pixels of all pairs; arguments and errors as ``masks.boxed``, ``seeds`` as ``Pairs``.

    Raises:
        InputImageError: Besides, if there are not as many seeds as samples.
    """
    if seeds is not None and len(seeds) != len(samples):
        raise InputImageError(f"{len(samples)} samples came with {len(seeds)} seeds; give the seed of each")
    words = _packed(boxed(samples=samples, experts=experts))
    count, length = words.shape
    rows = max(1, _WORDS_AT_A_TIME // (count * length))
    common = np.zeros((count, count))
    for first in range(0, count, rows):
        both = words[first : first + rows, None] & words[first:]
        counts = np.bitwise_count(both).sum(axis=2, dtype=np.uint32)
        common[first : first + rows, first:] = counts
        common[first:, first : first + rows] = counts.T
    return Pairs(common, len(samples), None if seeds is None else tuple(seeds))


def _packed(masks: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """The bits of masks (N, h, w) in words (N, ceil(h w / 64)); the last one is filled up with zeros."""
    packed = np.packbits(masks.reshape(len(masks), -1), axis=1)
    filled = np.zeros((len(masks), -(-packed.shape[1] // 8) * 8), np.uint8)
    filled[:, : packed.shape[1]] = packed
    return filled.view(np.uint64)


def _ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Their quotient, 1 where both masks are empty."""
    return np.divide(part, whole, out=np.ones_like(whole), where=whole > 0)

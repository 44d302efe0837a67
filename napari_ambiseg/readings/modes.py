r"""In how many ways a lesion is read, how often each, and by which reading each is shown: the typical readings.

Readings are grouped by distance 1 - IoU. Those that mark nothing are a group of their own: they say "no lesion here",
and are at distance 1 from all others. The rest is clustered hierarchically with average linkage (UPGMA): the two groups
whose readings are nearest *on average* are joined, until no two groups have a mean IoU of ``similar_iou`` or more. One
number that means something thus decides, and none is guessed from the data; the user may move it. It is 1/2 unless
moved: where two experts of LIDC-IDRI both marked a lesion, 84 % of their pairs overlap by as much (48 % by 0.7), so
less than that is more than the usual looseness of outlines. A reading that no other resembles is a group of one; it is
counted, but not called a way to read the lesion.

A group is shown by its medoid, the member with the highest mean IoU to the members: a reading that was really drawn,
where an average of masks is one that nobody drew. Its frequency k of n is an estimate: with two of 16 readings, the
true share may well be 3 % or 36 %. Wilson's interval says so (Wilson, 1927), with z the normal quantile and p = k / n:

    (p + z^2 / 2n  +-  z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n).

It holds for independent readings. Where they come in antithetic pairs (``napari_ambiseg.seeds``), it is approximate:
with the models that ship it is wider than needed, for what the two of a pair say was measured to correlate negatively.

Where distances tie, the order in which masks come could decide what is joined. So equal masks are counted once, and
the different ones sorted by what they are: the groups do not depend on the order of the readings.

Legend: S readings, H x W pixels.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.errors import SettingsError
from napari_ambiseg.readings.masks import boxed, check_readings, pixel_counts
from napari_ambiseg.readings.pairs import all_pairs

SIMILAR_IOU = 0.5
"""Groups of readings that overlap less than this on average are different ways to read a lesion."""

_NAMED = 4  # ways to draw the lesion that the sentence gives a number of their own
_TIE = 1e-9  # IoU that differ by less are equal: far above rounding, far below the step of one pixel
_Z95 = 1.959963984540054  # of the normal distribution, 95 % lie within


@dataclass(frozen=True, slots=True)
class Share:
    """How often something was seen, and where its true frequency may lie.

    Attributes:
        count: Times that it was seen.
        total: Times that it could have been.
        low: Lower end of Wilson's 95 % interval.
        high: Upper end.
    """

    count: int
    total: int
    low: float
    high: float

    @property
    def fraction(self) -> float:
        """The frequency seen, in [0, 1]."""
        return self.count / self.total


@dataclass(frozen=True, slots=True)
class Mode:
    """One way to read the lesion.

    Attributes:
        members: Numbers of the readings that read it so, ascending.
        medoid: The member that stands for them; of several the largest.
        mean_iou: Mean IoU over the pairs of different members; 1 for a single one, and for empty readings.
        share: Its frequency.
        empty: Whether these readings mark nothing.
    """

    members: tuple[int, ...]
    medoid: int
    mean_iou: float
    share: Share
    empty: bool

    @property
    def is_way(self) -> bool:
        """Whether it is called a way to read the lesion: not a single reading, unless that one sees nothing."""
        return self.empty or self.share.count > 1


def modes(readings: NDArray[np.bool_], *, similar_iou: float = SIMILAR_IOU) -> tuple[Mode, ...]:
    """The ways in which a lesion is read, the most frequent first; of equally frequent ones the larger medoid.

    Single readings that mark something, which are not called ways, come last.

    Args:
        readings: Masks (S, H, W), bool.
        similar_iou: Groups with a lower mean IoU than this stay apart, 0 to 1; with 1 only equal readings are one.

    Raises:
        InputImageError: If ``readings`` are not boolean masks, at least one.
        SettingsError: If ``similar_iou`` is outside [0, 1].
    """
    check_readings(readings)
    if not 0 <= similar_iou <= 1:
        raise SettingsError(f"the similarity of readings of one kind is {similar_iou}; give an IoU from 0 to 1")
    different, which = _different(boxed(samples=readings, experts=readings[:1])[:-1])
    iou = iou_within(different)
    copies = np.bincount(which).astype(np.float64)
    filled = np.flatnonzero(different.any(axis=(1, 2)))
    groups = [filled[part] for part in _clustered(iou[np.ix_(filled, filled)], copies[filled], similar_iou)]
    groups += [np.array([i]) for i in range(len(different)) if i not in filled]
    found = [_mode(group, iou, copies, which, empty=group[0] not in filled) for group in groups]
    return tuple(sorted(found, key=lambda mode: (not mode.is_way, -mode.share.count, which[mode.medoid])))


def mode_numbers(found: Sequence[Mode]) -> NDArray[np.int64]:
    """Which of the modes each reading belongs to (S,), counted from 0."""
    numbers = np.zeros(sum(len(mode.members) for mode in found), np.int64)
    for number, mode in enumerate(found):
        numbers[list(mode.members)] = number
    return numbers


def nearest_mode(found: Sequence[Mode], iou: NDArray[np.float64]) -> tuple[int, float]:
    """Number of the mode that a mask is nearest to, by its mean IoU with the members, and that mean.

    Args:
        found: The modes of S readings.
        iou: IoU of the mask with each reading (S,).
    """
    means = np.bincount(mode_numbers(found), weights=iou) / [len(mode.members) for mode in found]
    nearest = int(means.argmax())
    return nearest, float(means[nearest])


def iou_within(readings: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Intersection over union of all pairs of one set (S, S); 1 where both are empty.

    Raises:
        InputImageError: If ``readings`` are not boolean masks (S, H, W), at least one.
    """
    return all_pairs(samples=readings, experts=readings[:1]).iou()[:-1, :-1]


def share(count: int, total: int) -> Share:
    """A frequency of ``count`` of ``total`` with its 95 % interval."""
    p, spread = count / total, _Z95**2 / total
    middle = (p + spread / 2) / (1 + spread)
    half = _Z95 * math.sqrt(p * (1 - p) / total + spread / (4 * total)) / (1 + spread)
    return Share(count, total, max(0.0, middle - half), min(1.0, middle + half))


def told(found: Sequence[Mode]) -> str:
    """One sentence on all modes, e.g. "4 ways to read this lesion: 41 %, 27 %, 19 % and 13 % see nothing".

    Ways are counted where two readings took them; single readings follow together.
    """
    total = found[0].share.total
    if len(found) == 1 and total > 1:
        return (
            f"All {total} readings see nothing" if found[0].empty else f"One way to read this lesion: all {total} agree"
        )
    single = [mode for mode in found if not mode.is_way]
    drawn = [mode for mode in found if mode.is_way and not mode.empty]
    nothing = [f"{_percent([mode])} see nothing" for mode in found if mode.empty]
    parts = [_percent([mode]) for mode in (drawn if len(drawn) <= _NAMED else drawn[: _NAMED - 1])]
    if rarer := drawn[len(parts) :]:
        parts.append(f"{len(rarer)} rarer ones with {_percent(rarer)} together")
    parts += nothing
    count = len(parts) + max(0, len(rarer) - 1)
    ways = f"{count} way{'s' if count > 1 else ''} to read this lesion: {_listed(parts)}" if parts else ""
    alone = f"{len(single)} of {total} readings {'are' if len(single) > 1 else 'is'} like no other" if single else ""
    return "; ".join(filter(None, (ways, alone)))


def _listed(parts: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))


def _percent(some: Sequence[Mode]) -> str:
    return f"{100 * sum(mode.share.fraction for mode in some):.0f} %"


def _different(readings: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """The different masks in an order of their own, larger ones first, and which of them each reading is (S,)."""
    smallness = (readings[0].size - pixel_counts(readings)).astype(">u8")[:, None].view(np.uint8)
    packed = np.packbits(readings.reshape(len(readings), -1), axis=1)
    _, first, which = np.unique(np.c_[smallness, packed], axis=0, return_index=True, return_inverse=True)
    return readings[first], which.reshape(-1)


def _clustered(iou: NDArray[np.float64], copies: NDArray[np.float64], similar_iou: float) -> list[NDArray[np.intp]]:
    """Groups of the masks behind a matrix of IoU, each mask as many readings as it has copies."""
    from scipy.cluster.hierarchy import fcluster, linkage  # not before it is needed: the viewer's start is the quicker
    from scipy.spatial.distance import squareform

    if len(iou) < 2:
        return [np.arange(len(iou))] if len(iou) else []
    repeated = np.repeat(np.arange(len(iou)), copies.astype(int))  # copies pull a group's mean as readings do
    distance = np.maximum(0, 1 - iou[np.ix_(repeated, repeated)])
    tree = linkage(squareform(distance, checks=False), method="average")
    labels = fcluster(tree, 1 - similar_iou + _TIE, criterion="distance")
    return [np.unique(repeated[labels == label]) for label in np.unique(labels)]


def _mode(
    group: NDArray[np.intp],
    iou: NDArray[np.float64],
    copies: NDArray[np.float64],
    which: NDArray[np.int64],
    *,
    empty: bool,
) -> Mode:
    """A group of different masks as the readings that they are."""
    members = np.flatnonzero(np.isin(which, group))
    count = len(members)
    towards = iou[np.ix_(group, group)] @ copies[group]  # of each mask to all members, itself included
    medoid = group[np.flatnonzero(towards >= towards.max() - _TIE)[0]]
    pairs = count * (count - 1)
    return Mode(
        members=tuple(members.tolist()),
        medoid=int(members[which[members] == medoid][0]),
        mean_iou=float((towards @ copies[group] - count) / pairs) if pairs else 1.0,
        share=share(count, len(which)),
        empty=empty,
    )

r"""Runs of one slice beside each other: their figures, and each reading with that of the same seed in another run.

Readings of one model and one seed begin with the same noise, so that what differs between them is what the runs differ
in: the number of steps, the sampler. Two masks of a and b pixels, c of them in common, agree by IoU = c / (a + b - c).
Seeds of which neither marks anything agree, too, but are counted apart: in the mean they would flatter.

Common pixels are counted once, for the readings as they were drawn: a threshold that empties a mask makes its a and its
c 0, so that nothing is counted again when it moves. No windows.

Legend: S samples, K runs, M seeds that all runs have.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.readings.masks import pixel_counts
from napari_ambiseg.viewer.comparing.run_list import Figures, number, slice_name, way_name
from napari_ambiseg.viewer.session.result import Result
from napari_ambiseg.viewer.tabs.sizes_text import number_text

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
MOST = len(LETTERS)
"""So many runs can be compared."""


@dataclass(frozen=True)
class SideBySide:
    """Runs of one slice; the first is the one that the others are compared with.

    Attributes:
        results: The runs (K).
        seeds: Seeds that they all have (M,), in the order of the first.
        numbers: Which reading of each run has them (K, M).
        common: Pixels that the reading has in common with that of the first run (K, M).
        sizes: Pixels of the reading (K, M).
    """

    results: tuple[Result, ...]
    seeds: tuple[int, ...]
    numbers: NDArray[np.int64]
    common: NDArray[np.int64]
    sizes: NDArray[np.int64]

    def iou(self, figures: Sequence[Figures]) -> NDArray[np.float64]:
        """Agreement of each reading with that of the same seed in the first run, at a threshold (K, M)."""
        kept = np.array([one.kept[own] for one, own in zip(figures, self.numbers, strict=True)]).reshape(
            self.numbers.shape
        )
        sizes, common = self.sizes * kept, self.common * (kept & kept[:1])
        union = sizes + sizes[:1] - common
        return np.divide(common, union, out=np.ones(union.shape), where=union > 0)


def side_by_side(results: Sequence[Result]) -> SideBySide:
    """Put runs of one slice beside each other; there must be one at least."""
    first, *_ = results
    is_same_shape = len({one.sampled.readings.shape[1:] for one in results}) == 1
    shared = [s for s in first.sampled.seeds if is_same_shape and all(s in one.sampled.seeds for one in results)]
    numbers = np.array([[one.sampled.seeds.index(seed) for seed in shared] for one in results], np.int64)
    numbers = numbers.reshape(len(results), len(shared))
    chosen = [one.sampled.readings[own] for one, own in zip(results, numbers, strict=True)]
    return SideBySide(
        results=tuple(results),
        seeds=tuple(shared),
        numbers=numbers,
        common=np.array([_common(masks, chosen[0]) for masks in chosen], np.int64).reshape(numbers.shape),
        sizes=np.array([pixel_counts(masks) for masks in chosen], np.int64).reshape(numbers.shape),
    )


def _common(masks: NDArray[np.bool_], others: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Common pixels of each mask with the other at its place."""
    return np.array([np.count_nonzero(m & o) for m, o in zip(masks, others, strict=True)], np.int64)


def head(beside: SideBySide) -> str:
    """What is compared, and on which seeds."""
    results, shared = beside.results, len(beside.seeds)
    begun = f"{len(results)} runs on {slice_name(results[0])}. "
    counts = {len(one.sampled.seeds) for one in results}
    if not shared:
        return begun + "They have no seed in common, so only their figures can be compared, not reading with reading."
    every = f"all {shared}" if counts == {shared} else str(shared)
    return begun + f"They share {every} seeds; each column is one seed."


def cautions(beside: SideBySide) -> tuple[str, ...]:
    """What must be known before figures are compared."""
    results, first = beside.results, beside.results[0]
    told: list[str] = []
    if any(one.sampled.placement != first.sampled.placement for one in results):
        told.append("The runs do not look at the same box with the same grid: one seed is not the same noise there.")
    if len({one.request.settings.model for one in results}) > 1 and beside.seeds:
        told.append("The models differ: what one seed means to one of them, it need not mean to another.")
    if any(not np.array_equal(one.request.experts.masks, first.request.experts.masks) for one in results):
        told.append("The runs were compared with different experts: GED and Dice do not stand side by side.")
    if any(not np.array_equal(one.request.slice_input.pixels, first.request.slice_input.pixels) for one in results):
        told.append("The image was changed between the runs.")
    if len({len(one.sampled.seeds) for one in results}) > 1 and len(first.request.experts.masks):
        told.append("GED falls with the number of readings, which differs: compare the unbiased one.")
    if len({one.request.settings.antithetic for one in results}) > 1 and len(first.request.experts.masks):
        told.append("Some runs are in pairs, some independent: pairs lower GED, so compare the unbiased one.")
    return tuple(told)


def run_lines(beside: SideBySide, run: int, figures: Sequence[Figures]) -> tuple[str, ...]:
    """All that is said of a run beside its readings."""
    result, found = beside.results[run], figures[run]
    area, sampled = found.area, result.sampled
    models = {one.sampled.model_name for one in beside.results}
    lines = [f"{LETTERS[run]}  {way_name(result)}" + (f" · {sampled.model_name}" if len(models) > 1 else "")]
    if found.ged is not None:
        lines.append(
            f"GED {number(found.ged)} (unbiased {number(found.ged_unbiased)}) · Dice {number(found.mean_dice)}"
        )
    sees = "sees" if found.empty == 1 else "see"
    lines.append(f"{found.empty} of {len(found.kept)} {sees} nothing · {sampled.seconds:.1f} s, {sampled.engine}")
    if not np.isnan(area.median):
        drawn = area.samples[area.samples > 0]
        low, high = number_text(float(drawn.min())), number_text(float(drawn.max()))
        lines.append(f"area: median {number_text(area.median)}, {low} to {high} mm²")
    if run and beside.seeds:
        lines += _same_seed(beside, run, figures)
    return tuple(lines)


def _same_seed(beside: SideBySide, run: int, figures: Sequence[Figures]) -> list[str]:
    """Agreement with the first run; seeds of which neither marks anything agree, and are counted by themselves."""
    own, first = (figures[k].kept[beside.numbers[k]] for k in (run, 0))
    marked, both = own | first, own & first
    iou = beside.iou(figures)[run][marked]
    neither, one = len(own) - int(marked.sum()), int(marked.sum() - both.sum())
    lines = [f"same seed as A: mean IoU {iou.mean():.2f}, least {iou.min():.2f}"] if len(iou) else []
    if one or neither:
        lines.append(f"sees nothing: one alone {one}, both {neither} of {len(own)}")
    return lines

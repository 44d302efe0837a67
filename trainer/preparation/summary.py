"""What a prepared file holds, in figures: per split its slices, patients, readers, areas, and how the experts agree."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from napari_ambiseg.readings.agreement import overlap
from napari_ambiseg.readings.collection import SliceCollection


@dataclass(frozen=True, slots=True)
class SplitSummary:
    """Figures of one split; None where there is nothing to measure.

    Attributes:
        slices: Number of slices.
        patients: Number of patients.
        nodules: Number of lesions; None if some slice does not name its own.
        size: Height and width in pixels.
        spacing_mm: Height and width of a pixel.
        readers: Fewest and most experts who read a slice.
        missing_readers: Fraction of reader slots that nobody filled.
        empty_masks: Fraction of the experts' masks that are empty.
        area_mm2: Median, smallest and largest area of those that are not.
        pairwise_dice: Mean Dice of two experts, over all pairs of a slice, then over slices; 1 where both are empty.
        expert_ged: GED (published) between one expert and the others, over the experts of a slice, then over slices:
            what a model would score that reads as one of them.
    """

    slices: int
    patients: int
    nodules: int | None
    size: tuple[int, int]
    spacing_mm: tuple[float, float]
    readers: tuple[int, int]
    missing_readers: float
    empty_masks: float
    area_mm2: tuple[float, float, float] | None
    pairwise_dice: float | None
    expert_ged: float | None


def summarise(slices: SliceCollection, name: str) -> SplitSummary:
    """The figures of a split called ``name``."""
    per_slice = slices.filled.sum(axis=1)
    masks_areas = slices.readings.sum(axis=(2, 3))[slices.filled]  # of the readers present
    areas = masks_areas[masks_areas > 0] * math.prod(slices.spacing_mm)
    dice, ged = _agreement(slices, name)
    nodules = None if (slices.nodules < 0).any() else len(set(slices.nodules.tolist()))
    return SplitSummary(
        slices=len(slices),
        patients=len(set(slices.subjects)),
        nodules=nodules,
        size=(slices.images.shape[1], slices.images.shape[2]),
        spacing_mm=slices.spacing_mm,
        readers=(int(per_slice.min()), int(per_slice.max())),
        missing_readers=_rounded(1 - slices.filled.mean()),
        empty_masks=_rounded((masks_areas == 0).mean()),
        area_mm2=(_rounded(np.median(areas)), _rounded(areas.min()), _rounded(areas.max())) if areas.size else None,
        pairwise_dice=dice,
        expert_ged=ged,
    )


def _rounded(value: float | np.floating) -> float:
    return round(float(value), 4)


def _agreement(slices: SliceCollection, name: str) -> tuple[float | None, float | None]:
    """Mean Dice of two experts, and GED of one against the others, over slices that at least two read."""
    figures = list[tuple[float, float]]()
    for masks, present in zip(
        tqdm(slices.readings, unit="slice", desc=f"agreement in {name}", disable=None), slices.filled, strict=True
    ):
        if present.sum() >= 2:
            figures.append(agreement(masks[present]))
    if not figures:
        return None, None
    dice, ged = np.mean(figures, axis=0)
    return _rounded(dice), _rounded(ged)


def agreement(masks: NDArray[np.bool_]) -> tuple[float, float]:
    """Mean Dice of all pairs of the experts (R >= 2, H, W), and mean GED of each against the others.

    With one sample the GED is twice its mean distance to the others, less their mean distance among themselves.
    """
    pairs = overlap(samples=masks, experts=masks)
    count, distance = len(masks), 1 - pairs.iou
    dice = float(pairs.dice[np.triu_indices(count, 1)].mean())
    total, own = distance.sum(), distance.sum(axis=1)
    ged = 2 * own / (count - 1) - (total - 2 * own) / (count - 1) ** 2  # a mask is at distance 0 from itself
    return dice, float(ged.mean())


def as_record(
    splits: Mapping[str, SplitSummary], sources: Sequence[str], notes: Sequence[str], seed: int
) -> dict[str, Any]:
    """What is stored in the file and beside it."""
    return {
        "sources": list(sources),
        "seed": seed,
        "splits": {name: asdict(summary) for name, summary in splits.items()},
        "notes": list(notes),
    }


def as_text(splits: Mapping[str, SplitSummary]) -> str:
    """The figures as a table of lines, one column per split."""
    rows = [("", *splits)]
    for label, show in _ROWS:
        rows.append((label, *(show(summary) for summary in splits.values())))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    )


def _range(pair: Sequence[float]) -> str:
    return f"{pair[0]:g}" if pair[0] == pair[1] else f"{pair[0]:g}–{pair[1]:g}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


_ROWS = (
    ("slices", lambda s: str(s.slices)),
    ("patients", lambda s: str(s.patients)),
    ("lesions", lambda s: "–" if s.nodules is None else str(s.nodules)),
    ("pixels", lambda s: f"{s.size[0]} × {s.size[1]}"),
    ("pixel size, mm", lambda s: _range(tuple(round(side, 4) for side in s.spacing_mm))),
    ("readers of a slice", lambda s: _range(s.readers)),
    ("reader slots unfilled", lambda s: f"{s.missing_readers:.1%}"),
    ("empty masks", lambda s: f"{s.empty_masks:.1%}"),
    ("area in mm², median", lambda s: "–" if s.area_mm2 is None else f"{s.area_mm2[0]:.4g}"),
    ("area in mm², range", lambda s: "–" if s.area_mm2 is None else f"{s.area_mm2[1]:.4g}–{s.area_mm2[2]:.4g}"),
    ("Dice of two experts", lambda s: _number(s.pairwise_dice)),
    ("GED of one and the others", lambda s: _number(s.expert_ged)),
)

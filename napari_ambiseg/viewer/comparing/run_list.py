"""The runs of a session as rows: what was asked, and what came of it at a threshold. No windows.

Figures are counted from common pixels of pairs, as everywhere (``readings.pairs``): once for each run, and again only
when the threshold empties other readings than before. A list of runs so follows the threshold at no cost to speak of.

Legend: S samples.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.diffusion.sampling import WITH_ETA
from napari_ambiseg.models.segmenter import SamplingOptions
from napari_ambiseg.readings.agreement import compare_pairs
from napari_ambiseg.readings.distribution import Distribution, distribution
from napari_ambiseg.readings.masks import pixel_counts
from napari_ambiseg.readings.relative_area import keeps
from napari_ambiseg.viewer.session.blinding import NOTHING_TO_COMPARE_WITH
from napari_ambiseg.viewer.session.result import Result

_HEADS = (
    "slice",
    "model",
    "steps",
    "sampler",
    "readings",
    "seed",
    "antithetic",
    "GED",
    "unbiased GED",
    "mean Dice",
    "empty",
    "seconds",
    "engine",
)


@dataclass(frozen=True, slots=True)
class Figures:
    """What came of a run.

    Attributes:
        kept: Which readings the threshold leaves (S,), bool.
        ged: Generalised energy distance as published; None without experts, as the next two.
        ged_unbiased: The same without the pairs of a mask with itself and antithetic pairs; NaN with fewer than two
            independent masks on a side.
        mean_dice: Mean Dice of all pairs of a reading and an expert.
        area: Areas in mm², of readings and experts.
    """

    kept: NDArray[np.bool_]
    ged: float | None
    ged_unbiased: float | None
    mean_dice: float | None
    area: Distribution

    @property
    def empty(self) -> int:
        """Readings that see nothing."""
        return self.area.empty_samples

    @property
    def without_experts(self) -> "Figures":
        """The same as if nobody but the model had read the slice."""
        area = replace(self.area, experts=np.zeros(0))
        return replace(self, ged=None, ged_unbiased=None, mean_dice=None, area=area)


class FiguresOf:
    """Figures of results at a threshold, kept as long as no other reading is emptied."""

    def __init__(self) -> None:
        self._counted: dict[int, tuple[Result, NDArray[np.int64]]] = {}  # by identity: arrays have no hash
        self._found: dict[int, tuple[bytes, Figures]] = {}

    def __call__(self, result: Result, threshold: float) -> Figures:
        """Those of a result."""
        key = id(result)
        if key not in self._counted:
            self._counted[key] = result, pixel_counts(result.sampled.readings)
        counts = self._counted[key][1]
        kept = keeps(counts, threshold) & (counts > 0)
        if key not in self._found or self._found[key][0] != kept.tobytes():
            self._found[key] = kept.tobytes(), _figures(result, counts, kept)
        return self._found[key][1]

    def forget_all_but(self, results: Sequence[Result]) -> None:
        """Keep nothing of other results: they are large."""
        left = {id(result) for result in results}
        self._counted = {key: value for key, value in self._counted.items() if key in left}
        self._found = {key: value for key, value in self._found.items() if key in left}


def _figures(result: Result, counts: NDArray[np.int64], kept: NDArray[np.bool_]) -> Figures:
    height, width = result.request.plane.spacing_mm
    pairs, pixel_mm2 = result.pairs, height * width
    compared = None if pairs is None else compare_pairs(pairs.emptied(kept))
    experts = np.zeros(0) if compared is None else compared.expert_areas * pixel_mm2
    return Figures(
        kept=kept,
        ged=None if compared is None else compared.ged,
        ged_unbiased=None if compared is None else compared.ged_unbiased,
        mean_dice=None if compared is None else compared.mean_dice,
        area=distribution("area", "mm²", np.where(kept, counts * pixel_mm2, 0.0), experts),
    )


def slice_name(result: Result) -> str:
    """The slice as users count it: the name of its image, and in a volume its number as napari's slider has it."""
    request = result.request
    index = request.where.index
    return request.image_name + (f", slice {' '.join(map(str, index))}" if index else "")


def sampler_name(options: SamplingOptions) -> str:
    """The sampler with all that was set otherwise than usual."""
    parts = [options.sampler]
    if options.sampler in WITH_ETA and options.eta:
        parts.append(f"eta {options.eta:g}")
    if options.guidance:
        parts.append(f"guidance {options.guidance:g}")
    if options.last_time is not None:
        parts.append(f"until t = {options.last_time:g}")
    if options.smallest_px is not None:
        parts.append(f"from {options.smallest_px} pixels")
    return ", ".join(parts)


def way_name(result: Result) -> str:
    """Steps and sampler, and independence where it is, as pairs are usual: what tells the runs of a model apart."""
    options = result.sampled.options
    way = "one step" if result.sampled.in_one_step else f"{steps_text(options.steps)}, {sampler_name(options)}"
    return way if result.request.settings.antithetic else f"{way}, independent"


def steps_text(steps: int) -> str:
    """So many steps."""
    return f"{steps} step{'' if steps == 1 else 's'}"


def cells(result: Result, figures: Figures) -> tuple[str, ...]:
    """GED, mean Dice, empty readings, seconds, seed and engine, as short as a narrow table wants them."""
    return (
        number(figures.ged),
        number(figures.mean_dice),
        f"{figures.empty} of {len(figures.kept)}",
        f"{result.sampled.seconds:.1f}",
        str(result.request.settings.seed),
        result.sampled.engine,
    )


def number(value: float | None) -> str:
    """Two digits, or a dash where there is nothing to compare with."""
    return "–" if value is None or np.isnan(value) else f"{value:.2f}"


def row_told(result: Result, figures: Figures, *, not_compared: str = NOTHING_TO_COMPARE_WITH) -> str:
    """All that is known of a run, for a tooltip."""
    sampled, count = result.sampled, len(figures.kept)
    pairs = "in pairs, " if result.request.settings.antithetic else ""
    lines = [
        slice_name(result),
        f"{sampled.model_name}: {way_name(result)}",
        f"{count} reading{'' if count == 1 else 's'}, {pairs}seed {result.request.settings.seed}",
        f"{sampled.seconds:.1f} s with {sampled.engine} on {sampled.device}",
    ]
    if figures.ged is not None and figures.ged_unbiased is not None and figures.mean_dice is not None:
        unbiased = "–" if np.isnan(figures.ged_unbiased) else f"{figures.ged_unbiased:.3f}"
        lines.append(f"GED {figures.ged:.3f} (unbiased {unbiased}), mean Dice {figures.mean_dice:.3f}")
    else:
        lines.append(not_compared[:1].upper() + not_compared[1:])
    lines.append(f"{figures.empty} of {count} readings see nothing")
    return "\n".join([*lines, *sampled.notes])


def as_text(results: Sequence[Result], figures: Sequence[Figures], threshold: float) -> str:
    """All runs as lines with tabs between the cells, for a spreadsheet; figures with all their digits."""
    lines = ["\t".join((*_HEADS, "threshold"))]
    for result, found in zip(results, figures, strict=True):
        sampled = result.sampled
        values = (
            slice_name(result),
            sampled.model_name,
            sampled.options.steps,
            sampler_name(sampled.options),
            len(sampled.seeds),
            result.request.settings.seed,
            result.request.settings.antithetic,
            *(_plain(value) for value in (found.ged, found.ged_unbiased, found.mean_dice)),
            found.empty,
            f"{sampled.seconds:.3f}",
            sampled.engine,
            f"{threshold:g}",
        )
        lines.append("\t".join(str(value).replace("\t", " ") for value in values))
    return "\n".join(lines)


def _plain(value: float | None) -> str:
    return "" if value is None or np.isnan(value) else f"{value:.6f}"

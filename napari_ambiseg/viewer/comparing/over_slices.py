"""Areas of a lesion slice by slice: what readings of each slice say, and the experts. No windows.

Every slice is read by itself: reading 3 of one slice and reading 3 of the next share a seed and nothing else. No volume
is made of them, because there is no set of readings of the whole lesion that it could be of.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from napari_ambiseg.readings.distribution import Distribution
from napari_ambiseg.viewer.comparing.run_list import Figures
from napari_ambiseg.viewer.gallery.items import area_text
from napari_ambiseg.viewer.session.result import Result
from napari_ambiseg.viewer.tabs.sizes_text import number_text

HEADS = ("Slice", "Readings, mm²", "Nothing", "Experts, mm²")
TOLD = (
    "Number of the slice in its volume, as on the slider below the image",
    "Median of the readings that mark something, and from 5 to 95 % of them",
    "How many of the readings see nothing on this slice",
    "Area of each expert's mask, in the order of the table's columns; – where an expert marked nothing",
)


def of_one_lesion(results: Sequence[Result], shown: Result | None) -> tuple[Result, ...]:
    """The newest run of each slice of the volume that ``shown`` is of, by the same model in the same way, in order.

    Args:
        results: All runs, the newest last.
        shown: The run that is shown; without one, or in a flat image, there are none.
    """
    if shown is None or not shown.request.where.index:
        return ()
    newest = {one.request.where.index: one for one in results if _way(one) == _way(shown)}
    newest[shown.request.where.index] = shown
    return tuple(newest[index] for index in sorted(newest))


def cells(result: Result, figures: Figures) -> tuple[str, str, str, str]:
    """A row of the table."""
    area = figures.area
    experts = " · ".join(number_text(value) if value else "–" for value in area.experts.tolist())
    return (
        str(result.request.where.index[-1]),
        spread(area),
        f"{area.empty_samples} of {len(area.samples)}",
        experts or "none",
    )


def spread(area: Distribution) -> str:
    """Median and band, or that there is none."""
    if np.isnan(area.median):
        return "nothing"
    return f"{number_text(area.median)} ({number_text(area.low)}–{number_text(area.high)})"


def row_told(result: Result, figures: Figures) -> str:
    """A row in words."""
    area, names = figures.area, result.request.experts.names
    drawn = len(area.samples) - area.empty_samples
    lines = [f"Slice {result.request.where.index[-1]}: {drawn} of {len(area.samples)} readings mark something"]
    lines += [f"E{i + 1} ({name}): {area_text(area.experts[i])}" for i, name in enumerate(names)]
    return "\n".join([*lines, "Click to go there"])


def as_text(results: Sequence[Result], figures: Sequence[Figures], threshold: float) -> str:
    """The table as lines with tabs between the cells."""
    count = max((len(found.area.experts) for found in figures), default=0)
    heads = (
        "slice",
        "readings",
        "empty",
        "median mm2",
        "5 % mm2",
        "95 % mm2",
        *(f"E{i + 1} mm2" for i in range(count)),
    )
    lines = ["\t".join((*heads, "threshold"))]
    for result, found in zip(results, figures, strict=True):
        area = found.area
        spread = ("" if np.isnan(value) else f"{value:.2f}" for value in (area.median, area.low, area.high))
        experts = [f"{value:.2f}" for value in area.experts.tolist()] + [""] * (count - len(area.experts))
        values = (result.request.where.index[-1], len(area.samples), area.empty_samples, *spread, *experts, threshold)
        lines.append("\t".join(map(str, values)))
    return "\n".join(lines)


def _way(result: Result) -> tuple[object, ...]:
    """What runs of one table have in common: the volume, and how it was read."""
    where, settings = result.request.where, result.request.settings
    volume = replace(where, index=where.index[:-1]), len(where.index)
    return *volume, settings.model, settings.options, settings.antithetic

"""A page of samples beside experts for every model (the paper's Figs. 4 and 5).

Rows are slices, evenly chosen from those that were judged; columns are the slice, the experts' outlines, the first
readings, and the share of all readings that mark each pixel. Everything but the slice is shown inside a square around
what anybody marked, drawn on the slice. Readings are drawn again from the seeds of the rows: they are the ones judged.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg import engine
from napari_ambiseg.models.segmenter import STEPPED
from napari_ambiseg.readings.consensus import probability
from trainer.evaluation.data import Task
from trainer.evaluation.figure import COLOURS, new_figure, save_figure
from trainer.evaluation.protocol import evenly_spaced
from trainer.evaluation.reading import draw
from trainer.evaluation.report import number
from trainer.evaluation.session import Evaluated, Outcome

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_READING = "#F0E442"  # yellow, which stands out on grey and is no expert's

SHOWN = 8
"""Readings that a row has room for."""

_SIDE = 1.15  # inches of a panel
_MARGIN = 6  # pixels around what is marked
_SMALLEST = 32  # pixels of the square at least


@dataclass(frozen=True, slots=True)
class Line:
    """One slice on the page.

    Attributes:
        task: The slice and its experts.
        readings: Masks (S, H, W).
        caption: Subject and figures.
    """

    task: Task
    readings: NDArray[np.bool_]
    caption: str


def draw_pages(outcome: Outcome, folder: Path, slices: int) -> list[Path]:
    """Draw a page for every model, of the same slices.

    Args:
        outcome: What was found.
        folder: Where to write.
        slices: Number of rows, or as many as there are.

    Returns:
        The files written.

    Raises:
        AmbisegError: If a slice cannot be read or a file not be written.
    """
    chosen = evenly_spaced(len(outcome.data), slices, seed=outcome.request.seed)
    written: list[Path] = []
    for one in outcome.models:
        lines = _lines(outcome, one, chosen)
        written += save_figure(_page(lines, one), folder, f"samples-{one.candidate.slug}")
    return written


def _lines(outcome: Outcome, one: Evaluated, chosen: Sequence[int]) -> list[Line]:
    model = engine.load_model(one.candidate.weights)
    lines: list[Line] = []
    for position in chosen:
        task, row = outcome.data.task(position, one.protocol), one.rows[position]
        readings = draw(model, task, one.protocol, device=outcome.request.device).readings
        n = one.protocol.readings[-1]
        ged = number(row.judged.figures[f"ged_{n}"])
        caption = f"{task.slice.subject}   {task.id}   GED_{n} {ged}"
        lines.append(Line(task, readings, caption))
    return lines


def _page(lines: Sequence[Line], one: Evaluated) -> "Figure":
    shown = min(SHOWN, one.protocol.readings[-1])
    columns = shown + 3
    figure = new_figure(_SIDE * columns, (_SIDE + 0.24) * len(lines) + 0.7, gap=0.01)
    panels = figure.subplots(len(lines), columns, squeeze=False)
    for row, line in zip(panels, lines, strict=True):
        _draw_line(row, line, shown)
        row[0].set_title(line.caption, fontsize=7, loc="left", pad=3)
    for panel, text in zip(panels[-1], ["slice", "experts", *range(1, shown + 1), "share of all"], strict=True):
        panel.set_xlabel(text, fontsize=7, labelpad=2)
    how = one.protocol.area
    if one.candidate.kind in STEPPED:
        how = f"{one.protocol.steps} steps of {one.protocol.sampler}, {how}"
    of = f"the first {shown} {one.protocol.drawing} readings"
    figure.suptitle(f"{one.candidate.label}: {of} beside the experts ({how})", fontsize=9)
    return figure


def _draw_line(row: Sequence["Axes"], line: Line, shown: int) -> None:
    image, experts = line.task.slice.image[0], line.task.slice.readings
    window = square_around(np.concatenate([experts, line.readings]))
    for panel in row:
        panel.set_xticks([])
        panel.set_yticks([])
        panel.imshow(image, cmap="gray", interpolation="nearest", vmin=float(image.min()), vmax=float(image.max()))
    for panel in row[1:]:
        panel.set_xlim(window[1] - 0.5, window[1] + window[2] - 0.5)
        panel.set_ylim(window[0] + window[2] - 0.5, window[0] - 0.5)
    _draw_window(row[0], window)
    for slot, mask in zip(line.task.slots, experts, strict=True):
        _outline(row[1], mask, COLOURS[slot % len(COLOURS)])
    _say_empty(row[1], f"{np.count_nonzero(~experts.any(axis=(1, 2)))} of {len(experts)} empty", experts)
    for panel, mask in zip(row[2 : 2 + shown], line.readings, strict=False):
        _outline(panel, mask, _READING)
        _say_empty(panel, "empty", mask[None])
    row[-1].imshow(probability(line.readings), cmap="magma", vmin=0, vmax=1, interpolation="nearest")


def square_around(masks: NDArray[np.bool_]) -> tuple[int, int, int]:
    """First row, first column and side of a square inside the picture that holds all that is marked, with a margin."""
    height, width = masks.shape[1:]
    rows, columns = (np.flatnonzero(masks.any(axis=axes)) for axes in ((0, 2), (0, 1)))
    if rows.size == 0:
        rows, columns = np.array([height // 2]), np.array([width // 2])
    spans = [(int(ends[0]), int(ends[-1])) for ends in (rows, columns)]
    side = min(max(_SMALLEST, *(last - first + 1 + 2 * _MARGIN for first, last in spans)), height, width)
    top, left = (
        min(max((first + last + 1 - side) // 2, 0), size - side)
        for (first, last), size in zip(spans, (height, width), strict=True)
    )
    return top, left, side


def _draw_window(panel: "Axes", window: tuple[int, int, int]) -> None:
    from matplotlib.patches import Rectangle

    top, left, side = window
    panel.add_patch(Rectangle((left - 0.5, top - 0.5), side, side, fill=False, edgecolor=COLOURS[4], linewidth=0.8))


def _outline(panel: "Axes", mask: NDArray[np.bool_], colour: str) -> None:
    """The border between a mask's pixels and the others; padded, so that it closes at the picture's edge too."""
    if mask.any():
        padded = np.pad(mask.astype(np.float32), 1)
        at = [np.arange(-1, n + 1) for n in mask.shape]
        panel.contour(at[1], at[0], padded, levels=[0.5], colors=[colour], linewidths=1.0)


def _say_empty(panel: "Axes", text: str, masks: NDArray[np.bool_]) -> None:
    """Say that there are empty masks, which have no outline."""
    if not masks.any(axis=(1, 2)).all():
        panel.text(
            0.04, 0.04, text, transform=panel.transAxes, fontsize=6, color="white", va="bottom", ha="left",
            bbox={"facecolor": "black", "alpha": 0.5, "pad": 1, "linewidth": 0},
        )  # fmt: skip

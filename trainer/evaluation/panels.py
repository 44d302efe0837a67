"""Curves with intervals, a panel for every figure and number of readings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from trainer.evaluation.bootstrap import Interval
from trainer.evaluation.figure import new_figure, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FIGURES = {"ged": "GED", "dice": "Dice"}
_STYLES = ("-", "--", ":", "-.")
MARKERS = ("o", "s", "^", "D")


@dataclass(frozen=True, slots=True)
class Curve:
    """One line of a panel.

    Attributes:
        label: In the legend.
        at: Where it has points.
        values: What it shows there.
        colour: Of line and band.
        style: Of the line, and of its points.
    """

    label: str
    at: Sequence[float]
    values: Sequence[Interval]
    colour: str
    style: int


@dataclass(frozen=True, slots=True)
class Axis:
    """What the curves run along.

    Attributes:
        label: What it is called.
        ticks: Where it has labels; None leaves that to the plot.
        scale: How it is divided.
    """

    label: str
    ticks: Sequence[float] | None = None
    scale: Literal["linear", "log"] = "linear"


def draw_panels(
    counts: Sequence[int], curves: Callable[[str], list[Curve]], axis: Axis, folder: Path, name: str
) -> list[Path]:
    """Draw GED and Dice of every number of readings.

    Args:
        counts: The numbers of readings.
        curves: Name of a figure, e.g. "ged_16" -> its curves.
        axis: What they run along.
        folder: Where the files go.
        name: What they are called.

    Returns:
        The files written, PNG and SVG.

    Raises:
        DataFileError: If one cannot be written.
    """
    figure = new_figure(4.2 * len(counts), 6.4)
    panels = figure.subplots(len(_FIGURES), len(counts), squeeze=False, sharex=True)
    for row, (key, title) in zip(panels, _FIGURES.items(), strict=True):
        for panel, n in zip(row, counts, strict=True):
            for curve in curves(f"{key}_{n}"):
                _plot(panel, curve)
            panel.set_title(f"{title}, {n} readings ({'lower' if key == 'ged' else 'higher'} is better)", fontsize=9)
            panel.set_ylabel(f"{title}$_{{{n}}}$")
            panel.grid(alpha=0.25)
            _divide(panel, axis)
    for panel in panels[-1]:
        panel.set_xlabel(axis.label)
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3, fontsize=8)
    return save_figure(figure, folder, name)


def _plot(panel: "Axes", curve: Curve) -> None:
    style = curve.style % len(_STYLES)
    means = [one.mean for one in curve.values]
    panel.plot(
        curve.at,
        means,
        linestyle=_STYLES[style],
        marker=MARKERS[style] if len(curve.at) < 15 else None,
        markersize=4,
        color=curve.colour,
        label=curve.label,
    )
    low, high = [one.low for one in curve.values], [one.high for one in curve.values]
    panel.fill_between(curve.at, low, high, color=curve.colour, alpha=0.12, linewidth=0)


def _divide(panel: "Axes", axis: Axis) -> None:
    panel.set_xscale(axis.scale)
    if axis.ticks is not None:
        panel.set_xticks(axis.ticks, [f"{tick:g}" for tick in axis.ticks])
        panel.minorticks_off()

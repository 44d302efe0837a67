"""Curves: GED and Dice against the number of steps (the paper's Fig. 6) and the relative area r (Fig. 9); presence."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.evaluation.bootstrap import Interval
from trainer.evaluation.figure import COLOURS, new_figure, save_figure
from trainer.evaluation.metrics import THRESHOLDS
from trainer.evaluation.presence import presence
from trainer.evaluation.session import STEPPED, Evaluated, Outcome, judged_of
from trainer.evaluation.summary import by_relative_area

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_Curves = Callable[[Outcome, str], list["Curve"]]
"""Outcome, name of a figure -> its curves."""

_FIGURES = {"ged": "GED", "dice": "Dice"}
_STYLES = ("-", "--", ":", "-.")
_MARKERS = ("o", "s", "^", "D")


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


def draw_curves(outcome: Outcome, folder: Path) -> list[Path]:
    """Draw what the outcome holds: always against r and of presence, against steps if there was a sweep.

    Returns:
        The files written.

    Raises:
        DataFileError: If one cannot be written.
    """
    written = _draw(outcome, folder, "relative-area", "relative area r", _against_r)
    if outcome.sweep:
        written += _draw(outcome, folder, "steps", "steps", _against_steps)
    return written + _draw_presence(outcome, folder)


def _draw_presence(outcome: Outcome, folder: Path) -> list[Path]:
    """How often readings are empty against how often experts' masks are; on the diagonal both are alike."""
    figure = new_figure(4.6, 4.6)
    panel, most = figure.subplots(), max(outcome.models[0].protocol.readings)
    panel.plot([0, 1], [0, 1], color="0.7", linewidth=0.8, zorder=0)
    for i, one in enumerate(outcome.models):
        groups = presence(judged_of(one), outcome.slices, most)
        shares, means = [group.experts for group in groups], [group.readings.mean for group in groups]
        panel.errorbar(
            shares,
            means,
            yerr=[
                [max(0.0, mean - group.readings.low) for mean, group in zip(means, groups, strict=True)],
                [max(0.0, group.readings.high - mean) for mean, group in zip(means, groups, strict=True)],
            ],
            color=COLOURS[i % len(COLOURS)],
            marker=_MARKERS[i % len(_MARKERS)],
            markersize=4,
            capsize=3,
            label=one.candidate.label,
        )
    panel.set(xlabel="experts who drew nothing", ylabel=f"empty ones of {most} readings")
    panel.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    panel.grid(alpha=0.25)
    panel.legend(fontsize=8)
    return save_figure(figure, folder, "presence")


def _draw(outcome: Outcome, folder: Path, name: str, axis: str, curves: _Curves) -> list[Path]:
    """A panel for every figure and number of readings."""
    counts = outcome.models[0].protocol.readings
    figure = new_figure(4.2 * len(counts), 6.4)
    panels = figure.subplots(len(_FIGURES), len(counts), squeeze=False, sharex=True)
    for row, (key, title) in zip(panels, _FIGURES.items(), strict=True):
        for panel, n in zip(row, counts, strict=True):
            for curve in curves(outcome, f"{key}_{n}"):
                _plot(panel, curve)
            panel.set_title(f"{title}, {n} readings ({'lower' if key == 'ged' else 'higher'} is better)", fontsize=9)
            panel.set_ylabel(f"{title}$_{{{n}}}$")
            panel.grid(alpha=0.25)
            if name == "steps":
                _step_ticks(panel, sorted({one.protocol.steps for one in outcome.sweep}))
    for panel in panels[-1]:
        panel.set_xlabel(axis)
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3, fontsize=8)
    return save_figure(figure, folder, name)


def _plot(panel: "Axes", curve: Curve) -> None:
    style = curve.style % len(_STYLES)
    means = [one.mean for one in curve.values]
    panel.plot(
        curve.at,
        means,
        linestyle=_STYLES[style],
        marker=_MARKERS[style] if len(curve.at) < 15 else None,
        markersize=4,
        color=curve.colour,
        label=curve.label,
    )
    low, high = [one.low for one in curve.values], [one.high for one in curve.values]
    panel.fill_between(curve.at, low, high, color=curve.colour, alpha=0.12, linewidth=0)


def _step_ticks(panel: "Axes", steps: Sequence[int]) -> None:
    panel.set_xscale("log")
    panel.set_xticks(steps, [str(s) for s in steps])
    panel.minorticks_off()


def _against_r(outcome: Outcome, name: str) -> list[Curve]:
    return [
        Curve(
            one.candidate.label,
            THRESHOLDS,
            by_relative_area(judged_of(one), outcome.slices, name),
            COLOURS[i % len(COLOURS)],
            i,
        )
        for i, one in enumerate(outcome.models)
    ]


def _against_steps(outcome: Outcome, name: str) -> list[Curve]:
    """A line for every model and sampler; what does not depend on steps is level."""
    samplers = list(dict.fromkeys(one.protocol.sampler for one in outcome.sweep))
    steps = sorted({one.protocol.steps for one in outcome.sweep})
    curves: list[Curve] = []
    for i, model in enumerate(outcome.models):
        colour = COLOURS[i % len(COLOURS)]
        if model.candidate.kind not in STEPPED:
            curves.append(Curve(model.candidate.label, steps, [model.summary[name]] * len(steps), colour, 3))
            continue
        for k, sampler in enumerate(samplers):
            swept = _swept(outcome, model, sampler)
            at = [one.protocol.steps for one in swept]
            shade = COLOURS[k] if len(outcome.models) == 1 else colour
            label = f"{model.candidate.label}, {sampler.upper()}"
            curves.append(Curve(label, at, [one.summary[name] for one in swept], shade, k))
    return curves


def _swept(outcome: Outcome, model: Evaluated, sampler: str) -> list[Evaluated]:
    return [one for one in outcome.sweep if one.candidate == model.candidate and one.protocol.sampler == sampler]

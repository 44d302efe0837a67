"""Curves: GED and Dice against the number of steps (the paper's Fig. 6) and the relative area r (Fig. 9); presence."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari_ambiseg.models.segmenter import STEPPED
from trainer.evaluation.bootstrap import Interval
from trainer.evaluation.figure import COLOURS, new_figure, save_figure
from trainer.evaluation.metrics import THRESHOLDS
from trainer.evaluation.panels import MARKERS, Axis, Curve, draw_panels
from trainer.evaluation.presence import presence, presence_reliability
from trainer.evaluation.session import Evaluated, Outcome, judged_of
from trainer.evaluation.summary import by_relative_area

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_curves(outcome: Outcome, folder: Path) -> list[Path]:
    """Draw what the outcome holds: always against r and of presence, against steps if there was a sweep.

    Returns:
        The files written.

    Raises:
        DataFileError: If one cannot be written.
    """
    counts = outcome.models[0].protocol.readings
    written = draw_panels(counts, partial(_against_r, outcome), Axis("relative area r"), folder, "relative-area")
    if outcome.sweep:
        steps = Axis("steps", sorted({one.protocol.steps for one in outcome.sweep}), "log")
        written += draw_panels(counts, partial(_against_steps, outcome), steps, folder, "steps")
    return written + _draw_presence(outcome, folder)


def _draw_presence(outcome: Outcome, folder: Path) -> list[Path]:
    """Shares of empty readings and of experts who drew nothing, each given the other; on the diagonal they agree."""
    figure = new_figure(9.2, 4.6)
    given_experts, given_readings = figure.subplots(1, 2)
    most = max(outcome.models[0].protocol.readings)
    for i, one in enumerate(outcome.models):
        groups = presence(judged_of(one), outcome.slices, most)
        _draw_shares(given_experts, [g.experts for g in groups], [g.readings for g in groups], i, one.candidate.label)
        bins = presence_reliability(judged_of(one), outcome.slices, most)
        _draw_shares(given_readings, [b.readings for b in bins], [b.experts for b in bins], i, one.candidate.label)
    experts, readings = "experts who drew nothing", f"empty ones of {most} readings"
    given_experts.set(xlabel=experts, ylabel=readings)
    given_readings.set(xlabel=readings, ylabel=experts)
    for panel in (given_experts, given_readings):
        panel.plot([0, 1], [0, 1], color="0.7", linewidth=0.8, zorder=0)
        panel.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
        panel.grid(alpha=0.25)
        panel.legend(fontsize=8)
    return save_figure(figure, folder, "presence")


def _draw_shares(panel: "Axes", given: Sequence[float], shares: Sequence[Interval], number: int, label: str) -> None:
    """One model's line, with intervals."""
    means = [share.mean for share in shares]
    panel.errorbar(
        given,
        means,
        yerr=[
            [max(0.0, share.mean - share.low) for share in shares],
            [max(0.0, share.high - share.mean) for share in shares],
        ],
        color=COLOURS[number % len(COLOURS)],
        marker=MARKERS[number % len(MARKERS)],
        markersize=4,
        capsize=3,
        label=label,
    )


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

"""Curves: GED and Dice against the number of steps (the paper's Fig. 6) and the relative area r (Fig. 9); presence."""

from functools import partial
from pathlib import Path

from napari_ambiseg.models.segmenter import STEPPED
from trainer.evaluation.figure import COLOURS, new_figure, save_figure
from trainer.evaluation.metrics import THRESHOLDS
from trainer.evaluation.panels import MARKERS, Axis, Curve, draw_panels
from trainer.evaluation.presence import presence
from trainer.evaluation.session import Evaluated, Outcome, judged_of
from trainer.evaluation.summary import by_relative_area


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
            marker=MARKERS[i % len(MARKERS)],
            markersize=4,
            capsize=3,
            label=one.candidate.label,
        )
    panel.set(xlabel="experts who drew nothing", ylabel=f"empty ones of {most} readings")
    panel.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    panel.grid(alpha=0.25)
    panel.legend(fontsize=8)
    return save_figure(figure, folder, "presence")


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

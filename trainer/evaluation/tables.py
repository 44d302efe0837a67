"""Figures as files: CSV for spreadsheets, Markdown for reports.

``#`` lines do not stand in the CSV, so that every program reads it as it is; the notice that figures are for research
stands in its last column.
"""

import csv
import io
import math
import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from napari_ambiseg.io.export import NOTICE
from trainer.evaluation.bootstrap import Difference, Interval
from trainer.evaluation.metrics import metric_names, pooled_names
from trainer.evaluation.presence import presence, presence_reliability
from trainer.evaluation.report import difference, interval, number, seconds_per_slice
from trainer.evaluation.session import Evaluated, Outcome, Request, judged_of


def as_csv(outcome: Outcome) -> str:
    """A line for every reader and figure: mean, interval, and the difference to the first model where there is one."""
    lines: list[list[object]] = []
    for role, models in (("model", outcome.models), ("sweep", outcome.sweep)):
        for one in models:
            about = (role, one.candidate.label, one.protocol.sampler, one.protocol.steps, one.protocol.drawing)
            differences = outcome.differences.get(one.candidate.label, {}) if role == "model" else {}
            lines += [[*about, *line] for line in _figure_lines(one.summary, differences)]
            lines.append([*about, "seconds_per_slice", seconds_per_slice(one)])
    for reader, summary in outcome.references.items():
        lines += [["reference", reader, "", "", "", *line] for line in _figure_lines(summary, {})]
    head = ["role", "reader", "sampler", "steps", "readings", "figure", "value", "low", "high"]
    return _csv([*head, "difference", "difference_low", "difference_high", "p"], lines)


def per_slice_csv(outcome: Outcome, wanted: Sequence[str] | None = None) -> str:
    """A line for every model and slice.

    Args:
        outcome: What was found.
        wanted: Names of figures; None takes all that a single slice has.
    """
    protocol = outcome.models[0].protocol
    pooled = pooled_names(protocol.readings)
    everything = [n for n in metric_names(protocol.readings, readers=protocol.readers) if n not in pooled]
    names = everything if wanted is None else wanted
    lines = [
        [one.candidate.label, row.id, row.patient, row.seed]
        + [one.protocol.area, one.protocol.sampler, one.protocol.steps, one.protocol.drawing]
        + [one.protocol.smallest_px, row.seconds]
        + [_blank(row.judged.figures.get(name, math.nan)) for name in names]
        for one in outcome.models
        for row in one.rows
    ]
    head = ["model", "slice", "patient", "seed", "area", "sampler", "steps", "readings", "smallest_px", "seconds"]
    return _csv([*head, *names], lines)


def as_markdown(outcome: Outcome, drawn: Sequence[Path], *, beside: Path) -> str:
    """A report: what was done, how, and what came out.

    Args:
        outcome: What was found.
        drawn: Pictures to show.
        beside: Where the report will lie; pictures are linked from there.
    """
    first, protocol = outcome.models[0], outcome.models[0].protocol
    short = metric_names(protocol.readings, readers=protocol.readers, headlines=True)
    models = {one.candidate.label: one.summary for one in outcome.models}
    parts = [
        "# Evaluation",
        f"**{NOTICE}.** {len(first.rows)} slices of {len(set(outcome.slices.patients))} patients; in brackets 95 % "
        "intervals from resampling patients. GED, ECE: lower is better; Dice, IoU, HM-IoU, collective insight: higher. "
        f"The number is that of the readings; `_pp` empties readings below {protocol.threshold:g} of the largest area.",
        grid(["figure", *models], ([n, *(interval(s[n]) for s in models.values())] for n in short)),
    ]
    if outcome.differences:
        parts += [
            f"## Less {first.candidate.label}",
            "Differences on the same slices and seeds, with their intervals and two-sided p from the same resamples "
            "(not corrected for the number of figures).",
            grid(
                ["figure", *outcome.differences],
                ([n, *(difference(d[n]) for d in outcome.differences.values())] for n in short),
            ),
        ]
    if outcome.references:
        columns = {**models, **outcome.references}
        rows = ([n, *(number(s[n].mean) for s in columns.values())] for n in short)
        parts += ["## Beside simple readers", grid(["figure", *columns], rows)]
    if outcome.sweep:
        parts += ["## Samplers and steps", _sweep(outcome)]
    parts += [
        "## Presence",
        "How often readings are empty, by the share of experts who drew nothing.",
        _presence(outcome),
        "How often experts drew nothing, by the share of readings that are empty.",
        _presence_reliability(outcome),
    ]
    parts += [f"![{path.stem}]({_link(path, beside)})" for path in drawn if path.suffix == ".png"]
    parts += ["## All figures", grid(["figure", *models], _all_lines(outcome))]
    parts += ["## Protocol", _protocol(outcome), "    " + command(outcome.request)]
    return "\n\n".join(parts) + "\n"


def command(request: Request) -> str:
    """The command line that asks for the same figures."""
    return shlex.join(["python", "-m", "trainer", *command_words(request)])


def command_words(request: Request) -> list[str]:
    """What ``python -m trainer`` takes to find the same figures."""
    options = request.options
    words: list[object] = ["evaluate", *request.weights, "--data", *request.data]
    words += ["--split", request.split, "--readings", *request.readings, "--steps", options.steps]
    words += ["--sampler", options.sampler, "--threshold", request.threshold, "--seed", request.seed]
    optional = {
        "--eta": options.eta or None,
        "--guidance": options.guidance or None,
        "--last-time": options.last_time,
        "--smallest-px": options.smallest_px,
        "--crop": request.crop,
        "--crop-px": request.crop_px,
        "--limit": request.limit,
    }
    words += [word for name, value in optional.items() if value is not None for word in (name, value)]
    words += ["--antithetic"] if request.antithetic else []
    words += ["--held-out"] if request.held_out else []
    words += ["--references"] if request.references else []
    if request.sweep_steps:
        words += ["--sweep-steps", *request.sweep_steps, "--sweep-samplers", *request.sweep_samplers]
    return [*map(str, words)]


def _figure_lines(summary: Mapping[str, Interval], differences: Mapping[str, Difference]) -> Iterable[list[object]]:
    for name, one in summary.items():
        line: list[object] = [name, *map(_blank, (one.mean, one.low, one.high))]
        if name in differences:
            d = differences[name]
            line += map(_blank, (d.interval.mean, d.interval.low, d.interval.high, d.p))
        yield line


def _all_lines(outcome: Outcome) -> Iterable[list[str]]:
    for name in outcome.slices.names:
        yield [name, *(interval(one.summary[name]) for one in outcome.models)]
    yield ["seconds per slice", *(f"{seconds_per_slice(one):.3f}" for one in outcome.models)]


def _presence(outcome: Outcome) -> str:
    most = max(outcome.models[0].protocol.readings)
    found = [presence(judged_of(one), outcome.slices, most) for one in outcome.models]
    lines = [
        [f"{groups[0].experts:.2f}", str(groups[0].slices), *(interval(one.readings) for one in groups)]
        for groups in zip(*found, strict=True)
    ]
    return grid(["experts", "slices", *(one.candidate.label for one in outcome.models)], lines)


def _presence_reliability(outcome: Outcome) -> str:
    most = max(outcome.models[0].protocol.readings)
    lines = [
        [one.candidate.label, f"{group.readings:.2f}", str(group.slices), interval(group.experts)]
        for one in outcome.models
        for group in presence_reliability(judged_of(one), outcome.slices, most)
    ]
    return grid(["model", "readings", "slices", "experts"], lines)


def _sweep(outcome: Outcome) -> str:
    names = [f"{figure}_{n}" for n in outcome.models[0].protocol.readings for figure in ("ged", "dice")]

    def line(one: Evaluated) -> list[str]:
        how = [one.candidate.label, one.protocol.sampler, str(one.protocol.steps)]
        return [*how, *(interval(one.summary[name]) for name in names), f"{seconds_per_slice(one):.3f}"]

    return grid(["model", "sampler", "steps", *names, "seconds per slice"], map(line, outcome.sweep))


def _protocol(outcome: Outcome) -> str:
    protocol = outcome.models[0].protocol
    lines = [
        f"- {part.name}, split {part.split}: {part.slices} slices, {part.readers} expert slots, SHA-256 {part.sha256}"
        for part in protocol.data
    ]
    lines += [
        f"- {one.candidate.label}: {one.candidate.kind}, SHA-256 {one.candidate.sha256}{one.protocol.specks}"
        for one in outcome.models
    ]
    taken = "all slices" if protocol.limit is None else f"{protocol.limit} slices, evenly spaced"
    taken += " of the patients that training held out" if protocol.holdout else ""
    lines += [
        f"- {taken}; {protocol.area}; {protocol.steps} steps of {protocol.sampler}, the last estimate "
        f"at t = {protocol.last_estimate:g}, eta {protocol.eta:g}, guidance "
        f"{protocol.guidance:g}; {protocol.drawing} readings; seed {protocol.seed}; napari-ambiseg {protocol.version}"
    ]
    return "\n".join(lines)


def grid(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)


def _link(path: Path, beside: Path) -> str:
    return Path(os.path.relpath(path.absolute(), beside.absolute().parent)).as_posix().replace(" ", "%20")


def _csv(head: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*head, "notice"])
    writer.writerows([*line, *[""] * (len(head) - len(line)), NOTICE] for line in lines)
    return text.getvalue()


def _blank(value: float) -> float | str:
    return "" if math.isnan(value) else value

"""What an evaluation says: a JSON object for programs, a short table for people at a terminal.

Everything but the times is a function of the protocol: an evaluation that was stopped and resumed says the same.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from trainer.evaluation.bootstrap import Difference, Interval
from trainer.evaluation.metrics import THRESHOLDS, Judged, metric_names
from trainer.evaluation.presence import Presence, Reliability, presence, presence_reliability
from trainer.evaluation.session import Evaluated, Outcome, judged_of
from trainer.evaluation.summary import Slices, Summary, by_relative_area


def as_json(outcome: Outcome) -> dict[str, Any]:
    """The whole evaluation. One model's figures stand at the top, several under "models" with "differences" beside."""
    described = [_described(outcome, one) for one in outcome.models]
    result: dict[str, Any] = described[0] if len(described) == 1 else {"models": described}
    if outcome.differences:
        result["differences"] = {
            "to": outcome.models[0].candidate.label,
            **{label: _plain(differences) for label, differences in outcome.differences.items()},
        }
    if outcome.references:
        result["references"] = {reader: _plain(summary) for reader, summary in outcome.references.items()}
    if outcome.sweep:
        result["sweep"] = [{**_figures(one), "protocol": one.protocol.as_json()} for one in outcome.sweep]
    return result


def seconds_per_slice(one: Evaluated) -> float:
    """Mean time that drawing the readings of a slice took."""
    return float(np.mean([row.seconds for row in one.rows]))


def table(outcome: Outcome) -> str:
    """The evaluation as text: the headline figures with intervals; means beside differences and references."""
    first, protocol = outcome.models[0], outcome.models[0].protocol
    names = metric_names(protocol.readings, readers=protocol.readers, headlines=True)
    patients = len(set(outcome.slices.patients))
    lines = [
        f"{one.candidate.label}: {len(one.rows)} slices of {patients} patients, {protocol.steps} steps of "
        f"{protocol.sampler}, {protocol.drawing} readings{one.protocol.specks}, {seconds_per_slice(one):.2f} s a slice"
        for one in outcome.models
    ]
    lines += [
        f"{protocol.area}; pp: relative area {protocol.threshold:g}; [95 % interval, resampling patients]",
        "for research, not for diagnosis",
        "",
        *_columns(names, {one.candidate.label: one.summary for one in outcome.models}, interval),
    ]
    if outcome.differences:
        lines += ["", f"less {first.candidate.label}, on the same slices and seeds (two-sided p)"]
        lines += _columns(names, outcome.differences, difference)
    if outcome.references:
        columns = {one.candidate.label: one.summary for one in outcome.models} | outcome.references
        lines += ["", *_columns(names, columns, lambda one: number(one.mean))]
    if outcome.sweep:
        lines += ["", *_sweep(outcome)]
    return "\n".join(lines)


def number(value: float) -> str:
    """Three decimals; a dash where there is nothing to say."""
    return "-" if math.isnan(value) else f"{value:.3f}"


def interval(one: Interval) -> str:
    """A mean and its interval."""
    return f"{number(one.mean)} [{number(one.low)}, {number(one.high)}]"


def difference(one: Difference) -> str:
    """A difference, its interval and p."""
    if math.isnan(one.p):
        return "-"
    ends = (f"{value:+.3f}" for value in (one.interval.mean, one.interval.low, one.interval.high))
    return "{} [{}, {}] p {}".format(*ends, f"{one.p:.3f}")


def _columns(names: list[str], columns: Mapping[str, Mapping[str, Any]], say: Any) -> list[str]:
    """Figures as lines, readers as columns."""
    cells = [["", *columns], *([name, *(say(column[name]) for column in columns.values())] for name in names)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in cells]


def _sweep(outcome: Outcome) -> list[str]:
    """GED and Dice of every model, sampler and number of steps."""
    names = [f"{figure}_{n}" for n in outcome.models[0].protocol.readings for figure in ("ged", "dice")]
    cells = [["model", "sampler", "steps", *names]]
    for one in outcome.sweep:
        how = one.protocol
        cells.append([one.candidate.label, how.sampler, str(how.steps), *(number(one.summary[n].mean) for n in names)])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in cells]


def _described(outcome: Outcome, one: Evaluated) -> dict[str, Any]:
    return {
        **_figures(one),
        "patients": len(set(outcome.slices.patients)),
        "by_relative_area": _by_relative_area(outcome, one),
        "presence": _of_every_number(outcome, one, presence),
        "presence_reliability": _of_every_number(outcome, one, presence_reliability),
        "protocol": one.protocol.as_json(),
    }


def _figures(one: Evaluated) -> dict[str, Any]:
    return {**_plain(one.summary), "slices": len(one.rows), "seconds_per_slice": seconds_per_slice(one)}


def _by_relative_area(outcome: Outcome, one: Evaluated) -> dict[str, Any]:
    judged = judged_of(one)
    names = [f"{figure}_{n}" for n in one.protocol.readings for figure in ("ged", "dice")]
    curves = {name: [i.as_json() for i in by_relative_area(judged, outcome.slices, name)] for name in names}
    return {"r": list(THRESHOLDS), **curves}


Grouped = Callable[[Sequence[Judged], Slices, int], Sequence[Presence | Reliability]]
"""Groups of slices, given their figures, their patients and a number of readings."""


def _of_every_number(outcome: Outcome, one: Evaluated, grouped: Grouped) -> dict[str, Any]:
    """Of every number of readings, the groups of slices that ``grouped`` finds."""
    judged = judged_of(one)
    return {str(n): [_group(group) for group in grouped(judged, outcome.slices, n)] for n in one.protocol.readings}


def _group(group: Presence | Reliability) -> dict[str, Any]:
    values = {field.name: getattr(group, field.name) for field in fields(group)}
    return {name: value.as_json() if isinstance(value, Interval) else value for name, value in values.items()}


def _plain(summary: Summary | Mapping[str, Difference]) -> dict[str, Any]:
    return {name: one.as_json() for name, one in summary.items()}

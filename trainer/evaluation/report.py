"""What an evaluation says: a JSON object for programs, a table for people."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trainer.evaluation.bootstrap import Interval, patient_intervals
from trainer.evaluation.metrics import metric_names
from trainer.evaluation.protocol import Protocol
from trainer.evaluation.rows import Row

Summary = dict[str, Interval]
"""Figure -> its mean and interval over the slices."""


def summarise(figures: Sequence[Mapping[str, float]], patients: Sequence[str], protocol: Protocol) -> Summary:
    """Means and intervals of the figures of all slices.

    Args:
        figures: Figure -> value, one a slice.
        patients: Patient of each slice.
        protocol: Says which figures there are, and the seed of the resampling.
    """
    names = metric_names(protocol.readings)
    values = np.array([[one[name] for name in names] for one in figures])
    return dict(zip(names, patient_intervals(values, patients, seed=protocol.seed), strict=True))


def as_json(
    model: Summary, rows: Sequence[Row], protocol: Protocol, references: Mapping[str, Summary]
) -> dict[str, Any]:
    """The whole evaluation as JSON has it; "references" only if there are any."""
    result: dict[str, Any] = {name: interval.as_json() for name, interval in model.items()}
    result |= {
        "slices": len(rows),
        "patients": len({row.patient for row in rows}),
        "seconds_per_slice": float(np.mean([row.seconds for row in rows])),
        "protocol": protocol.as_json(),
    }
    if references:
        result["references"] = {
            reader: {name: interval.as_json() for name, interval in summary.items()}
            for reader, summary in references.items()
        }
    return result


def table(model: Summary, rows: Sequence[Row], protocol: Protocol, references: Mapping[str, Summary]) -> str:
    """The evaluation as text: the model with its intervals, then its means beside those of the references."""
    patients = len({row.patient for row in rows})
    lines = [
        f"{protocol.model}: {len(rows)} slices of {patients} patients, {protocol.steps} steps of {protocol.sampler}, "
        f"{np.mean([row.seconds for row in rows]):.2f} s a slice",
        f"pp: relative area {protocol.threshold:g}; [95 % interval, resampling patients]",
        "",
    ]
    width = max(map(len, model))
    lines += [f"{name:{width}}  {_number(i.mean)}  [{_number(i.low)}, {_number(i.high)}]" for name, i in model.items()]
    if references:
        columns = {"model": model, **references}
        lines += ["", "  ".join([" " * width, *columns])]
        for name in model:
            cells = (_number(summary[name].mean).rjust(len(head)) for head, summary in columns.items())
            lines.append("  ".join([f"{name:{width}}", *cells]))
    return "\n".join(lines)


def _number(value: float) -> str:
    return "    -" if math.isnan(value) else f"{value:5.3f}"

"""What came out of a study so far: its finished lines, compared with the first of them on the same slices."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from napari_ambiseg.io.export import NOTICE
from napari_ambiseg.io.output import write_output
from napari_ambiseg.models.checkpoint import read_header
from napari_ambiseg.models.segmenter import SamplingOptions
from trainer.ablation.folder import StudyRecord, rows_file, run_folder
from trainer.ablation.study import Cell
from trainer.evaluation.candidates import choose_crop, describe
from trainer.evaluation.data import EvaluationData, read_data
from trainer.evaluation.report import as_json, difference, interval, seconds_per_slice
from trainer.evaluation.run import evaluate_references
from trainer.evaluation.session import Evaluated, Outcome, Request, evaluated, judged_of, protocol_of
from trainer.evaluation.summary import compare, slices_of, summarise
from trainer.evaluation.tables import as_csv
from trainer.run_folder import result_file


@dataclass(frozen=True, slots=True)
class Result:
    """A finished line.

    Attributes:
        cell: What was run.
        step: Training steps behind the weights that were judged.
        found: Its figures.
    """

    cell: Cell
    step: int
    found: Evaluated


def write_tables(folder: Path, record: StudyRecord, done: Sequence[Cell]) -> str:
    """Write ``table.md``, ``table.csv`` and ``table.json``, and return the first.

    Args:
        folder: Of the study.
        record: What it is.
        done: Its finished lines, at least one, whose figures are all kept.

    Raises:
        AmbisegError: If kept figures are damaged, or the tables cannot be written.
    """
    data = read_data(record.judging.data, record.judging.split, limit=record.judging.limit, seed=record.judging.seed)
    results = [_result(folder, record, cell, data) for cell in done]
    outcome = _outcome(record, results, data)
    text = as_markdown(record, results, outcome)
    write_output(folder / "table.md", text.encode())
    write_output(folder / "table.csv", as_csv(outcome).encode())
    write_output(folder / "table.json", (json.dumps(as_json(outcome), indent=2, allow_nan=False) + "\n").encode())
    return text


def _request(record: StudyRecord, cell: Cell, weights: Path, keep: Path) -> Request:
    judging = record.judging
    return Request(
        weights=(str(weights),),
        data=judging.data,
        split=judging.split,
        readings=judging.readings,
        options=SamplingOptions(steps=judging.steps, sampler=judging.sampler, guidance=cell.guidance),
        threshold=judging.threshold,
        limit=judging.limit,
        seed=judging.seed,
        keep=keep,
    )


def _result(folder: Path, record: StudyRecord, cell: Cell, data: EvaluationData) -> Result:
    run = run_folder(folder, cell)
    weights = run / result_file(cell.config, run)
    request = _request(record, cell, weights, rows_file(folder, cell))
    candidates = describe(request.weights)
    protocol = protocol_of(request, candidates[0], data, choose_crop(candidates, None, None))
    found = evaluated(request, candidates[0], protocol, data)
    named = replace(found, candidate=replace(found.candidate, label=cell.name))
    return Result(cell, int(read_header(weights).training["step"]), named)


def _outcome(record: StudyRecord, results: Sequence[Result], data: EvaluationData) -> Outcome:
    first, *others = (result.found for result in results)
    slices = slices_of([row.patient for row in first.rows], first.protocol)
    references = evaluate_references(data, first.protocol)
    return Outcome(
        request=_request(record, results[0].cell, Path(first.candidate.weights), Path()),
        data=data,
        slices=slices,
        models=tuple(result.found for result in results),
        differences={one.candidate.label: compare(judged_of(first), judged_of(one), slices) for one in others},
        references={name: summarise(judged, slices) for name, judged in references.items()},
        sweep=(),
    )


def as_markdown(record: StudyRecord, results: Sequence[Result], outcome: Outcome) -> str:
    """The study as a table with a line for every cell, and how it was made."""
    judging, first = record.judging, results[0].found
    missing = [cell.name for cell in record.cells if cell.name not in {result.cell.name for result in results}]
    slices = f"{len(first.rows)} slices of {len(set(outcome.slices.patients))} patients"
    parts = [
        f"**{NOTICE}.** {slices}, {first.protocol.area}; {judging.steps} steps of {judging.sampler} where a model "
        f"takes steps; in brackets 95 % intervals from resampling patients. `pp`: readings below "
        f"{judging.threshold:g} of the largest area emptied. GED: lower is better; Dice, IoU, HM-IoU: higher.",
        _grid(_lines(judging.readings, results, outcome)),
    ]
    if outcome.differences:
        parts += [
            f"Less {first.candidate.label}, on the same slices and seeds (two-sided p, uncorrected for their number):",
            _grid(_difference_lines(judging.readings, outcome)),
        ]
    if missing:
        parts.append(f"Not finished: {', '.join(missing)}.")
    return "\n\n".join(parts) + "\n"


def _figures(counts: Sequence[int]) -> list[str]:
    each = [f"{name}_{n}" for n in counts for name in ("ged", "dice")]
    return [*(word for name in each for word in (name, f"{name}_pp")), f"hm_iou_{max(counts)}"]


def _lines(counts: Sequence[int], results: Sequence[Result], outcome: Outcome) -> list[list[str]]:
    names = [*_figures(counts), f"empty_readings_{max(counts)}"]
    lines = [["", "steps", *names, "s per slice"]]
    for result in results:
        figures = (interval(result.found.summary[name]) for name in names)
        lines.append([result.cell.name, f"{result.step:,}", *figures, f"{seconds_per_slice(result.found):.2f}"])
    for reader, summary in outcome.references.items():
        lines.append([f"*{reader}*", "", *(interval(summary[name]) for name in names), ""])
    return lines


def _difference_lines(counts: Sequence[int], outcome: Outcome) -> list[list[str]]:
    names = _figures(counts)
    found = outcome.differences.items()
    return [["", *names], *([label, *(difference(one[name]) for name in names)] for label, one in found)]


def _grid(lines: Sequence[Sequence[str]]) -> str:
    head, *body = (f"| {' | '.join(line)} |" for line in lines)
    return "\n".join([head, "|" + "---|" * len(lines[0]), *body])

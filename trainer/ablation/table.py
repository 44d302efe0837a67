"""What came out of a study so far: its finished lines, compared with the first of them on the same slices."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from napari_ambiseg.io.output import write_output
from napari_ambiseg.models.segmenter import SamplingOptions
from trainer.ablation.cost import cost_of
from trainer.ablation.finished import finished
from trainer.ablation.folder import StudyRecord, rows_file
from trainer.ablation.markdown import as_markdown, table_figures
from trainer.ablation.plot import draw_study
from trainer.ablation.result import Result
from trainer.ablation.study import Cell
from trainer.evaluation.candidates import choose_crop
from trainer.evaluation.data import EvaluationData, read_data
from trainer.evaluation.figure import can_draw
from trainer.evaluation.report import as_json
from trainer.evaluation.run import evaluate_references
from trainer.evaluation.session import Outcome, Request, evaluated, judged_of, protocol_of
from trainer.evaluation.summary import compare, slices_of, summarise
from trainer.evaluation.tables import as_csv, per_slice_csv


def write_tables(folder: Path, record: StudyRecord, done: Sequence[Cell]) -> str:
    """Write ``table.md``, ``table.csv``, ``table.json`` and ``slices.csv``, and return the first.

    Where matplotlib is installed, a study along one number gets ``plot.png`` and ``plot.svg`` as well.

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
    write_output(folder / "slices.csv", per_slice_csv(outcome, table_figures(record.judging.readings)).encode())
    if can_draw():
        draw_study(results, folder)
    return text


def _request(record: StudyRecord, cell: Cell, weights: str, keep: Path) -> Request:
    judging = record.judging
    return Request(
        weights=(weights,),
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
    """The figures of a finished line, from its rows alone: its weights may be gone."""
    known = finished(folder, cell)
    assert known is not None
    request = _request(record, cell, known.candidate.weights, rows_file(folder, cell))
    protocol = protocol_of(request, known.candidate, data, choose_crop([known.candidate], None, None))
    found = evaluated(request, known.candidate, protocol, data)
    named = replace(found, candidate=replace(known.candidate, label=cell.name))
    cost = cost_of(cell.config, request.options, max(request.readings))
    return Result(cell, known.step, named, cost, known.examples_per_second)


def _outcome(record: StudyRecord, results: Sequence[Result], data: EvaluationData) -> Outcome:
    first, *others = (result.found for result in results)
    slices = slices_of([row.patient for row in first.rows], first.protocol)
    references = evaluate_references(data, first.protocol)
    return Outcome(
        request=_request(record, results[0].cell, first.candidate.weights, Path()),
        data=data,
        slices=slices,
        models=tuple(result.found for result in results),
        differences={one.candidate.label: compare(judged_of(first), judged_of(one), slices) for one in others},
        references={name: summarise(judged, slices) for name, judged in references.items()},
        sweep=(),
    )

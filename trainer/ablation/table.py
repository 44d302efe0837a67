"""What came out of a study so far: its finished lines, compared with the first of them on the same slices."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from filelock import FileLock

from napari_ambiseg.errors import DataFileError
from napari_ambiseg.io.output import write_output
from trainer.ablation.finished import Finished, finished_cells
from trainer.ablation.folder import StudyRecord, rows_file
from trainer.ablation.markdown import as_markdown, figure_names
from trainer.ablation.plot import draw_study
from trainer.ablation.result import Result
from trainer.ablation.study import Cell
from trainer.evaluation.data import EvaluationData, read_data
from trainer.evaluation.figure import can_draw
from trainer.evaluation.report import as_json
from trainer.evaluation.rows import kept_protocol
from trainer.evaluation.run import evaluate_references
from trainer.evaluation.session import Outcome, evaluated, judged_of
from trainer.evaluation.summary import compare, slices_of, summarise
from trainer.evaluation.tables import as_csv, per_slice_csv


def write_tables(folder: Path, record: StudyRecord) -> tuple[str, int]:
    """Write ``table.md``, ``table.csv``, ``table.json`` and ``slices.csv`` of all finished lines, and return the first.

    Where matplotlib is installed, a study along one number gets ``plot.png`` and ``plot.svg`` as well. Processes that
    end at the same time write one after the other, each what is finished by then.

    Args:
        folder: Of the study.
        record: What it is.

    Returns:
        The table, "" if no line is finished, and how many are.

    Raises:
        AmbisegError: If kept figures are damaged, or the tables cannot be written.
    """
    with FileLock(folder / "table.lock"):
        done = finished_cells(folder, record.cells)
        if not done:
            return "", 0
        judging = record.judging
        data = read_data(judging.data, judging.split, limit=judging.limit, seed=judging.seed)
        results = [_result(folder, record, cell, known, data) for cell, known in done.items()]
        outcome = _outcome(record, results, data)
        text = as_markdown(record, results, outcome)
        write_output(folder / "table.md", text.encode())
        write_output(folder / "table.csv", as_csv(outcome).encode())
        write_output(folder / "table.json", (json.dumps(as_json(outcome), indent=2, allow_nan=False) + "\n").encode())
        write_output(folder / "slices.csv", per_slice_csv(outcome, figure_names(judging.readings)).encode())
        if can_draw():
            draw_study(record.cells, results, folder)
        return text, len(done)


def _result(folder: Path, record: StudyRecord, cell: Cell, known: Finished, data: EvaluationData) -> Result:
    """The figures of a finished line, from its rows alone: its weights may be gone."""
    rows = rows_file(folder, cell)
    request = record.judging.request(cell, known.candidate.weights, keep=rows)
    protocol = kept_protocol(rows)
    if protocol.data != tuple(source.description for source in data.sources):
        raise DataFileError(
            f"{rows} holds figures of other slices than {', '.join(request.data)} has now; bring those back, or "
            "begin the study again in another folder"
        )
    found = evaluated(request, known.candidate, protocol, data)
    return Result(cell, known, replace(found, candidate=replace(known.candidate, label=cell.name)))


def _outcome(record: StudyRecord, results: Sequence[Result], data: EvaluationData) -> Outcome:
    first, *others = (result.found for result in results)
    for one in others:
        if one.protocol.area != first.protocol.area:
            raise DataFileError(
                f"{one.candidate.label} was judged on another part of a slice ({one.protocol.area}) than "
                f"{first.candidate.label} ({first.protocol.area}); make a study of each"
            )
    slices = slices_of([row.patient for row in first.rows], first.protocol)
    references = evaluate_references(data, first.protocol)
    return Outcome(
        request=record.judging.request(results[0].cell, first.candidate.weights, keep=Path()),
        data=data,
        slices=slices,
        models=tuple(result.found for result in results),
        differences={one.candidate.label: compare(judged_of(first), judged_of(one), slices) for one in others},
        references={name: summarise(judged, slices) for name, judged in references.items()},
        sweep=(),
    )

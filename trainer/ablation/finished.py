"""What is remembered of a finished line, so that its table can be made again when its run is gone.

It lies beside the rows: with ``study.json`` and ``rows`` alone, a few megabytes, a study makes its tables anew, also
with a later version of this package. A finished line stays what it is, whatever becomes of its run.
"""

from collections.abc import Sequence
from pathlib import Path
from statistics import median

from pydantic import BaseModel, ConfigDict, ValidationError

from napari_ambiseg.errors import DataFileError
from napari_ambiseg.io.output import write_output
from napari_ambiseg.models.checkpoint import read_header
from trainer.ablation.cost import Cost, cost_of
from trainer.ablation.folder import StudyRecord, rows_file, run_folder
from trainer.ablation.study import Cell
from trainer.evaluation.candidates import Candidate, describe
from trainer.run_folder import read_log, result_file


class Finished(BaseModel):
    """A line that was fitted and judged.

    Attributes:
        candidate: The model that was judged.
        step: Training steps behind its weights: of the best judgement, where these are its result.
        cost: What its training and its readings take.
        examples_per_second: At which it was trained, the median of its log; None if its log was gone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    candidate: Candidate
    step: int
    cost: Cost
    examples_per_second: float | None


def weights_of(folder: Path, cell: Cell) -> Path:
    """The model file that is a cell's result."""
    run = run_folder(folder, cell)
    return run / result_file(cell.config, run)


def finish(folder: Path, record: StudyRecord, cell: Cell) -> Finished:
    """Remember that all slices of a cell are judged.

    Raises:
        CheckpointError: If its weights cannot be read.
        DataFileError: If the record cannot be written.
    """
    weights = weights_of(folder, cell)
    request = record.judging.request(cell, str(weights), keep=rows_file(folder, cell))
    paces = [line["examples_per_second"] for line in read_log(weights.parent) if "examples_per_second" in line]
    done = Finished(
        candidate=describe(request.weights)[0],
        step=int(read_header(weights).training["step"]),
        cost=cost_of(cell.config, request.options, max(request.readings)),
        examples_per_second=median(paces) if paces else None,
    )
    write_output(_file(folder, cell), (done.model_dump_json(indent=2) + "\n").encode())
    return done


def finished(folder: Path, cell: Cell) -> Finished | None:
    """What is remembered of a cell; None if it is not finished.

    Raises:
        DataFileError: If the record is damaged.
    """
    path = _file(folder, cell)
    if not (path.is_file() and rows_file(folder, cell).is_file()):
        return None
    try:
        return Finished.model_validate_json(path.read_text())
    except (OSError, ValidationError, UnicodeDecodeError) as error:
        raise DataFileError(
            f"{path} is damaged ({str(error).splitlines()[0]}); delete it, and the line is judged again if its run is "
            "still there, and otherwise trained again"
        ) from error


def finished_cells(folder: Path, cells: Sequence[Cell]) -> dict[Cell, Finished]:
    """Those that are finished, whoever finished them, and what is remembered of each."""
    found = ((cell, finished(folder, cell)) for cell in cells)
    return {cell: known for cell, known in found if known is not None}


def _file(folder: Path, cell: Cell) -> Path:
    return rows_file(folder, cell).with_suffix(".json")

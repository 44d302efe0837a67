"""What is remembered of a finished line, so that its table can be made again when its run is gone.

It lies beside the rows: with ``study.json`` and ``rows`` alone, a few megabytes, a study makes its tables anew. Weights
that are there must be those that were judged; weights that are gone are not missed.
"""

import hashlib
import json
from pathlib import Path
from statistics import median

from pydantic import BaseModel, ConfigDict, ValidationError

from napari_ambiseg.files import write_atomically
from napari_ambiseg.models.checkpoint import read_header
from trainer.ablation.folder import rows_file, run_folder
from trainer.ablation.study import Cell
from trainer.evaluation.candidates import Candidate, describe
from trainer.run_folder import LOG_FILE, result_file


class Finished(BaseModel):
    """A line that was fitted and judged.

    Attributes:
        candidate: The model that was judged.
        step: Training steps behind its weights.
        examples_per_second: At which it was trained; None if its log was gone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    candidate: Candidate
    step: int
    examples_per_second: float | None


def weights_of(folder: Path, cell: Cell) -> Path:
    """The model file that is a cell's result."""
    run = run_folder(folder, cell)
    return run / result_file(cell.config, run)


def finish(folder: Path, cell: Cell) -> None:
    """Remember that all slices of a cell are judged.

    Raises:
        CheckpointError: If its weights cannot be read.
    """
    weights = weights_of(folder, cell)
    done = Finished(
        candidate=describe([str(weights)])[0],
        step=int(read_header(weights).training["step"]),
        examples_per_second=_examples_per_second(weights.parent / LOG_FILE),
    )
    write_atomically(_file(folder, cell), (done.model_dump_json(indent=2) + "\n").encode())


def finished(folder: Path, cell: Cell) -> Finished | None:
    """What is remembered of a cell; None if nothing is, or its weights are no longer those that were judged."""
    try:
        found = Finished.model_validate_json(_file(folder, cell).read_text())
    except (OSError, ValidationError, UnicodeDecodeError):
        return None
    weights = weights_of(folder, cell)
    if weights.is_file() and hashlib.sha256(weights.read_bytes()).hexdigest() != found.candidate.sha256:
        return None
    return found if rows_file(folder, cell).is_file() else None


def _file(folder: Path, cell: Cell) -> Path:
    return rows_file(folder, cell).with_suffix(".json")


def _examples_per_second(log: Path) -> float | None:
    """The median of a run's log: pauses, and hours in which the machine was busy, count little."""
    if not log.is_file():
        return None
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    paces = [line["examples_per_second"] for line in lines if "examples_per_second" in line]
    return median(paces) if paces else None

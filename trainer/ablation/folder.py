"""The folder of a study: what it says it is, where each cell lies, and who holds which."""

import hashlib
import json
import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, ValidationError

from napari_ambiseg.errors import DataFileError, SettingsError
from napari_ambiseg.files import write_atomically
from trainer.ablation.judging import Judging
from trainer.ablation.study import Cell
from trainer.config import DataSource

STUDY_FILE = "study.json"


class StudyRecord(BaseModel):
    """All that defines a study.

    Attributes:
        cells: The lines of its table, in their order.
        training: What they are trained on.
        judging: How they are judged.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    cells: tuple[Cell, ...]
    training: DataSource
    judging: Judging


def begin(folder: Path, record: StudyRecord) -> None:
    """Write what the study is, or see that the folder holds this very one.

    Raises:
        SettingsError: If the folder holds another study, or cannot be written.
    """
    path = folder / STUDY_FILE
    if path.exists():
        _same(read_record(folder), record, folder)
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, (record.model_dump_json(indent=2) + "\n").encode())
    except OSError as error:
        raise SettingsError(f"the folder {folder} cannot be written ({error.strerror}); give another --out") from error


def read_record(folder: Path) -> StudyRecord:
    """What the study in ``folder`` is.

    Raises:
        DataFileError: If there is none, or its record is damaged.
    """
    path = folder / STUDY_FILE
    if not path.is_file():
        raise DataFileError(f"there is no study in {folder}; begin one with `ablate STUDY --out {folder}`")
    try:
        return StudyRecord.model_validate_json(path.read_text())
    except (OSError, ValidationError, UnicodeDecodeError) as error:
        first = str(error).splitlines()[0]
        raise DataFileError(f"{path} is damaged ({first}); begin again in another folder") from error


def _same(found: StudyRecord, asked: StudyRecord, folder: Path) -> None:
    there, here = json.loads(found.model_dump_json()), json.loads(asked.model_dump_json())
    if different := [key for key in there if there[key] != here[key]]:
        raise SettingsError(
            f"{folder} holds another study (its {', '.join(different)} differ); "
            f"go on with it by `ablate --resume {folder}`, or give another --out"
        )


def run_folder(folder: Path, cell: Cell) -> Path:
    """Where the run of a cell lies: named for what it is, so that equal configurations share one."""
    text = cell.config.model_dump_json(exclude={"recipe"}, exclude_none=True)  # a field that says nothing names nothing
    return folder / "runs" / f"{cell.config.kind}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def rows_file(folder: Path, cell: Cell) -> Path:
    """Where the figures of a cell's slices are kept."""
    return folder / "rows" / f"{re.sub('[^A-Za-z0-9@=,.+-]', '_', cell.name)}.jsonl"


@contextmanager
def held(path: Path) -> Generator[bool]:
    """Hold what ``path`` stands for while the block runs; False if another process holds it.

    The system lets go of it when a process dies, however it dies.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.with_name(f"{path.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()

"""Figures of single slices on the disk: JSON lines that an interrupted evaluation goes on from.

The first line is ``{"protocol": {...}}``; every other line is one slice. A line is written when its slice is done, in
one write, so that a killed program leaves at most one incomplete line, the last; it is cut off when the file is opened
again. NaN is written as null.
"""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from napari_ambiseg.errors import DataFileError
from trainer.evaluation.metrics import Judged
from trainer.evaluation.protocol import Protocol


@dataclass(frozen=True, slots=True)
class Row:
    """One slice, judged.

    Attributes:
        id: Which slice.
        patient: Whose.
        seed: What it was read with; see ``slice_seed``.
        seconds: Time that drawing the readings took.
        judged: What is said of its readings.
    """

    id: str
    patient: str
    seed: int
    seconds: float
    judged: Judged

    def as_line(self) -> str:
        """The row as one line of JSON, with its line end."""
        row: dict[str, Any] = {"id": self.id, "patient": self.patient, "seed": self.seed, "seconds": self.seconds}
        row["figures"] = {name: _number_or_null(value) for name, value in self.judged.figures.items()}
        row["vectors"] = {name: [*map(_number_or_null, vector)] for name, vector in self.judged.vectors.items()}
        return json.dumps(row, allow_nan=False) + "\n"


def parse_row(line: str) -> Row:
    """Inverse of ``Row.as_line`` (ValueError, KeyError or TypeError if the line is none)."""
    raw = json.loads(line)
    figures = {name: _number(value) for name, value in raw["figures"].items()}
    vectors = {name: tuple(map(_number, vector)) for name, vector in raw["vectors"].items()}
    return Row(
        id=str(raw["id"]),
        patient=str(raw["patient"]),
        seed=int(raw["seed"]),
        seconds=float(raw["seconds"]),
        judged=Judged(figures, vectors),
    )


def in_order(rows: Iterable[Row], ids: Sequence[str]) -> list[Row]:
    """Rows of several processes or files as one list.

    Args:
        rows: In any order; of a slice that is there twice the last one counts.
        ids: The slices that are wanted, in the order that is wanted.

    Raises:
        DataFileError: If one is missing.
    """
    known = {row.id: row for row in rows}
    if missing := [name for name in ids if name not in known]:
        raise DataFileError(f"{len(missing)} of {len(ids)} slices have no row, {missing[0]} first; evaluate them too")
    return [known[name] for name in ids]


def kept_protocol(path: Path) -> Protocol:
    """What the rows of a file are figures of.

    Raises:
        DataFileError: If the file cannot be read, or does not begin with a protocol.
    """
    try:
        with path.open() as file:
            found = json.loads(file.readline())["protocol"]
        return TypeAdapter(Protocol).validate_python({name: found[name] for name in found if name != "area"})
    except OSError as error:
        raise DataFileError(f"cannot read the rows in {path} ({error}); give another file") from error
    except (ValueError, KeyError, TypeError) as error:
        raise _no_protocol(path) from error


def _number_or_null(value: float) -> float | None:
    return None if math.isnan(value) else value


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


class RowFile:
    """A file of rows, open for appending. Use as a context manager.

    Args:
        path: The file; created if it does not exist.
        protocol: What its rows must be figures of.

    Raises:
        DataFileError: If the file cannot be used: another protocol's, damaged, or not writable.
    """

    def __init__(self, path: Path, protocol: Protocol) -> None:
        self._path = path
        self.rows = _read(path, protocol)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = _open_at_last_line(path)
        except OSError as error:
            raise _cannot_write(path, error) from error
        if self._file.tell() == 0:
            self._write(_header(protocol))

    def append(self, row: Row) -> None:
        """Write one row."""
        self.rows[row.id] = row
        self._write(row.as_line())

    def _write(self, line: str) -> None:
        rest = line.encode()
        try:
            while rest:  # a disk that fills up takes a part first
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise _cannot_write(self._path, error) from error

    def __enter__(self) -> "RowFile":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _no_protocol(path: Path) -> DataFileError:
    return DataFileError(f"{path} does not begin with a protocol, so it is no file of rows; give another file")


def _cannot_write(path: Path, error: OSError) -> DataFileError:
    return DataFileError(f"cannot write rows to {path} ({error.strerror}); make room there, or choose another place")


def _header(protocol: Protocol) -> str:
    return json.dumps({"protocol": protocol.as_json()}) + "\n"


def _read(path: Path, protocol: Protocol) -> dict[str, Row]:
    """The rows that are there already, by id."""
    if not path.exists():
        return {}
    try:
        lines = path.read_bytes().decode().splitlines(keepends=True)
    except (OSError, UnicodeDecodeError) as error:
        raise DataFileError(f"cannot read the rows in {path} ({error}); give another file") from error
    if lines and not _header(protocol).startswith(lines[0]):  # all of it, or what was written before a kill
        _check_protocol(lines[0], path, protocol)
    complete = [line for line in lines[1:] if line.endswith("\n")]
    parsed = [_parsed(line, number, path) for number, line in enumerate(complete, start=2)]
    return {row.id: row for row in parsed}


def _parsed(line: str, number: int, path: Path) -> Row:
    try:
        return parse_row(line)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataFileError(f"line {number} of {path} is not a row of figures; delete that line or the file") from error


def _check_protocol(line: str, path: Path, protocol: Protocol) -> None:
    try:
        unsaid = {"antithetic": False, "smallest_px": 0}  # in files of older versions
        found: Any = unsaid | json.loads(line)["protocol"]
        different = [key for key, value in protocol.as_json().items() if found.get(key) != value]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _no_protocol(path) from error
    if different:
        key = different[0]
        raise DataFileError(
            f"{path} holds rows of another evaluation: {key} is {found.get(key)!r} there and "
            f"{protocol.as_json()[key]!r} here; give another file, or delete it"
        )


def _open_at_last_line(path: Path) -> FileIO:
    """Open for appending, after cutting off an incomplete last line."""
    file = path.open("a+b", buffering=0)
    file.seek(0)
    file.truncate(file.read().rfind(b"\n") + 1)
    file.seek(0, 2)
    return file

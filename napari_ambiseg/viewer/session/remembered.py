"""Small records that are remembered between sessions, each in a JSON file of its own."""

from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from napari_ambiseg.files import write_atomically

T = TypeVar("T")


def read_record(path: Path, kind: type[T]) -> T | None:
    """The record in a file; None if that is missing, damaged, or of another version."""
    try:
        return TypeAdapter(kind).validate_json(path.read_bytes())
    except (OSError, ValidationError):  # our own errors of values are ValueErrors, so pydantic wraps them
        return None


def write_record(path: Path, record: Any, kind: type) -> None:
    """Keep a record for the next session; a folder that cannot be written must not disturb the user."""
    try:
        write_atomically(path, TypeAdapter[Any](kind).dump_json(record, indent=1))
    except OSError:
        return

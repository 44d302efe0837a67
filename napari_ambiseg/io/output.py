"""The one way in which files leave this room, and the look at a target before the work whose result it is to hold."""

import os
from pathlib import Path

from napari_ambiseg.errors import DataFileError
from napari_ambiseg.files import write_atomically


def write_output(path: Path, payload: bytes) -> None:
    """Write a file that replaces ``path`` in one step.

    Raises:
        DataFileError: If it cannot be written; an old file at ``path`` is left as it was.
    """
    try:
        write_atomically(path, payload)
    except OSError as error:
        raise DataFileError(
            f"cannot write {path} ({error.strerror or error}); "
            f"make room for {len(payload) / 1e6:.1f} MB or choose a folder that can be written to"
        ) from error


def check_target(path: Path) -> None:
    """Refuse, before the work is done, a file that could not be written after it.

    Raises:
        DataFileError: If ``path`` is a folder or no possible name, or lies in no folder that can be written to.
    """
    if os.path.isdir(path):
        raise DataFileError(f"{path} is a folder; give the name of a file in it")
    _check_place(path, path.absolute().parent)


def check_folder(path: Path) -> None:
    """Refuse, before the work is done, a folder that no files could be written to after it; it need not exist yet.

    Raises:
        DataFileError: If ``path`` is a file or no possible name, or neither can be written to nor made.
    """
    if os.path.isfile(path):
        raise DataFileError(f"{path} is a file; give the name of a folder, which is made if there is none")
    _check_place(path, path.absolute())


def _check_place(path: Path, folder: Path) -> None:
    """Refuse a target whose folder neither can be written to nor made."""
    try:
        nearest = next(place for place in (folder, *folder.parents) if place.exists())
        for part in path.absolute().relative_to(nearest).parts:
            (nearest / part).exists()  # raises where the name is longer than the disk can hold
    except OSError as error:
        raise DataFileError(f"cannot write {path} ({error.strerror or error}); choose another name") from error
    if not (nearest.is_dir() and os.access(nearest, os.W_OK)):
        raise DataFileError(f"cannot write {path}, because {nearest} is no folder to write to; choose another")

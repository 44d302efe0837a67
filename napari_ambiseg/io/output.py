"""The one way in which files leave this room."""

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

"""Where files are kept, and how: they replace their target in one step.

Whoever reads finds the old file or the new one, never half of one.
"""

import os
import secrets
from pathlib import Path

from platformdirs import user_cache_path


def cache_folder(part: str) -> Path:
    """Where files of a kind are kept that can be made again: in $AMBISEG_CACHE, or where the system has such files."""
    chosen = os.environ.get("AMBISEG_CACHE")
    return (Path(chosen) if chosen else user_cache_path("napari-ambiseg", appauthor=False)) / part


def write_atomically(path: Path, payload: bytes) -> None:
    """Write bytes to a temporary name beside the target, flush them to the disk, then rename.

    Folders on the way are made. Whoever calls knows what is written and turns failures into a sentence.

    Raises:
        OSError: If the disk is full, the folder is read-only, ...; an old file at ``path`` is left as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name[:50]}.{secrets.token_hex(4)}.part")
    try:
        with temporary.open("xb") as file:
            file.write(payload)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise

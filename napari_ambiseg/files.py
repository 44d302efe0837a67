"""Files that replace their target in one step: whoever reads finds the old file or the new one, never half of one."""

import os
import secrets
from pathlib import Path


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

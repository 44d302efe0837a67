"""Where the user keeps things, remembered between sessions; a file that is missing or damaged means the home folder."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from napari_ambiseg.files import write_atomically


@dataclass(frozen=True, slots=True)
class Habits:
    """How the user keeps things.

    Attributes:
        folder: Where the last file was kept; empty for the home folder.
    """

    folder: str = ""

    @property
    def place(self) -> Path:
        """The folder, or the next one above it that is there."""
        wanted = Path(self.folder) if self.folder else Path.home()
        return next((place for place in (wanted, *wanted.parents) if place.is_dir()), Path.home())


def remembered_habits(path: Path) -> Habits:
    """The habits in ``path``, or the defaults."""
    try:
        return TypeAdapter(Habits).validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return Habits()


def remember_habits(habits: Habits, path: Path) -> None:
    """Keep ``habits`` for the next session; a folder that cannot be written must not disturb the user."""
    try:
        write_atomically(path, json.dumps(asdict(habits)).encode())
    except OSError:
        return

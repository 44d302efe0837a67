"""Where the user keeps things, remembered between sessions; a file that is missing or damaged means the home folder."""

from dataclasses import dataclass
from pathlib import Path

from napari_ambiseg.viewer.session.remembered import read_record, write_record


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
    return read_record(path, Habits) or Habits()


def remember_habits(habits: Habits, path: Path) -> None:
    """Keep ``habits`` for the next session."""
    write_record(path, habits, Habits)

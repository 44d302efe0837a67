"""What hinders nothing, but must be known: napari's notifications."""

from collections.abc import Iterable

from napari.utils.notifications import show_warning


def warn(name: str, notes: Iterable[str]) -> None:
    """Notify of each note on what is called ``name``."""
    for note in notes:
        show_warning(f"{name}: {note}.")

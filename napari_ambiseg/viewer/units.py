"""The table of units that napari reads when the first layer with units comes, kept on disk as pint has read it.

It saves a seventh of a second. Only a program that is alone in its process may choose the table: as a plugin we do not.
"""

import shutil
from pathlib import Path

import pint

from napari_ambiseg.files import cache_folder


def keep_units(folder: Path | None = None) -> None:
    """Let napari use a table that is read from where it was kept; where none can be kept, it reads its own, later.

    Args:
        folder: Where it is kept; None is the user's folder for caches.
    """
    kept = folder or cache_folder("units")
    try:
        registry = pint.UnitRegistry(cache_folder=kept)
    except Exception:  # noqa: BLE001 (a damaged file raises whatever unpickling raises)
        shutil.rmtree(kept, ignore_errors=True)  # the next start makes it anew
        return
    pint.set_application_registry(registry)

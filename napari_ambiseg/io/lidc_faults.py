"""Everything that is wrong with a split in the public LIDC layout, where reading it stops at the first fault.

Each array, column and attribute is judged by itself, as if the others were in order.
"""

from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

import h5py

from napari_ambiseg.errors import DataFileError
from napari_ambiseg.io import safe_hdf5
from napari_ambiseg.io.lidc_columns import (
    Table,
    read_intensity,
    read_names,
    read_nodules,
    read_number,
    read_present,
    read_spacing,
    read_texts,
)
from napari_ambiseg.io.lidc_split import find_group, masks_in, open_images, read_images, readers_first, required

P = ParamSpec("P")
T = TypeVar("T")


class _Faults:
    """The sentences so far, each once."""

    def __init__(self) -> None:
        self.sentences: dict[str, None] = {}

    def of(self, check: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """What ``check`` answers; None if it finds fault."""
        try:
            return check(*args, **kwargs)
        except DataFileError as error:
            self.sentences[str(error)] = None
            return None


def split_faults(path: Path, split: str) -> tuple[str, ...]:
    """What is wrong with a split of a file, a sentence each; empty if nothing is found."""
    faults = _Faults()

    def look() -> None:
        with safe_hdf5.opened(path) as file:
            _look(file, split, faults)

    faults.of(look)
    return tuple(faults.sentences)


def _look(file: h5py.File, split: str, faults: _Faults) -> None:
    found = faults.of(find_group, file, split)
    if found is None:
        return
    group, where = found
    images, labels = faults.of(open_images, group, where), faults.of(required, group, "labels", where)
    if images is not None:
        faults.of(read_images, images, where, 0, len(images))
    if labels is not None and labels.ndim:
        faults.of(_read_through, labels, where)
    counted = next((array for array in (images, labels) if array is not None and array.ndim), None)
    table = Table(where, group, 0 if counted is None else len(counted))
    if images is not None and labels is not None:
        first = faults.of(readers_first, images, labels, where)
        if first is not None:
            faults.of(read_present, table, 0, table.count, readers=int(labels.shape[1 if first else 3]))
    _look_at_columns(table, faults, counted=counted is not None)


def _look_at_columns(table: Table, faults: _Faults, *, counted: bool) -> None:
    """Columns and attributes; without any array nobody knows how long a column should be."""
    if counted:
        for key in ("subject", "uids"):
            faults.of(read_texts, table, key, 0, table.count)
        faults.of(read_nodules, table, 0, table.count)
        faults.of(read_names, table, 0, table.count)
    faults.of(read_spacing, table)
    faults.of(read_intensity, table)
    faults.of(read_number, table, "rendered", 0.0)


def _read_through(labels: h5py.Dataset, where: str) -> None:
    for _ in masks_in(labels, where, 0, len(labels)):
        pass

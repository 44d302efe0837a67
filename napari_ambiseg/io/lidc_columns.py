"""What a split in the public LIDC layout says of its slices beside images and masks: columns and attributes.

Each can be read, and be wrong, without the others; the layout is described in ``io.lidc_hdf5``.
"""

from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.errors import DataFileError
from napari_ambiseg.io import safe_hdf5
from napari_ambiseg.readings.intensity import Intensity


@dataclass(frozen=True, slots=True)
class Table:
    """A split, as its columns see it.

    Attributes:
        where: What to call it in messages.
        group: The split.
        count: Number of slices.
    """

    where: str
    group: h5py.Group
    count: int


def _column(table: Table, key: str, start: int, stop: int) -> NDArray[Any] | None:
    found = safe_hdf5.dataset(table.group, key)
    if found is None:
        return None
    if found.shape != (table.count,):
        raise DataFileError(
            f"{key} in {table.where} has shape {found.shape}; expected one entry for each of {table.count}"
        )
    return safe_hdf5.read(found, start, stop)


def read_texts(table: Table, key: str, start: int, stop: int) -> tuple[str, ...] | None:
    """A column as texts; None if there is none."""
    column = _column(table, key, start, stop)
    if column is None:
        return None
    return tuple(v.decode(errors="replace") if isinstance(v, bytes) else str(v) for v in column.tolist())


def read_present(table: Table, start: int, stop: int, *, readers: int) -> NDArray[np.bool_] | None:
    """Which readers read each slice, if the file says so; without the column all did."""
    found = safe_hdf5.dataset(table.group, "present")
    if found is None:
        return None
    expected = table.count, readers
    if found.shape != expected or found.dtype.kind not in "biu":
        raise DataFileError(
            f"present in {table.where} has shape {found.shape} and type {found.dtype}; "
            f"expected (slices, readers) = {expected}, 0 or 1"
        )
    return safe_hdf5.read(found, start, stop) != 0


def read_nodules(table: Table, start: int, stop: int) -> NDArray[np.int64]:
    """Lesion numbers; -1 where unknown."""
    column = _column(table, "nodule", start, stop)
    if column is None:
        return np.full(stop - start, -1, np.int64)
    if column.dtype.kind not in "iu":
        raise DataFileError(f"nodule in {table.where} is of type {column.dtype}; expected whole numbers")
    return np.maximum(column.astype(np.int64), -1)


def read_names(table: Table, start: int, stop: int) -> tuple[str, ...] | None:
    """What the slices are called, or what patient, lesion and height call them; None if neither is there."""
    names = read_texts(table, "name", start, stop)
    subjects, heights = read_texts(table, "subject", start, stop), _column(table, "z_mm", start, stop)
    if names or subjects is None or heights is None or heights.dtype.kind not in "iuf":
        return names
    nodules = read_nodules(table, start, stop)
    return tuple(f"{s}, nodule {n}, z {z:.1f} mm" for s, n, z in zip(subjects, nodules, heights, strict=True))


def read_spacing(table: Table) -> tuple[float, float]:
    """Height and width of a pixel in millimetres."""
    values = safe_hdf5.numbers(table.group, "spacing_mm")
    if values is None:
        return 0.5, 0.5
    if values.size not in (1, 2) or values.min() <= 0:
        raise DataFileError(f"spacing_mm of {table.where} is {values}; expected one or two positive numbers")
    return float(values[0]), float(values[-1])


def read_number(table: Table, name: str, default: float) -> float:
    """One number among the attributes."""
    values = safe_hdf5.numbers(table.group, name)
    if values is not None and values.size != 1:
        raise DataFileError(f"{name} of {table.where} is {values}; expected one number")
    return default if values is None else float(values[0])


def read_intensity(table: Table) -> Intensity:
    """The grey scale of the images."""
    usual = Intensity()
    scale = Intensity(
        lung_hu=read_number(table, "lung_hu", usual.lung_hu),
        tissue_hu=read_number(table, "tissue_hu", usual.tissue_hu),
        low=read_number(table, "intensity_low", usual.low),
        high=read_number(table, "intensity_high", usual.high),
    )
    if scale.low >= scale.high or scale.lung_hu >= scale.tissue_hu:
        raise DataFileError(f"{table.where} has the grey scale {scale}; expected low < high and lung_hu < tissue_hu")
    return scale

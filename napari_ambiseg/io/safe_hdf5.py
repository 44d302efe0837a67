"""HDF5 as a guest: open it, look at what it declares, and only then believe it.

An HDF5 file may point elsewhere (external links, external storage, virtual data sets: the library would open any local
file they name), may declare terabytes that it does not store, and may break off anywhere. Here a group or a data set
is only followed if it lies in the file itself, and its declared size must be one that the stored bytes can inflate to.
"""

import math
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.errors import DataFileError

# Deflate, the strongest filter of the HDF5 library itself, turns one byte into 1032 at most.
_MAX_INFLATION = 1100
# Small data sets may be left unwritten (all zero) and so inflate without bound; they do no harm.
_ALWAYS_ALLOWED_BYTES = 2**26
# What h5py raises for damaged contents, in no particular order.
_DAMAGE = (OSError, RuntimeError, LookupError, ValueError, TypeError, OverflowError, MemoryError)


@contextmanager
def opened(path: Path) -> Generator[h5py.File]:
    """An HDF5 file, open for reading.

    Raises:
        DataFileError: If it is missing, not HDF5, or incomplete.
    """
    if not os.path.isfile(path):
        raise DataFileError(f"there is no file at {path}; check the path")
    try:
        recognised = h5py.is_hdf5(path)
        file = h5py.File(path, "r", locking="best-effort") if recognised else None
    except _DAMAGE as error:
        raise DataFileError(f"{path} is a truncated or damaged HDF5 file ({error}); fetch or write it again") from error
    if file is None:
        raise DataFileError(f"{path} is not an HDF5 file; convert it with write_lidc_hdf5, or choose another file")
    with file:
        yield file


def names(group: h5py.Group) -> tuple[str, ...]:
    """What a group (or the file) says it holds, in alphabetical order.

    Raises:
        DataFileError: If it cannot be listed.
    """
    try:
        return tuple(sorted(str(name) for name in group))
    except _DAMAGE as error:
        raise DataFileError(f"{group.file.filename} cannot be listed ({error}); fetch or write it again") from error


def groups(file: h5py.File) -> dict[str, h5py.Group]:
    """The groups that lie in the file itself, in alphabetical order.

    Raises:
        DataFileError: If they cannot be read.
    """
    found: dict[str, h5py.Group] = {}
    try:
        for name in names(file):
            if _is_inside(file, name) and isinstance(group := file[name], h5py.Group):
                found[name] = group
    except _DAMAGE as error:
        raise DataFileError(f"the groups of {file.filename} cannot be read ({error}); fetch it again") from error
    return found


def dataset(group: h5py.Group, key: str) -> h5py.Dataset | None:
    """A data set whose values lie in the file itself and whose declared size is believable; None if there is none.

    Raises:
        DataFileError: If ``key`` points out of the file, is not an array, is damaged, or declares an absurd size.
    """
    if key not in names(group):
        return None
    where = f"{group.name}/{key} of {group.file.filename}"
    try:
        found = group[key] if _is_inside(group, key) else None
        if found is None or (isinstance(found, h5py.Dataset) and (found.external or found.is_virtual)):
            raise DataFileError(
                f"{where} points to other places, which is never followed; copy the values into the file"
            )
        if not isinstance(found, h5py.Dataset) or found.shape is None:
            raise DataFileError(f"{where} is not an array; expected a data set with one entry per slice")
        _check_size(found, where)
        _check_chunks(found, where)
    except DataFileError:
        raise
    except _DAMAGE as error:
        raise DataFileError(f"{where} cannot be read ({error}); fetch or write the file again") from error
    return found


def read(source: h5py.Dataset, start: int, stop: int) -> NDArray[Any]:
    """The rows ``start`` to ``stop`` of a data set.

    Raises:
        DataFileError: If the stored bytes cannot be decoded, or do not fit into memory.
    """
    try:
        return np.asarray(source[start:stop])
    except _DAMAGE as error:
        raise DataFileError(
            f"rows {start} to {stop - 1} of {source.name} in {source.file.filename} cannot be read "
            f"({error}); the file is damaged or stored with a filter that is missing here: fetch or write it again"
        ) from error


def numbers(group: h5py.Group, name: str) -> NDArray[np.float64] | None:
    """A numeric attribute of the group or else of the file, flattened; None if neither has it.

    Raises:
        DataFileError: If it is not made of finite numbers.
    """
    for holder in (group, group.file):
        try:
            if name not in holder.attrs:
                continue
            values = np.asarray(holder.attrs[name], dtype=np.float64).reshape(-1)
        except _DAMAGE as error:
            raise DataFileError(f"the attribute {name} of {group.file.filename} is not a number ({error})") from error
        if not np.isfinite(values).all():
            raise DataFileError(f"the attribute {name} of {group.file.filename} is {values}; expected finite numbers")
        return values
    return None


def text(holder: h5py.Dataset, name: str) -> str | None:
    """A text attribute; None if there is none, or it is not a text."""
    try:
        value = holder.attrs.get(name)
    except _DAMAGE:
        return None
    return value.decode(errors="replace") if isinstance(value, bytes) else value if isinstance(value, str) else None


def _is_inside(group: h5py.Group, name: str) -> bool:
    """Whether ``name`` is a hard link; soft links are refused too, for they may lead through external ones."""
    return isinstance(group.get(name, getlink=True), h5py.HardLink)


def _check_size(source: h5py.Dataset, where: str) -> None:
    item = source.dtype.itemsize
    declared = max(math.prod(source.shape), math.prod(source.chunks or ())) * item
    stored = source.file.id.get_filesize()
    if declared > max(_ALWAYS_ALLOWED_BYTES, _MAX_INFLATION * stored):
        raise DataFileError(
            f"{where} declares {declared / 1e9:.1f} GB (shape {source.shape}), but the file has {stored} bytes; "
            "it is damaged or forged: fetch or write it again"
        )


def _check_chunks(source: h5py.Dataset, where: str) -> None:
    """Refuse chunks that cannot be: the library crashes on a compressed chunk of length 0 instead of complaining."""
    if source.chunks is None:
        return
    end, bad = source.file.id.get_filesize(), list[int]()
    least = 5 if source.fletcher32 else 1  # a checksum is four bytes

    def look(chunk: Any) -> None:
        if not least <= chunk.size <= end - chunk.byte_offset:
            bad.append(chunk.size)

    source.id.chunk_iter(look)
    if bad:
        raise DataFileError(f"{where} is damaged (a piece of {bad[0]} bytes); fetch or write the file again")

"""One split of a file in the public LIDC layout: checked as a whole when it is opened, decoded a block at a time.

The layout is described in ``io.lidc_hdf5``, the public face of this module.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

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
from napari_ambiseg.readings.collection import SliceCollection

_BLOCK = 256  # slices that are decoded at a time, so that reading a split needs little more than what it returns
_ROUNDING = 1e-3  # how far float images may leave their range


@dataclass(frozen=True, slots=True)
class LidcSplit:
    """The data sets of one split, checked against each other but not yet read.

    Attributes:
        where: What to call it in messages.
        group: The split.
        images: Grey values (N, H, W).
        labels: Masks (N, H, W, R), or (N, R, H, W).
        readers_first: Whether the labels are (N, R, H, W).
    """

    where: str
    group: h5py.Group
    images: h5py.Dataset
    labels: h5py.Dataset
    readers_first: bool

    @property
    def count(self) -> int:
        """Number of slices."""
        return int(self.images.shape[0])

    @property
    def readers(self) -> int:
        """Number of reader slots."""
        return int(self.labels.shape[1 if self.readers_first else 3])

    @property
    def table(self) -> Table:
        """Its columns and attributes."""
        return Table(self.where, self.group, self.count)


def open_split(file: h5py.File, split: str) -> LidcSplit:
    """Find a split and check its arrays against each other; nothing large is read.

    Raises:
        DataFileError: If there is no such split, or it is not of the layout.
    """
    group, where = find_group(file, split)
    images = open_images(group, where)
    labels = required(group, "labels", where)
    return LidcSplit(where, group, images, labels, readers_first(images, labels, where))


def find_group(file: h5py.File, split: str) -> tuple[h5py.Group, str]:
    """The group of a split, and what to call it in messages.

    Raises:
        DataFileError: If there is none; the message lists those there are.
    """
    groups = safe_hdf5.groups(file)
    if split not in groups:
        known = (
            ", ".join(name if name.isprintable() else repr(name) for name in list(groups)[:10]) or "no splits at all"
        )
        raise DataFileError(f"{file.filename} has no split {split!r}; it has {known}")
    return groups[split], f"split {split!r} of {file.filename}"


def open_images(group: h5py.Group, where: str) -> h5py.Dataset:
    """The data set ``images``; refused unless it is (slices, height, width) with one slice or more."""
    images = required(group, "images", where)
    if images.ndim != 3 or 0 in images.shape[1:]:
        raise DataFileError(f"images in {where} have shape {images.shape}; expected (slices, height, width)")
    if images.shape[0] == 0:
        raise DataFileError(f"{where} has no slices; choose another split or write the file again")
    return images


def required(group: h5py.Group, key: str, where: str) -> h5py.Dataset:
    """The data set ``images`` or ``labels``; refused if it is missing or not made of numbers."""
    found = safe_hdf5.dataset(group, key)
    if found is None:
        raise DataFileError(
            f"{where} has no {key!r}; expected the arrays images and labels, found {safe_hdf5.names(group)[:10]}"
        )
    if found.dtype.kind not in "biuf":
        raise DataFileError(f"{key} in {where} are of type {found.dtype}; expected numbers")
    return found


def readers_first(images: h5py.Dataset, labels: h5py.Dataset, where: str) -> bool:
    """Whether labels are (N, R, H, W) rather than (N, H, W, R); refused if they fit the images in neither form."""
    count, height, width = images.shape
    if labels.ndim != 4 or labels.shape[0] != count or 0 in labels.shape:
        last = first = False
    else:
        last = labels.shape[1:3] == (height, width)
        first = labels.shape[2:4] == (height, width)
    if first and last:
        said = safe_hdf5.text(labels, "reader_axis")
        if said not in ("first", "last"):
            raise DataFileError(
                f"labels in {where} have shape {labels.shape}, in which any axis may be the readers'; "
                'set the attribute reader_axis of labels to "first" or "last"'
            )
        return said == "first"
    if not first and not last:
        raise DataFileError(
            f"labels in {where} have shape {labels.shape}; expected (slices, height, width, readers) = "
            f"({count}, {height}, {width}, R) or ({count}, R, {height}, {width}) with one reader or more"
        )
    return first


def read_rows(source: LidcSplit, start: int, stop: int) -> SliceCollection:
    """The slices ``start`` to ``stop``, and no others.

    Raises:
        DataFileError: If values are damaged or out of range.
    """
    table, stem = source.table, Path(source.group.file.filename).stem
    subjects = read_texts(table, "subject", start, stop) or read_texts(table, "uids", start, stop)
    indices = range(start, stop)
    return SliceCollection(
        images=read_images(source.images, source.where, start, stop),
        readings=_read_labels(source, start, stop),
        subjects=subjects or tuple(f"{stem}{source.group.name} {i}" for i in indices),
        nodules=read_nodules(table, start, stop),
        names=read_names(table, start, stop) or tuple(f"slice {i}" for i in indices),
        spacing_mm=read_spacing(table),
        intensity=read_intensity(table),
        rendered=read_number(table, "rendered", 0.0) != 0,
        present=read_present(table, start, stop, readers=source.readers),
    )


def _blocks(source: h5py.Dataset, start: int, stop: int) -> Iterator[tuple[slice, NDArray[Any]]]:
    """Rows of a data set, a block at a time, with their place in the result."""
    for first in range(start, stop, _BLOCK):
        last = min(first + _BLOCK, stop)
        yield slice(first - start, last - start), safe_hdf5.read(source, first, last)


def _read_labels(source: LidcSplit, start: int, stop: int) -> NDArray[np.bool_]:
    readings = np.empty((stop - start, source.readers, *source.images.shape[1:]), np.bool_)
    for rows, masks in masks_in(source.labels, source.where, start, stop):
        readings[rows] = masks if source.readers_first else np.moveaxis(masks, 3, 1)
    return readings


def masks_in(labels: h5py.Dataset, where: str, start: int, stop: int) -> Iterator[tuple[slice, NDArray[np.bool_]]]:
    """Rows of the labels as booleans, in their own layout, a block at a time with its place in the result.

    Raises:
        DataFileError: If they cannot be read, or are not all 0 or 1.
    """
    for rows, block in _blocks(labels, start, stop):
        masks = block.astype(np.bool_)
        if (block != masks).any():
            odd = block[block != masks][0]
            raise DataFileError(f"labels in {where} contain {odd}; expected 0 (outside) and 1 (inside) alone")
        yield rows, masks


def read_images(images: h5py.Dataset, where: str, start: int, stop: int) -> NDArray[np.uint8] | NDArray[np.float32]:
    """Rows of the images: uint8, or float32 in [0, 1].

    Raises:
        DataFileError: If they cannot be read, or are on another grey scale.
    """
    if images.dtype.kind == "f":
        return _read_float_images(images, where, start, stop)
    read = np.empty((stop - start, *images.shape[1:]), np.uint8)
    for rows, block in _blocks(images, start, stop):
        if block.dtype != np.uint8 and (block.dtype == np.bool_ or block.min() < 0 or block.max() > 255):
            raise DataFileError(
                f"images in {where} are {block.dtype} from {block.min()} to {block.max()}; "
                "expected grey values 0 to 255; rescale them (CT in HU: Intensity.from_hu, then Intensity.to_unit)"
            )
        read[rows] = block
    return read


def _read_float_images(images: h5py.Dataset, where: str, start: int, stop: int) -> NDArray[np.float32]:
    read = np.empty((stop - start, *images.shape[1:]), np.float32)
    for rows, block in _blocks(images, start, stop):
        if not np.isfinite(block).all():
            raise DataFileError(f"images in {where} contain NaN or infinite values; replace them by grey values")
        read[rows] = block
    low, high = float(read.min()), float(read.max())
    if low < -0.5 - _ROUNDING or high > 1 + _ROUNDING or (low < -_ROUNDING and high > 0.5 + _ROUNDING):
        raise DataFileError(
            f"images in {where} are floats from {low:g} to {high:g}; expected [0, 1], or [-0.5, 0.5] as in the "
            "public files; rescale them (CT in HU: Intensity.from_hu, then Intensity.to_unit)"
        )
    centred = low < -_ROUNDING or (high <= 0.5 + _ROUNDING and stop - start < len(images) and _is_centred(images))
    return np.clip(read + np.float32(0.5) if centred else read, 0, 1)


def _is_centred(images: h5py.Dataset) -> bool:
    """Whether float images span [-0.5, 0.5]: the first slices that fit only one of the two ranges decide."""
    for _, block in _blocks(images, 0, len(images)):
        if block.min() < -_ROUNDING:
            return True
        if block.max() > 0.5 + _ROUNDING:
            return False
    return False

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
from napari_ambiseg.readings.collection import SliceCollection
from napari_ambiseg.readings.intensity import Intensity

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


def open_split(file: h5py.File, split: str) -> LidcSplit:
    """Find a split and check its arrays against each other; nothing large is read.

    Raises:
        DataFileError: If there is no such split, or it is not of the layout.
    """
    groups = safe_hdf5.groups(file)
    if split not in groups:
        known = (
            ", ".join(name if name.isprintable() else repr(name) for name in list(groups)[:10]) or "no splits at all"
        )
        raise DataFileError(f"{file.filename} has no split {split!r}; it has {known}")
    group = groups[split]
    where = f"split {split!r} of {file.filename}"
    images, labels = (_required(group, key, where) for key in ("images", "labels"))
    if images.ndim != 3 or 0 in images.shape[1:]:
        raise DataFileError(f"images in {where} have shape {images.shape}; expected (slices, height, width)")
    if images.shape[0] == 0:
        raise DataFileError(f"{where} has no slices; choose another split or write the file again")
    return LidcSplit(where, group, images, labels, _readers_first(images, labels, where))


def _required(group: h5py.Group, key: str, where: str) -> h5py.Dataset:
    found = safe_hdf5.dataset(group, key)
    if found is None:
        raise DataFileError(
            f"{where} has no {key!r}; expected the arrays images and labels, found {safe_hdf5.names(group)[:10]}"
        )
    if found.dtype.kind not in "biuf":
        raise DataFileError(f"{key} in {where} are of type {found.dtype}; expected numbers")
    return found


def _readers_first(images: h5py.Dataset, labels: h5py.Dataset, where: str) -> bool:
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
    subjects = _texts(source, "subject", start, stop) or _texts(source, "uids", start, stop)
    indices, stem = range(start, stop), Path(source.group.file.filename).stem
    return SliceCollection(
        images=_read_images(source, start, stop),
        readings=_read_labels(source, start, stop),
        subjects=subjects or tuple(f"{stem}{source.group.name} {i}" for i in indices),
        nodules=_read_nodules(source, start, stop),
        names=_read_names(source, start, stop) or tuple(f"slice {i}" for i in indices),
        spacing_mm=_read_spacing(source),
        intensity=_read_intensity(source),
        rendered=_number(source, "rendered", 0.0) != 0,
        present=_read_present(source, start, stop),
    )


def _blocks(source: h5py.Dataset, start: int, stop: int) -> Iterator[tuple[slice, NDArray[Any]]]:
    """Rows of a data set, a block at a time, with their place in the result."""
    for first in range(start, stop, _BLOCK):
        last = min(first + _BLOCK, stop)
        yield slice(first - start, last - start), safe_hdf5.read(source, first, last)


def _read_labels(source: LidcSplit, start: int, stop: int) -> NDArray[np.bool_]:
    _, height, width = source.images.shape
    readers = source.labels.shape[1 if source.readers_first else 3]
    readings = np.empty((stop - start, readers, height, width), np.bool_)
    for rows, block in _blocks(source.labels, start, stop):
        masks = block.astype(np.bool_)
        if (block != masks).any():
            odd = block[block != masks][0]
            raise DataFileError(f"labels in {source.where} contain {odd}; expected 0 (outside) and 1 (inside) alone")
        readings[rows] = masks if source.readers_first else np.moveaxis(masks, 3, 1)
    return readings


def _read_images(source: LidcSplit, start: int, stop: int) -> NDArray[np.uint8] | NDArray[np.float32]:
    if source.images.dtype.kind == "f":
        return _read_float_images(source, start, stop)
    images = np.empty((stop - start, *source.images.shape[1:]), np.uint8)
    for rows, block in _blocks(source.images, start, stop):
        if block.dtype != np.uint8 and (block.dtype == np.bool_ or block.min() < 0 or block.max() > 255):
            raise DataFileError(
                f"images in {source.where} are {block.dtype} from {block.min()} to {block.max()}; "
                "expected grey values 0 to 255; rescale them (CT in HU: Intensity.from_hu, then Intensity.to_unit)"
            )
        images[rows] = block
    return images


def _read_float_images(source: LidcSplit, start: int, stop: int) -> NDArray[np.float32]:
    images = np.empty((stop - start, *source.images.shape[1:]), np.float32)
    for rows, block in _blocks(source.images, start, stop):
        if not np.isfinite(block).all():
            raise DataFileError(f"images in {source.where} contain NaN or infinite values; replace them by grey values")
        images[rows] = block
    low, high = float(images.min()), float(images.max())
    if low < -0.5 - _ROUNDING or high > 1 + _ROUNDING or (low < -_ROUNDING and high > 0.5 + _ROUNDING):
        raise DataFileError(
            f"images in {source.where} are floats from {low:g} to {high:g}; expected [0, 1], or [-0.5, 0.5] as in the "
            "public files; rescale them (CT in HU: Intensity.from_hu, then Intensity.to_unit)"
        )
    centred = low < -_ROUNDING or (high <= 0.5 + _ROUNDING and stop - start < source.count and _is_centred(source))
    return np.clip(images + np.float32(0.5) if centred else images, 0, 1)


def _is_centred(source: LidcSplit) -> bool:
    """Whether float images span [-0.5, 0.5]: the first slices that fit only one of the two ranges decide."""
    for _, block in _blocks(source.images, 0, source.count):
        if block.min() < -_ROUNDING:
            return True
        if block.max() > 0.5 + _ROUNDING:
            return False
    return False


def _column(source: LidcSplit, key: str, start: int, stop: int) -> NDArray[Any] | None:
    found = safe_hdf5.dataset(source.group, key)
    if found is None:
        return None
    if found.shape != (source.count,):
        raise DataFileError(
            f"{key} in {source.where} has shape {found.shape}; expected one entry for each of {source.count}"
        )
    return safe_hdf5.read(found, start, stop)


def _texts(source: LidcSplit, key: str, start: int, stop: int) -> tuple[str, ...] | None:
    column = _column(source, key, start, stop)
    if column is None:
        return None
    return tuple(v.decode(errors="replace") if isinstance(v, bytes) else str(v) for v in column.tolist())


def _read_present(source: LidcSplit, start: int, stop: int) -> NDArray[np.bool_] | None:
    """Which readers read each slice, if the file says so; without the column all did."""
    found = safe_hdf5.dataset(source.group, "present")
    if found is None:
        return None
    expected = source.count, source.labels.shape[1 if source.readers_first else 3]
    if found.shape != expected or found.dtype.kind not in "biu":
        raise DataFileError(
            f"present in {source.where} has shape {found.shape} and type {found.dtype}; "
            f"expected (slices, readers) = {expected}, 0 or 1"
        )
    return safe_hdf5.read(found, start, stop) != 0


def _read_nodules(source: LidcSplit, start: int, stop: int) -> NDArray[np.int64]:
    column = _column(source, "nodule", start, stop)
    if column is None:
        return np.full(stop - start, -1, np.int64)
    if column.dtype.kind not in "iu":
        raise DataFileError(f"nodule in {source.where} is of type {column.dtype}; expected whole numbers")
    return np.maximum(column.astype(np.int64), -1)


def _read_names(source: LidcSplit, start: int, stop: int) -> tuple[str, ...] | None:
    names = _texts(source, "name", start, stop)
    subjects, heights = _texts(source, "subject", start, stop), _column(source, "z_mm", start, stop)
    if names or subjects is None or heights is None or heights.dtype.kind not in "iuf":
        return names
    nodules = _read_nodules(source, start, stop)
    return tuple(f"{s}, nodule {n}, z {z:.1f} mm" for s, n, z in zip(subjects, nodules, heights, strict=True))


def _read_spacing(source: LidcSplit) -> tuple[float, float]:
    values = safe_hdf5.numbers(source.group, "spacing_mm")
    if values is None:
        return 0.5, 0.5
    if values.size not in (1, 2) or values.min() <= 0:
        raise DataFileError(f"spacing_mm of {source.where} is {values}; expected one or two positive numbers")
    return float(values[0]), float(values[-1])


def _number(source: LidcSplit, name: str, default: float) -> float:
    values = safe_hdf5.numbers(source.group, name)
    if values is not None and values.size != 1:
        raise DataFileError(f"{name} of {source.where} is {values}; expected one number")
    return default if values is None else float(values[0])


def _read_intensity(source: LidcSplit) -> Intensity:
    usual = Intensity()
    scale = Intensity(
        lung_hu=_number(source, "lung_hu", usual.lung_hu),
        tissue_hu=_number(source, "tissue_hu", usual.tissue_hu),
        low=_number(source, "intensity_low", usual.low),
        high=_number(source, "intensity_high", usual.high),
    )
    if scale.low >= scale.high or scale.lung_hu >= scale.tissue_hu:
        raise DataFileError(f"{source.where} has the grey scale {scale}; expected low < high and lung_hu < tissue_hu")
    return scale

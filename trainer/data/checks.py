"""Bad data is refused before the first step, and all that is wrong with it is said at once.

Reading stops at the first fault. Whoever mends a file, runs again and meets the next one wastes an hour on what one
list would have told. So each source is read; one that cannot be is looked through part by part
(``napari_ambiseg.io.lidc_faults``); then what was read is compared: sizes, spacings and grey scales must agree, no file
may be named twice, and no patient may be in two splits, for a figure on a split says nothing of patients whom training
has seen. Files that are in order are read once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from napari_ambiseg.errors import AmbisegError, DataFileError
from napari_ambiseg.io.lidc_faults import split_faults
from napari_ambiseg.io.lidc_hdf5 import named_patients
from napari_ambiseg.readings.collection import SliceCollection, concatenate
from trainer.config import FitConfig
from trainer.data.batches import BatchSource, split_by_patient
from trainer.data.holdout import Holdout
from trainer.data.sources import is_phantom, load_data

_LISTED = 3  # slices or patients that a sentence names


class DataFaults(DataFileError):
    """Everything that is wrong with the data: a sentence, or several, each on a line that begins with "- "."""

    @property
    def faults(self) -> tuple[str, ...]:
        """The faults, a sentence each."""
        first, *others = str(self).split("\n- ")
        return tuple(others or [first])


@dataclass(frozen=True, slots=True)
class Patients:
    """Who is in one split of one source.

    Attributes:
        source: Name of the file.
        split: Name of the split.
        names: The patients.
        apart: Whether the source is there to be kept apart from those trained on.
    """

    source: str
    split: str
    names: frozenset[str]
    apart: bool = False


def read_checked(
    names: Sequence[str], split: str, *, seed: int = 0, grid_px: int = 1, apart: Sequence[str] = ()
) -> SliceCollection:
    """All slices of a split of the named sources, once nothing is found wrong with them.

    Args:
        names: HDF5 files, or ``phantom`` (``phantom:N`` for N slices).
        split: Group of the HDF5 files.
        seed: Of the rendered slices.
        grid_px: Side of the model's grid, which must fit the slices.
        apart: HDF5 files whose patients, of any split, must not be in ``names``.

    Raises:
        DataFaults: With every fault that was found.
        DataFileError: If nothing is named.
    """
    parts: dict[str, SliceCollection] = {}
    faults = repeated_names(names)
    distinct = {_place(name): name for name in reversed(names)}
    for name in reversed(distinct.values()):
        try:
            parts[name] = load_data([name], split, seed=seed)
        except AmbisegError as error:
            found = () if is_phantom(name) else split_faults(Path(name), split)
            faults += [_of(name, sentence) for sentence in found or (str(error),)]
        else:
            faults += [_of(name, sentence) for sentence in collection_faults(parts[name], grid_px=grid_px)]
    faults += unlike(parts) + repeated_slices(parts) + _patient_faults(list(distinct.values()), apart)
    refuse(faults)
    return concatenate(list(parts.values())) if parts else load_data(names, split)


def rehearse(config: FitConfig, slices: SliceCollection) -> str:
    """Draw the first batch as a run would, and say what the run would learn from.

    Raises:
        SettingsError: If the settings do not fit the data.
    """
    training, held_out = split_by_patient(slices, Holdout.of(config))
    BatchSource(training, config).batch(0)
    slices_a_step = config.batch_size / (1 if config.experts == "random" else slices.filled.shape[1])
    return (
        f"{_describe(slices)[0]}, up to {slices.filled.sum(axis=1).max()} experts each: "
        f"{_count(training)} to train on, {_count(held_out)} held out; {config.steps} steps of {config.batch_size} "
        f"examples show every slice {config.steps * slices_a_step / len(training):.3g} times"
    )


def _count(slices: SliceCollection) -> str:
    patients = len(set(slices.subjects))
    return f"{len(slices)} slices of {patients} patient{'s' * (patients != 1)}"


def refuse(faults: Sequence[str]) -> None:
    """Raise ``DataFaults`` if there are any."""
    one_line = [" ".join(fault.split()) for fault in faults]
    if len(faults) == 1:
        raise DataFaults(one_line[0])
    if faults:
        raise DataFaults("\n- ".join([f"the data have {len(faults)} faults; nothing was done with them", *one_line]))


def collection_faults(slices: SliceCollection, *, grid_px: int = 1) -> list[str]:
    """What makes slices that could be read unfit for training."""
    faults: list[str] = []
    if len(slices) == 0:
        return ["there are no slices; give data with at least one"]
    if unread := np.flatnonzero(~slices.filled.any(axis=1)).tolist():
        faults.append(
            f"{_some([slices.names[i] for i in unread], 'slices')} have no expert at all; leave them out, "
            "or mark in `present` who read them"
        )
    height, width = slices.images.shape[1:]
    if min(height, width) < grid_px:
        faults.append(
            f"slices of {height} x {width} pixels are smaller than the model's grid of {grid_px} x {grid_px}; "
            "choose a recipe with a smaller grid, or prepare larger slices"
        )
    return faults


def unlike(parts: Mapping[str, SliceCollection]) -> list[str]:
    """In what sources differ from the first, although all that is trained on together must agree in it."""
    faults: list[str] = []
    described = [(name, _describe(part)) for name, part in parts.items()]
    for name, words in described[1:]:
        first, expected = described[0]
        differing = [
            f"{ours} instead of {theirs}" for ours, theirs in zip(words, expected, strict=True) if ours != theirs
        ]
        if differing:
            faults.append(f"{name} differs from {first}: {', '.join(differing)}; prepare them alike")
    return faults


def _describe(part: SliceCollection) -> tuple[str, str, str]:
    (height, width), spacing, scale = part.images.shape[1:], part.spacing_mm, part.intensity
    return (
        f"{height} x {width} pixels",
        f"a spacing of {spacing[0]:g} x {spacing[1]:g} mm",
        f"grey values from {scale.low:g} to {scale.high:g} with lung at {scale.lung_hu:g} and tissue at "
        f"{scale.tissue_hu:g} HU",
    )


def repeated_names(names: Sequence[str]) -> list[str]:
    """Sources that are named twice."""
    places = [_place(name) for name in names]
    twice = [place for place in dict.fromkeys(places) if places.count(place) > 1]
    return [f"{place} is named {places.count(place)} times; name it once" for place in twice]


def _place(name: str) -> str:
    return name if is_phantom(name) else str(Path(name).resolve())


def repeated_slices(parts: Mapping[str, SliceCollection]) -> list[str]:
    """Sources that hold the same images under different names."""
    return [
        f"{first} and {second} hold the same images; leave one of them out"
        for (first, one), (second, other) in combinations(parts.items(), 2)
        if one.images.dtype == other.images.dtype and np.array_equal(one.images, other.images)
    ]


def shared_patients(places: Sequence[Patients]) -> list[str]:
    """Patients who are in two splits, or in a source to train on and in one to be kept apart from it."""
    faults: list[str] = []
    for one, other in combinations(places, 2):
        common = sorted(one.names & other.names)
        if common and not (one.apart and other.apart) and (one.split, one.apart) != (other.split, other.apart):
            faults.append(
                f"{_some(common, 'patients')} are in split {one.split!r} of {one.source} and in split {other.split!r} "
                f"of {other.source}; keep all slices of a patient in one split"
            )
    return faults


def _patient_faults(names: Sequence[str], apart: Sequence[str]) -> list[str]:
    """Faults of the patients in all splits of the files, and of files to be kept apart that cannot be read."""
    places: list[Patients] = []
    faults: list[str] = []
    for name, is_apart in [*((name, False) for name in names), *((name, True) for name in apart)]:
        if is_phantom(name):
            continue
        try:
            splits = named_patients(Path(name))
        except DataFileError as error:
            faults += [_of(name, str(error))] if is_apart else []  # the others' faults are known already
            continue
        places += [Patients(name, split, patients, is_apart) for split, patients in splits.items()]
    return faults + shared_patients(places)


def _some(names: Sequence[str], of: str) -> str:
    """The first few of a list of names, and how many there are."""
    listed = ", ".join(names[:_LISTED])
    return f"{len(names)} {of} ({listed}{', ...' if len(names) > _LISTED else ''})"


def _of(name: str, sentence: str) -> str:
    return sentence if name in sentence else f"{name}: {sentence}"

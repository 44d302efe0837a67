"""The slices of an evaluation: splits of data files, or slices that are rendered for the purpose."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_ambiseg.errors import DataFileError
from napari_ambiseg.readings.collection import SliceCollection, concatenate
from napari_ambiseg.readings.slice import MultiReaderSlice
from trainer.data.crops import central_crop, evaluation_crop
from trainer.data.holdout import Holdout
from trainer.data.sources import collection_digest, load_data
from trainer.evaluation.metrics import Experts
from trainer.evaluation.protocol import DataDescription, Protocol, evenly_spaced, slice_seed


@dataclass(frozen=True, slots=True)
class Task:
    """One slice to read.

    Attributes:
        id: "file/split/index in the split": the same slice has the same name in every evaluation.
        slice: The slice, or the crop of it that is judged, with the masks of the experts who read it.
        slots: The slot of each of these experts in the data.
    """

    id: str
    slice: MultiReaderSlice
    slots: tuple[int, ...]

    @property
    def experts(self) -> Experts:
        """Whom the readings are judged against."""
        return Experts(self.slice.readings, self.slots)


@dataclass(frozen=True, slots=True)
class Source:
    """One split of one file.

    Attributes:
        description: What it is.
        collection: Its slices.
    """

    description: DataDescription
    collection: SliceCollection

    def slice_id(self, index: int) -> str:
        """The name of a slice; see ``Task``."""
        return f"{self.description.name}/{self.description.split}/{index}"


@dataclass(frozen=True, slots=True)
class EvaluationData:
    """The chosen slices of all sources; they may differ in size and number of experts from source to source.

    Attributes:
        sources: Where they come from.
        chosen: The subset, as indices into all slices of the sources in their order.
    """

    sources: tuple[Source, ...]
    chosen: tuple[int, ...]

    def task(self, position: int, protocol: Protocol) -> Task:
        """The slice at a position of the subset, cropped as the protocol says.

        Raises:
            InputImageError: If the slice is smaller than the crop.
        """
        source, index = self.locate(position)
        name, whole = source.slice_id(index), source.collection[index]
        slots = tuple(np.flatnonzero(source.collection.filled[index]).tolist())
        return Task(name, _cropped(whole, name, protocol), slots)

    def __len__(self) -> int:
        return len(self.chosen)

    @property
    def ids(self) -> list[str]:
        """The names of the slices of the subset."""
        located = map(self.locate, range(len(self)))
        return [source.slice_id(index) for source, index in located]

    def locate(self, position: int) -> tuple[Source, int]:
        """The source of the slice at a position of the subset, and its index there."""
        index = self.chosen[position]
        for source in self.sources:
            if index < len(source.collection):
                return source, index
            index -= len(source.collection)
        raise IndexError(position)


def read_data(
    names: Sequence[str], split: str, *, limit: int | None, seed: int, holdout: Holdout | None = None
) -> EvaluationData:
    """Read the sources and choose the subset.

    Args:
        names: Paths of data files, or "phantom" ("phantom:N" for N slices).
        split: Group in the files.
        limit: Number of slices in all; None takes all.
        seed: Of the subset, and of the rendered slices.
        holdout: Takes only the patients that a training on these slices has kept out; None takes all patients.

    Raises:
        DataFileError: If a file cannot be read, two have the same name, a source has no slices or no experts, these
            are not the slices that ``holdout`` is of, or none of their patients was held out.
    """
    sources = tuple(_source(name, split, seed) for name in names)
    titles = [source.description.name for source in sources]
    if twice := sorted({title for title in titles if titles.count(title) > 1}):
        raise DataFileError(
            f"two data files are called {twice[0]}; rename one, since slices are known by their file's name"
        )
    subjects = [subject for source in sources for subject in source.collection.subjects]
    allowed = list(range(len(subjects)))
    if holdout is not None:
        _require_trained_on(sources, holdout)
        patients = holdout.patients(subjects)
        allowed = [index for index in allowed if subjects[index] in patients]
    if not allowed:
        raise DataFileError(f"of {len(set(subjects))} patients none was held out; give all files of the training")
    return EvaluationData(sources, tuple(allowed[i] for i in evenly_spaced(len(allowed), limit, seed=seed)))


def _require_trained_on(sources: Sequence[Source], holdout: Holdout) -> None:
    """Of other slices, or in another order, other patients would be taken, who may have been trained on."""
    if collection_digest(concatenate([source.collection for source in sources])) != holdout.data_sha256:
        given = ", ".join(f"{one.description.name} ({one.description.split})" for one in sources)
        raise DataFileError(
            f"the training was not on the slices of {given}; for --held-out give its files in the same order, and "
            "--split train"
        )


def _source(name: str, split: str, seed: int) -> Source:
    # Rendered with a seed of their own: `fit` renders from the same pool, and must not have seen these slices.
    collection = load_data([name], split, seed=slice_seed(f"{name}/{split}", seed=seed))
    if not len(collection) or not collection.readings.shape[1]:
        raise DataFileError(
            f"split {split!r} of {name} has {len(collection)} slices with {collection.readings.shape[1]} experts; "
            "an evaluation needs at least one of each"
        )
    if nobody := np.flatnonzero(~collection.filled.any(axis=1)).tolist():
        raise DataFileError(
            f"nobody read slice {nobody[0]} of split {split!r} of {name} ({len(nobody)} such slices); leave them out"
        )
    digest, readers = collection_digest(collection), collection.readings.shape[1]
    return Source(DataDescription(Path(name).name, split, len(collection), digest, readers), collection)


def _cropped(one: MultiReaderSlice, slice_id: str, protocol: Protocol) -> MultiReaderSlice:
    if protocol.crop_px is None:
        return one
    if protocol.crop == "central":
        return central_crop(one, protocol.crop_px)
    return evaluation_crop(one, protocol.crop_px, slice_id=slice_id, seed=protocol.seed)

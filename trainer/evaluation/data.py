"""The slices of an evaluation: splits of data files, or slices that are rendered for the purpose."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_ambiseg.errors import DataFileError
from napari_ambiseg.readings.collection import SliceCollection
from napari_ambiseg.readings.slice import MultiReaderSlice
from trainer.data.sources import collection_digest, load_data
from trainer.evaluation.protocol import DataDescription, evenly_spaced, slice_seed


@dataclass(frozen=True, slots=True)
class Task:
    """One slice to read.

    Attributes:
        id: "file/split/index in the split": the same slice has the same name in every evaluation.
        slice: The slice with its experts' masks.
    """

    id: str
    slice: MultiReaderSlice


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

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, position: int) -> Task:
        """The slice at a position of the subset."""
        source, index = self._locate(position)
        return Task(source.slice_id(index), source.collection[index])

    @property
    def ids(self) -> list[str]:
        """The names of the slices of the subset."""
        located = map(self._locate, range(len(self)))
        return [source.slice_id(index) for source, index in located]

    def _locate(self, position: int) -> tuple[Source, int]:
        index = self.chosen[position]
        for source in self.sources:
            if index < len(source.collection):
                return source, index
            index -= len(source.collection)
        raise IndexError(position)


def read_data(names: Sequence[str], split: str, *, limit: int | None, seed: int) -> EvaluationData:
    """Read the sources and choose the subset.

    Args:
        names: Paths of data files, or "phantom" ("phantom:N" for N slices).
        split: Group in the files.
        limit: Number of slices in all; None takes all.
        seed: Of the subset, and of the rendered slices.

    Raises:
        DataFileError: If a file cannot be read, two have the same name, or a source has no slices or no experts.
    """
    sources = tuple(_source(name, split, seed) for name in names)
    titles = [source.description.name for source in sources]
    if twice := sorted({title for title in titles if titles.count(title) > 1}):
        raise DataFileError(
            f"two data files are called {twice[0]}; rename one, since slices are known by their file's name"
        )
    total = sum(len(source.collection) for source in sources)
    return EvaluationData(sources, tuple(evenly_spaced(total, limit, seed=seed)))


def _source(name: str, split: str, seed: int) -> Source:
    # Rendered with a seed of their own: `fit` renders from the same pool, and must not have seen these slices.
    collection = load_data([name], split, seed=slice_seed(f"{name}/{split}", seed=seed))
    if not len(collection) or not collection.readings.shape[1]:
        raise DataFileError(
            f"split {split!r} of {name} has {len(collection)} slices with {collection.readings.shape[1]} experts; "
            "an evaluation needs at least one of each"
        )
    description = DataDescription(Path(name).name, split, len(collection), collection_digest(collection))
    return Source(description, collection)

"""Which slice and which reader an example shows.

The slices come in an endless sequence of epochs, each a permutation of all of them. With B examples a step and R reader
slots,

- ``experts="random"``: example i of step s is place ``s B + i`` of the sequence and one of its readers at random;
- ``experts="all"``: R neighbours share a place, ``s B / R + i // R``, and with it the crop and the augmentation. Each
  reader who is present is shown once. Where some are missing, the places left over are filled with those present, each
  drawn once more before any is drawn twice more: every slice weighs alike, and so, on average, do its readers.

A missing reader is never shown: nobody said that the slice is empty.
"""

from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.errors import DataFileError, SettingsError
from trainer.config import FitConfig
from trainer.data.random import Purpose, generator


@dataclass(frozen=True, slots=True)
class Example:
    """What one example shows.

    Attributes:
        index: Number of the slice.
        reader: Slot of the reader.
        leader: First of the examples that share a slice, crop and augmentation; itself where none does.
    """

    index: int
    reader: int
    leader: int


class Examples:
    """The examples of all steps: ``at`` is a pure function, and may be called from several threads.

    Args:
        filled: Who read each slice (N, R).
        config: Batch size, seed, and which experts a batch shows.

    Attributes:
        per_slice: Examples in a row that share a slice: all of its readers, or 1.

    Raises:
        DataFileError: If there is no slice, or one without any reader.
        SettingsError: If all experts of a slice are wanted, and the batch is no multiple of their number.
    """

    def __init__(self, filled: NDArray[np.bool_], config: FitConfig) -> None:
        if len(filled) == 0:
            raise DataFileError("there are no slices to train on; give a data file with at least one")
        if unread := np.flatnonzero(~filled.any(axis=1)).tolist():
            raise DataFileError(
                f"{len(unread)} slices have no reader (the first is slice {unread[0]}); leave them out of the data file"
            )
        slots = filled.shape[1]
        self.per_slice = slots if config.experts == "all" else 1
        if config.batch_size % self.per_slice:
            raise SettingsError(
                f"a batch of {config.batch_size} does not hold whole slices with all of {slots} readers; give a batch "
                f"size that is a multiple of {slots}, e.g. --set batch_size={next_multiple(config.batch_size, slots)}"
            )
        self._filled, self._seed, self._batch_size = filled, config.seed, config.batch_size
        # A batch lies in two epochs at most, and threads are a few batches apart.
        self._order = lru_cache(maxsize=4)(partial(_epoch_order, len(filled), config.seed))

    def at(self, step: int, example: int) -> Example:
        """What an example of a step shows; both count from 0."""
        place, neighbour = divmod(step * self._batch_size + example, self.per_slice)
        epoch, place = divmod(place, len(self._filled))
        index = int(self._order(epoch)[place])
        leader = example - neighbour
        rng = generator(self._seed, step=step, example=leader, purpose=Purpose.EXPERT)
        readers = np.flatnonzero(self._filled[index])
        if self.per_slice == 1:
            return Example(index, int(readers[rng.integers(len(readers))]), leader)
        return Example(index, int(_repeated(readers, self.per_slice, rng)[neighbour]), leader)


def _epoch_order(count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    return generator(seed, step=epoch, example=0, purpose=Purpose.ORDER).permutation(count)


def _repeated(readers: NDArray[np.int64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """``count`` readers: each once, then again in random order as often as needed."""
    again = [rng.permutation(readers) for _ in range((count - 1) // len(readers))]
    return np.concatenate([readers, *again])[:count]


def next_multiple(count: int, of: int) -> int:
    """The smallest multiple of ``of`` that is not below ``count``."""
    return -(-count // of) * of

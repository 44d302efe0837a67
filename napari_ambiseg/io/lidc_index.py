"""What is in a split, slice by slice, without its pixels: whose, of which nodule, who drew on it, how they agree.

The names are read at once. How the experts agree needs all masks, hundreds of megabytes, so it comes block by block and
whoever asks may stop at any time.

The agreement of a slice is the mean Dice of all pairs of experts who read it, in which two empty masks agree (1). It is
counted on the bits of the masks: 64 pixels a word.
"""

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.io import safe_hdf5
from napari_ambiseg.io.lidc_columns import read_names, read_nodules, read_present, read_texts
from napari_ambiseg.io.lidc_split import masks_in, open_split

_WORD = 64


@dataclass(frozen=True, slots=True)
class SliceIndex:
    """What the slices of a split are called.

    Attributes:
        subjects: Patient of each slice (N); empty where the file does not say.
        nodules: Lesion number of each slice (N,); -1 where unknown.
        names: What to call each slice (N).
    """

    subjects: tuple[str, ...]
    nodules: NDArray[np.int64]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True, slots=True)
class Agreements:
    """What the experts did on some slices in a row.

    Attributes:
        start: Number of the first slice.
        drew: How many experts drew something (n,).
        read: How many read the slice (n,).
        dice: Mean Dice of two experts (n,); NaN where fewer than two read it.
    """

    start: int
    drew: NDArray[np.int64]
    read: NDArray[np.int64]
    dice: NDArray[np.float64]


def read_index(path: Path, split: str) -> SliceIndex:
    """What the slices of a split are called.

    Raises:
        DataFileError: If the file is missing, damaged, of another layout, or has no such split.
    """
    with safe_hdf5.opened(path) as file:
        source = open_split(file, split)
        table, count = source.table, source.count
        subjects = read_texts(table, "subject", 0, count) or read_texts(table, "uids", 0, count)
        names = read_names(table, 0, count)
        return SliceIndex(
            subjects=subjects or ("",) * count,
            nodules=read_nodules(table, 0, count),
            names=names or tuple(f"slice {i}" for i in range(count)),
        )


def read_agreements(path: Path, split: str) -> Generator[Agreements, None, None]:
    """How the experts agree, a block of slices at a time, in the order of the file.

    Raises:
        DataFileError: As ``read_index``, or if the labels are not all 0 or 1.
    """
    with safe_hdf5.opened(path) as file:
        source = open_split(file, split)
        present = read_present(source.table, 0, source.count, readers=source.readers)
        for rows, masks in masks_in(source.labels, source.where, 0, source.count):
            readings = masks if source.readers_first else np.moveaxis(masks, 3, 1)
            read = np.ones(readings.shape[:2], np.bool_) if present is None else present[rows]
            yield agreements(readings, read, start=rows.start)


def agreements(readings: NDArray[np.bool_], read: NDArray[np.bool_], *, start: int = 0) -> Agreements:
    """How experts agree.

    Args:
        readings: Masks (n, R, H, W).
        read: Who read each slice (n, R).
        start: Number of the first slice.
    """
    words = _words(readings)
    areas = np.bitwise_count(words).sum(axis=2, dtype=np.int64)
    total, pairs = np.zeros(len(words)), np.zeros(len(words), np.int64)
    for i in range(words.shape[1]):
        for j in range(i):
            common = np.bitwise_count(words[:, i] & words[:, j]).sum(axis=1, dtype=np.int64)
            both, sizes = read[:, i] & read[:, j], areas[:, i] + areas[:, j]
            total += both * np.where(sizes > 0, 2 * common / np.maximum(sizes, 1), 1.0)
            pairs += both
    dice = np.where(pairs > 0, total / np.maximum(pairs, 1), np.nan)
    return Agreements(start, ((areas > 0) & read).sum(axis=1), read.sum(axis=1), dice)


def _words(readings: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Masks (n, R, H, W) as bits (n, R, words)."""
    count, readers = readings.shape[:2]
    flat = readings.reshape(count, readers, -1)
    flat = np.pad(flat, ((0, 0), (0, 0), (0, -flat.shape[2] % _WORD)))
    return np.packbits(flat, axis=2).view(np.uint64)

"""What a source becomes: slices, where each lies, the split that its source names for it; and what is wrong with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.readings.collection import SliceCollection, concatenate
from trainer.data.checks import refuse

_SHOWN = 20  # problems that a message names


@dataclass(frozen=True, slots=True)
class Part:
    """The slices of one source.

    Attributes:
        slices: The slices, of any splits.
        z_mm: Where each lies along the body (N,); NaN where unknown.
        splits: Name of each slice's split (N); empty where the source names none.
        notes: What a reader of the file should know, one sentence each.
    """

    slices: SliceCollection
    z_mm: NDArray[np.float64]
    splits: tuple[str, ...]
    notes: tuple[str, ...] = ()


def unplaced(slices: SliceCollection, notes: Sequence[str] = ()) -> Part:
    """Slices of unknown height and without a split."""
    return Part(slices, np.full(len(slices), np.nan), ("",) * len(slices), tuple(notes))


def join(parts: Sequence[Part]) -> Part:
    """All parts as one.

    Raises:
        DataFileError: If sizes, spacings or grey scales differ.
    """
    if len(parts) == 1:
        return parts[0]
    return Part(
        concatenate([part.slices for part in parts]),
        np.concatenate([part.z_mm for part in parts]),
        tuple(split for part in parts for split in part.splits),
        tuple(dict.fromkeys(note for part in parts for note in part.notes)),
    )


def refuse_all(source: Path | str, problems: Sequence[str]) -> None:
    """Raise all problems of a source at once, if there are any.

    Raises:
        DataFaults: If ``problems`` is not empty; the first twenty are named.
    """
    more = [f"{source}: and {len(problems) - _SHOWN} more like these"] if len(problems) > _SHOWN else []
    refuse([*(f"{source}: {problem}" for problem in problems[:_SHOWN]), *more])

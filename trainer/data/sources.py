"""What ``--data`` names: LIDC-layout HDF5 files, or the word ``phantom`` for rendered slices."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from napari_ambiseg.errors import DataFileError
from napari_ambiseg.io.lidc_hdf5 import read_lidc_hdf5
from napari_ambiseg.readings.collection import SliceCollection, concatenate

PHANTOM = "phantom"
PHANTOM_SLICES = 600


def load_data(names: Sequence[str], split: str, *, seed: int = 0) -> SliceCollection:
    """All slices of a split of the named sources.

    Args:
        names: HDF5 files, or ``phantom`` (``phantom:N`` for N slices).
        split: Group of the HDF5 files; ``phantom`` has as many splits as you name.
        seed: Of the rendered slices.

    Raises:
        DataFileError: If nothing is named, or a source cannot be read.
    """
    if not names:
        raise DataFileError("no data was given; name HDF5 files with --data, or `--data phantom` for rendered slices")
    return concatenate([_load_one(name, split, seed) for name in names])


def is_phantom(name: str) -> bool:
    """Whether a source is rendered rather than read from a file."""
    return name.partition(":")[0] == PHANTOM


def _load_one(name: str, split: str, seed: int) -> SliceCollection:
    if not is_phantom(name):
        return read_lidc_hdf5(Path(name), split)
    count = name.partition(":")[2]
    if count and not count.isdecimal():
        raise DataFileError(f"{name!r} should be `phantom` or `phantom:N` with a whole number N of slices")
    from napari_ambiseg.phantom import render_collection

    return render_collection(int(count or PHANTOM_SLICES), seed=seed)


def collection_digest(collection: SliceCollection) -> str:
    """SHA-256 of the images and masks of a collection: tells whether two runs saw the same data."""
    digest = hashlib.sha256(str((collection.images.dtype.name, collection.readings.shape)).encode())
    digest.update(np.ascontiguousarray(collection.images).data)
    digest.update(np.packbits(collection.readings).data)
    if collection.present is not None:
        digest.update(np.packbits(collection.present).data)
    return digest.hexdigest()

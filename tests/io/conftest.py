"""A small collection of slices, and files in the public layout made of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from napari_ambiseg.readings.collection import SliceCollection

WriteFile = Callable[..., Path]


@pytest.fixture(scope="session")
def slices() -> SliceCollection:
    """Seven slices of three patients and four lesions, 12 x 10 pixels, three readers."""
    rng = np.random.default_rng(0)
    return SliceCollection(
        images=rng.integers(0, 256, (7, 12, 10), np.uint8),
        readings=rng.random((7, 3, 12, 10)) < 0.3,
        subjects=("Anna", "Anna", "Bo", "Bo", "Bo", "Çelik", "Çelik"),
        nodules=np.array([0, 0, 1, 1, 2, 3, -1]),
        names=tuple(f"picture {i}" for i in range(7)),
    )


@pytest.fixture
def write_file(tmp_path: Path, slices: SliceCollection) -> WriteFile:
    """Write the split ``train`` with plain h5py: the slices' images and labels (readers last) unless told otherwise."""

    def write(**arrays: Any) -> Path:
        plain = {"images": slices.images, "labels": np.moveaxis(slices.readings, 1, 3).astype(np.uint8)}
        with h5py.File(tmp_path / "lidc.h5", "w") as file:
            group = file.create_group("train")
            for key, values in {**plain, **arrays}.items():
                if values is not None:
                    group[key] = values
        return tmp_path / "lidc.h5"

    return write

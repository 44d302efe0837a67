"""Small collections of discs for the trainer's tests."""

import numpy as np
import pytest

from napari_ambiseg.readings.collection import SliceCollection
from trainer.evaluation.protocol import DataDescription, Protocol


def disc_collection(count: int = 24, *, side: int = 32, readers: int = 4, seed: int = 0) -> SliceCollection:
    """Bright discs; each reader draws the disc a little larger or smaller, and every third leaves it out."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side, :side] - (side - 1) / 2
    distance = np.hypot(rows, columns)
    images = np.empty((count, side, side), np.uint8)
    readings = np.zeros((count, readers, side, side), bool)
    for i in range(count):
        radius = rng.uniform(4, 8)
        images[i] = np.clip(60 + 90 * (distance < radius) + rng.normal(0, 8, distance.shape), 0, 255)
        for reader in range(readers):
            if (i + reader) % 3:
                readings[i, reader] = distance < radius + reader - 1.5
    return SliceCollection(
        images=images,
        readings=readings,
        subjects=tuple(f"patient {i // 3}" for i in range(count)),
        nodules=np.arange(count) // 3,
        names=tuple(f"slice {i}" for i in range(count)),
    )


@pytest.fixture
def discs() -> SliceCollection:
    return disc_collection()


@pytest.fixture(scope="session")
def shared_discs() -> SliceCollection:
    """The discs for fixtures that several tests share; change nothing in them."""
    return disc_collection()


@pytest.fixture
def protocol() -> Protocol:
    """An evaluation of four experts' slices."""
    return Protocol(
        model="m",
        model_sha256="0" * 64,
        data=(DataDescription("a.h5", "val", 10, "1" * 64, readers=4),),
        limit=None,
        readings=(4, 16),
        steps=10,
        sampler="ddim",
        eta=0.0,
        threshold=0.5,
        seed=0,
        version="0",
    )

"""Small collections of discs, and a reader whose score is known, for the trainer's tests."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from napari_ambiseg.diffusion.sampling import State
from napari_ambiseg.io.lidc_hdf5 import write_lidc_hdf5
from napari_ambiseg.models.checkpoint import Grid, Header, load_checkpoint, save_checkpoint
from napari_ambiseg.models.segmenter import KINDS, SamplingOptions
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


def run_weights(folder: Path) -> dict[str, Tensor]:
    """The weights of the model in a run's folder."""
    segmenter = load_checkpoint(folder / "model.safetensors").segmenter
    assert isinstance(segmenter, nn.Module)
    return segmenter.state_dict()


def same_weights(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    """Whether two models have the very same weights."""
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


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


class KnownReader(nn.Module):
    """Draws one of the experts' masks of ``known_data``, which it sees in the grey values; any of four by default.

    On every slice two experts draw a block of 16 x 16 pixels, one its inner 8 x 8, one nothing. With d = 1 - IoU, all
    ordered pairs of experts have the mean distance D = (4 * 0.75 + 4 + 2) / 16. A reader that draws each of the four
    masks with probability 1/4 has E GED_N = D / N.
    """

    kind = "known"
    slices_read: ClassVar[list[bytes]] = []
    counting = Lock()
    interrupt_after: int | None = None

    def __init__(self, draws: Sequence[int] = (0, 1, 2, 3)) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.full((1,), float(sum(draws))))
        self.draws = tuple(draws)

    def sample(self, image: Tensor, *, seeds: Sequence[int], options: SamplingOptions) -> Iterator[State]:
        self._count(image)
        masks = [image > 0, image > 0, image > 1.5, image > 9]
        odds = len(self.draws)
        drawn = [int(torch.randint(odds, (), generator=torch.Generator().manual_seed(seed))) for seed in seeds]
        x_hat = torch.stack([masks[self.draws[k]].float() * 2 - 1 for k in drawn])
        yield State(step=1, total=1, log_snr=9.0, x_t=x_hat, x_hat=x_hat)

    def _count(self, image: Tensor) -> None:
        """A slice counts once each time it is read, however many chunks the engine makes of its readings."""
        read, shown = KnownReader.slices_read, image.numpy().tobytes()
        with KnownReader.counting:
            if shown in read[-1:]:
                return
            if len(read) == KnownReader.interrupt_after:
                raise KeyboardInterrupt
            read.append(shown)


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> type[KnownReader]:
    """The kind "known" can be loaded; its class counts the slices that it reads."""
    monkeypatch.setitem(KINDS, "known", lambda config: KnownReader(**config))
    monkeypatch.setattr(KnownReader, "slices_read", [])
    monkeypatch.setattr(KnownReader, "interrupt_after", None)
    return KnownReader


def save_known(path: Path, name: str, *, training: dict[str, Any] | None = None, **config: Any) -> Path:
    """A file of a known reader."""
    header = Header(kind="known", config=config, grid=Grid((32, 32)), name=name, training=training or {})
    save_checkpoint(path, KnownReader(**config), header)
    return path


@pytest.fixture
def known_model(tmp_path: Path) -> Path:
    """Draws what the experts draw, as often as they do."""
    return save_known(tmp_path / "known.safetensors", "known reader")


@pytest.fixture
def sure_model(tmp_path: Path) -> Path:
    """Draws the whole block, always."""
    return save_known(tmp_path / "sure.safetensors", "sure reader", draws=[0])


@pytest.fixture
def cropping_model(tmp_path: Path) -> Path:
    """As ``known_model``, and says that it was trained on crops from anywhere."""
    training = {"fit": {"crop": "uniform"}}
    return save_known(tmp_path / "cropping.safetensors", "cropping reader", training=training, draws=[0, 2])


@pytest.fixture
def known_data(tmp_path: Path) -> Path:
    """60 slices of 12 patients with the lesion at a different place each, always inside the middle 32 x 32 pixels."""
    images = np.zeros((60, 48, 48), np.uint8)
    readings = np.zeros((60, 4, 48, 48), bool)
    for i in range(60):
        y, x = 10 + i % 10, 10 + i % 7
        block, inner = np.s_[y : y + 16, x : x + 16], np.s_[y : y + 8, x : x + 8]
        images[i][block], images[i][inner] = 128, 255
        readings[i, 0][block] = readings[i, 1][block] = readings[i, 2][inner] = True
    path = tmp_path / "slices.h5"
    subjects = tuple(f"P{i // 5:02d}" for i in range(60))
    names = tuple(f"slice {i}" for i in range(60))
    write_lidc_hdf5(path, {"val": SliceCollection(images, readings, subjects, np.arange(60), names)})
    return path

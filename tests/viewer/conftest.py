"""A model whose readings are known, in a real model file; settings that are nobody's."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import napari
import numpy as np
import pytest
import torch
from napari.layers import Image
from qtpy.QtCore import QThreadPool
from torch import Tensor, nn

from napari_ambiseg import engine
from napari_ambiseg.diffusion.sampling import SeededNoise, State, make_step, trajectory
from napari_ambiseg.diffusion.schedule import Schedule
from napari_ambiseg.engine import SliceInput
from napari_ambiseg.models.checkpoint import Grid, Header, save_checkpoint
from napari_ambiseg.models.segmenter import SamplingOptions, register
from napari_ambiseg.viewer.image.experts import Experts
from napari_ambiseg.viewer.image.plane import pixels_of, plane_of
from napari_ambiseg.viewer.image.where import where_of
from napari_ambiseg.viewer.panel import ReadingsPanel
from napari_ambiseg.viewer.session.result import Request, Result
from napari_ambiseg.viewer.session.settings import Settings
from napari_ambiseg.viewer.session.showing import Showing

LONG = 60_000  # milliseconds; runs take a fraction of a second, but a test machine may be busy
Viewer = napari.viewer.Viewer

RADII_MM = (0.0, 1.5, 4.0, 6.0, 6.5)
"""Radii of the discs that the toy model draws around the middle of its field of view; the first is the empty mask."""

GRID = Grid(size=(32, 32), spacing_mm=(0.5, 0.5))


def disc(size: tuple[int, int], radius_px: float, centre: tuple[float, float] | None = None) -> np.ndarray:
    row, column = centre or ((size[0] - 1) / 2, (size[1] - 1) / 2)
    rows, columns = np.mgrid[: size[0], : size[1]]
    return (rows - row) ** 2 + (columns - column) ** 2 < radius_px**2


@register("toy-discs")
class ToyDiscs(nn.Module):
    """The exact denoiser of a few discs: its readings are these discs, each equally often, whatever the image."""

    kind: ClassVar[str] = "toy-discs"
    delay: ClassVar[float] = 0.0
    failure: ClassVar[Exception | None] = None

    def __init__(self, config: dict) -> None:
        super().__init__()
        masks = np.stack([disc(GRID.size, radius / 0.5) for radius in RADII_MM])
        self.register_buffer("masks", torch.from_numpy(2.0 * masks[:, None] - 1.0).float())

    def sample(self, image: Tensor, *, seeds: Sequence[int], options: SamplingOptions) -> Iterator[State]:
        schedule, noise = Schedule(), SeededNoise(seeds)

        def denoise(x_t: Tensor, t: Tensor, lam: Tensor) -> Tensor:
            if self.failure is not None and t < 1:
                raise self.failure
            if self.delay:
                time.sleep(self.delay)
            alpha, sigma2 = lam.sigmoid().sqrt().float(), (-lam).sigmoid().float()
            distance = ((x_t[:, None] - alpha * self.masks[None]) ** 2).sum(dim=(2, 3, 4))
            weights = torch.softmax(-distance / (2 * sigma2), dim=1)
            return torch.einsum("sk,kchw->schw", weights, self.masks)

        x_1 = noise(image.new_zeros(len(seeds), 1, *GRID.size))
        return trajectory(denoise, schedule, make_step(options.sampler, eta=options.eta), x_1, options.steps, noise)


@pytest.fixture(scope="session")
def toy_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Path of a model file of the toy model, whose field of view is 16 x 16 mm."""
    path = tmp_path_factory.mktemp("models") / "toy.safetensors"
    save_checkpoint(path, ToyDiscs({}), Header(kind="toy-discs", config={}, grid=GRID, name="toy"))
    return path


@register("toy-one-shot")
class OneShot(nn.Module):
    """Answers a disc in one step, however many were asked for."""

    kind: ClassVar[str] = "toy-one-shot"

    def __init__(self, config: dict) -> None:
        super().__init__()
        self.register_buffer("mask", torch.from_numpy(2.0 * disc(GRID.size, 8.0) - 1.0).float())

    def sample(self, image: Tensor, *, seeds: Sequence[int], options: SamplingOptions) -> Iterator[State]:
        x_hat = self.mask.expand(len(seeds), 1, -1, -1)
        yield State(step=1, total=1, log_snr=float("inf"), x_t=x_hat, x_hat=x_hat)


@pytest.fixture(scope="session")
def one_shot_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Path of a model file of the model that needs one step."""
    path = tmp_path_factory.mktemp("models") / "one-shot.safetensors"
    save_checkpoint(path, OneShot({}), Header(kind="toy-one-shot", config={}, grid=GRID, name="one shot"))
    return path


@pytest.fixture
def toy() -> type[ToyDiscs]:
    """The toy model's class, to make it slow or fail."""
    return ToyDiscs


@pytest.fixture(autouse=True)
def own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the dock keeps settings during a test: never the user's own."""
    path = tmp_path / "settings" / "viewer.json"
    monkeypatch.setattr("napari_ambiseg.viewer.panel.settings_path", lambda: path)
    return path


@pytest.fixture
def viewer(make_napari_viewer: Callable[..., Viewer]) -> Iterator[Viewer]:
    """A viewer that nobody sees."""
    yield make_napari_viewer(strict_qt="raise")
    assert QThreadPool.globalInstance().waitForDone(LONG)  # no run outlives its test


@pytest.fixture
def panel(viewer: Viewer, toy_model: Path) -> ReadingsPanel:
    """The dock in it, set to eight readings of the toy model."""
    panel = ReadingsPanel(viewer)
    viewer.window.add_dock_widget(panel, name="Readings", area="right")
    panel.show_settings(Settings(model=str(toy_model), readings=8))
    return panel


@pytest.fixture
def expert_masks() -> np.ndarray:
    """Three experts on a slice of 64 x 64: two discs and one who saw nothing."""
    return np.stack([disc((64, 64), 8.0), disc((64, 64), 12.0), disc((64, 64), 0.0)])


@pytest.fixture
def make_result(toy_model: Path, expert_masks: np.ndarray) -> Callable[..., Result]:
    """Draw readings without a window."""

    def make(*, layer: Image | None = None, point: Sequence[float] = (0.0, 0.0), readings: int = 16) -> Result:
        layer = layer if layer is not None else Image(texture((64, 64)), scale=(0.5, 0.5), units=("mm", "mm"))
        plane = plane_of(layer, point=point, displayed=(layer.ndim - 2, layer.ndim - 1))
        settings = Settings(model=str(toy_model), readings=readings)
        slice_input = SliceInput(pixels_of(layer, plane), plane.spacing_mm)
        sampled = engine.sample(
            engine.load_model(toy_model), slice_input, seeds=settings.seeds, options=settings.options
        )
        experts = Experts(masks=expert_masks, names=("A", "B", "C"))
        where = where_of(layer, plane.index)
        return Result(Request("slice", plane, slice_input, sampled.placement, experts, settings, where), sampled)

    return make


@pytest.fixture(scope="session")
def _kept() -> dict[str, Result]:
    return {}


@pytest.fixture
def result(make_result: Callable[..., Result], _kept: dict[str, Result]) -> Result:
    """Sixteen readings beside three experts, drawn once for all tests."""
    if "result" not in _kept:
        _kept["result"] = make_result()
    return _kept["result"]


@pytest.fixture
def showing(result: Result) -> Showing:
    """It is shown, as it was drawn."""
    showing = Showing(threshold=0.0)
    showing.show(result)
    return showing


def texture(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).random(shape, dtype=np.float32)

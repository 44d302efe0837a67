"""A window with the dock, for benchmarks that open one: readings of a model that answers at once, or of a real one."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import napari
import numpy as np
import torch
from pydantic import TypeAdapter
from qtpy.QtCore import QEventLoop, Qt, QTimer
from torch import Tensor, nn

from benchmarks.models import diffusion_of, named_model
from benchmarks.shapes import lesions
from napari_ambiseg.models.checkpoint import Grid, Header, save_checkpoint
from napari_ambiseg.models.diffusion_segmenter import DiffusionConfig, DiffusionSegmenter
from napari_ambiseg.models.segmenter import SamplingOptions, State, register
from napari_ambiseg.viewer.panel import ReadingsPanel
from napari_ambiseg.viewer.session.settings import Settings

_EXPERTS = 4
_RADIUS = 0.2  # of the largest lesion, as a share of the picture


@register("benchmark-lesions")
class Lesions(nn.Module):
    """Answers each seed with a lesion at once, on a grid of any size."""

    kind: ClassVar[str] = "benchmark-lesions"

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.register_buffer("nothing", torch.zeros(1))

    def sample(self, image: Tensor, *, seeds: Sequence[int], options: SamplingOptions) -> Iterator[State]:
        """See ``Segmenter.sample``."""
        x_hat = lesion_estimates(image, seeds)
        yield State(step=1, total=1, log_snr=float("inf"), x_t=x_hat, x_hat=x_hat)


@register("benchmark-slow-lesions")
class SlowLesions(DiffusionSegmenter):
    """Computes as long as a diffusion model does, then shows lesions: what a trained model's window has to draw.

    Weights are random here, and random answers would be noise, with a hundred times as many outlines.
    """

    kind: ClassVar[str] = "benchmark-slow-lesions"

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(TypeAdapter(DiffusionConfig).validate_python(config))

    def sample(self, image: Tensor, *, seeds: Sequence[int], options: SamplingOptions) -> Iterator[State]:
        """See ``Segmenter.sample``."""
        shown = lesion_estimates(image, seeds)
        for state in super().sample(image, seeds=seeds, options=options):
            yield replace(state, x_hat=shown)


def lesion_estimates(image: Tensor, seeds: Sequence[int]) -> Tensor:
    """A lesion for each seed on the grid of an image (1, h, w), as estimates (S, 1, h, w)."""
    masks = [lesions(1, image.shape[-1], radius=_RADIUS, seed=seed) for seed in seeds]
    return torch.from_numpy(np.stack(masks)).float() * 2 - 1


def lesions_model(folder: Path, side_px: int) -> Path:
    """The file of a model that answers at once, whose grid has so many pixels a side."""
    path = folder / f"lesions-{side_px}.safetensors"
    header = Header(kind=Lesions.kind, config={}, grid=Grid(size=(side_px, side_px)), name="lesions")
    save_checkpoint(path, Lesions({}), header)
    return path


def slow_model(folder: Path, network: str, side_px: int) -> Path:
    """The file of a model that computes a network of a named size at every step, and shows lesions."""
    path = folder / f"slow-{network}-{side_px}.safetensors"
    model = named_model(network, side_px)
    segmenter = SlowLesions(model.header.config)
    segmenter.load_state_dict(diffusion_of(model).state_dict())
    save_checkpoint(path, segmenter, replace(model.header, kind=SlowLesions.kind))
    return path


def open_dock(model: Path, side_px: int, *, readings: int, show: bool = True) -> tuple[napari.Viewer, ReadingsPanel]:
    """A window with a slice, four experts on it, and the dock, set to a model and a number of readings."""
    viewer = napari.Viewer(show=show)
    in_mm: dict[str, Any] = {"scale": (0.5, 0.5), "units": ("mm", "mm")}
    pixels = np.random.default_rng(0).random((side_px, side_px), np.float32)
    panel = ReadingsPanel(viewer)
    viewer.window.add_dock_widget(panel, name="Readings", area="right")
    viewer.add_image(pixels, name="slice", **in_mm)
    masks = lesions(_EXPERTS, side_px, radius=_RADIUS, seed=1).astype(np.uint8)
    experts = [viewer.add_labels(mask, name=f"expert {i + 1}", **in_mm) for i, mask in enumerate(masks)]
    panel.form.experts.choose(experts)
    panel.show_settings(Settings(model=str(model), readings=readings, threshold=0.0))
    return viewer, panel


def run_to_its_end(panel: ReadingsPanel) -> None:
    """Press Run and wait, as the window does.

    Raises:
        RuntimeError: If there is no result.
    """
    ended = QEventLoop()
    panel.run_ended.connect(ended.quit)
    panel.run()
    if panel.is_running:
        ended.exec()
    if panel.error is not None or panel.result is None:
        raise RuntimeError(f"the run brought no result: {panel.error}")


@contextmanager
def ticking() -> Iterator[list[float]]:
    """A timer of one millisecond; the list takes in by how many milliseconds each of its ticks was late."""
    delays: list[float] = []
    timer = QTimer()
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    before = time.perf_counter()

    def tick() -> None:
        nonlocal before
        now = time.perf_counter()
        delays.append(max(0.0, 1000 * (now - before) - 1))
        before = now

    timer.timeout.connect(tick)
    timer.start(1)
    try:
        yield delays
    finally:
        timer.stop()

"""Models whose answers are known, and a tiny real one."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from napari_ambiseg.diffusion.sampling import State
from napari_ambiseg.models.checkpoint import Grid, Header, Model, save_checkpoint
from napari_ambiseg.models.diffusion_segmenter import DiffusionConfig, DiffusionSegmenter
from napari_ambiseg.models.segmenter import SamplingOptions
from napari_ambiseg.models.unet_config import named_size


class Thresholder:
    """Answers, at every step, foreground where the image exceeds one half; a hook may interfere with a step."""

    kind: ClassVar[str] = "thresholder"

    def __init__(self, hook: Callable[[int, Tensor], Tensor] = lambda step, x_hat: x_hat) -> None:
        self.hook = hook

    def sample(self, image: Tensor, *, seeds: Sequence[int], options: SamplingOptions) -> Iterator[State]:
        for step in range(1, options.steps + 1):
            x_hat = self.hook(step, (2 * image - 1).expand(len(seeds), -1, -1, -1))
            yield State(step=step, total=options.steps, log_snr=float(step), x_t=x_hat, x_hat=x_hat)


def model_of(segmenter: object, *, size: int = 16, spacing: float = 0.5) -> Model:
    return Model(segmenter, Header(kind="test", config={}, grid=Grid((size, size), (spacing, spacing)), name="test"))  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def make_model() -> Callable[..., Model]:
    """Wraps a segmenter as a loaded checkpoint with a small grid."""
    return model_of


@pytest.fixture(scope="session")
def thresholder() -> type[Thresholder]:
    return Thresholder


def random_diffusion() -> DiffusionSegmenter:
    """The smallest real model, its zero convolutions filled, so that every part has its say."""
    torch.manual_seed(0)
    segmenter = DiffusionSegmenter(DiffusionConfig(unet=named_size("tiny"))).eval()
    for parameter in segmenter.parameters():
        if parameter.dim() == 4 and not parameter.any():
            torch.nn.init.normal_(parameter, std=0.05)
    return segmenter


@pytest.fixture(scope="session")
def diffusion() -> Model:
    return model_of(random_diffusion())


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A model file."""
    segmenter = random_diffusion()
    header = Header(kind=segmenter.kind, config=asdict(segmenter.config), grid=Grid((16, 16)), name="tiny")
    path = tmp_path / "tiny.safetensors"
    save_checkpoint(path, segmenter, header)
    return path

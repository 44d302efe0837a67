"""Monte Carlo dropout (Gal & Ghahramani, 2016): a UNet whose dropout stays on when it is sampled.

A reading is the UNet's answer with one random set of channels silenced. That says how unsure the network is of its own
weights, not what experts disagree on: like the deterministic UNet it is fitted to the experts' mean mask, which its
readings scatter around. It is the cheap reference that a model of disagreement must beat.

Dropout sits where Kendall et al. (2015) found it to work best in segmentation, at the centre of the network: in every
residual block of the lowest level, encoder and decoder, and of the middle. It silences whole channels (Tompson et al.,
2015), since neighbouring pixels of a map say the same, before the block's second convolution: inside the residual
branch, so that a dozen of them do not add up to an extinguished signal. Channels that stay are divided by the
probability to stay, which keeps the mean.
"""

import math
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import torch
from pydantic import ConfigDict, TypeAdapter
from torch import Tensor, nn

from napari_ambiseg.diffusion.sampling import SeededNoise, State
from napari_ambiseg.errors import SettingsError
from napari_ambiseg.models.blocks import Stage
from napari_ambiseg.models.segmenter import SamplingOptions, register
from napari_ambiseg.models.unet import UNet
from napari_ambiseg.models.unet_config import UNetConfig


@dataclass(frozen=True, slots=True)
class MCDropoutConfig:
    """Everything that defines the model apart from its weights.

    Attributes:
        unet: The network; its input is the image, and it has no time embedding.
        dropout: Probability that a channel is silenced, from 0 to below 1.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    unet: UNetConfig
    dropout: float = 0.2

    def __post_init__(self) -> None:
        if not 0.0 <= self.dropout < 1.0:
            raise SettingsError(f"dropout is {self.dropout}; give a probability from 0 to below 1")


_noise: ContextVar[SeededNoise | None] = ContextVar("noise", default=None)
"""Where the next masks come from, in each thread: several may ask one model at once. From None, nothing is silenced."""


@contextmanager
def silenced_by(noise: SeededNoise) -> Generator[None]:
    """Let the convolutions that this thread computes draw the channels to silence from ``noise``."""
    token = _noise.set(noise)
    try:
        yield
    finally:
        _noise.reset(token)


class DropoutConv2d(nn.Conv2d):
    """A 3x3 convolution of whose input channels some are silenced, in training and in evaluation.

    Args:
        conv: The convolution without dropout, whose weights it takes over.
        probability: That a channel is silenced.
    """

    def __init__(self, conv: nn.Conv2d, probability: float) -> None:
        super().__init__(conv.in_channels, conv.out_channels, 3, padding=1)
        self.weight, self.bias = conv.weight, conv.bias
        self.probability = probability
        # Gaussian noise exceeds this with the probability to stay: the seeds' one source of numbers serves here too.
        self._threshold = float(torch.special.ndtri(torch.tensor(probability, dtype=torch.float64)))

    def forward(self, input: Tensor) -> Tensor:
        """The convolution of ``input`` (S, C, H, W), in whose samples the channels that stay are enlarged."""
        noise = _noise.get()
        if noise is not None:
            stays = noise(torch.empty(input.shape[:2])) > self._threshold
            input = input * (stays / (1.0 - self.probability)).to(input)[:, :, None, None]
        return super().forward(input)


class MCDropoutSegmenter(nn.Module):
    """The UNet with dropout at its centre; a seed is a set of silenced channels."""

    kind: ClassVar[str] = "mc-dropout"

    def __init__(self, config: MCDropoutConfig) -> None:
        super().__init__()
        self.config = config
        self.unet = UNet(config.unet)
        for stage in _centre(self.unet):
            stage.block.conv2 = DropoutConv2d(stage.block.conv2, config.dropout)

    def forward(self, image: Tensor, seeds: Sequence[int]) -> Tensor:
        """Foreground logits (S, 1, H, W) of normalised images (S, 1, H, W), with the channels that S seeds silence."""
        with silenced_by(SeededNoise(seeds)):
            return self.unet(image.expand(-1, self.config.unet.in_channels, -1, -1))

    @torch.no_grad()
    def sample(self, image: Tensor, *, seeds: Sequence[int], options: SamplingOptions) -> Iterator[State]:
        """See ``Segmenter.sample``; the one state has ``x_hat = 2 p - 1`` with p the foreground probability."""
        logits = self(image.expand(len(seeds), -1, -1, -1), seeds)
        x_hat = 2.0 * torch.sigmoid(logits) - 1.0
        yield State(step=1, total=1, log_snr=math.inf, x_t=x_hat, x_hat=x_hat)


def _centre(unet: UNet) -> list[Stage]:
    """The stages of the lowest level and of the middle, in the order in which they compute."""
    encoder = list(unet.encoder)[-unet.config.blocks[-1] :] if unet.config.blocks[-1] else []
    stages = [*encoder, *unet.middle, *cast(nn.ModuleList, unet.decoder[0])]
    return cast("list[Stage]", stages)


@register(MCDropoutSegmenter.kind)
def build_mc_dropout(config: dict[str, Any]) -> MCDropoutSegmenter:
    """Build from a configuration as written in a checkpoint (pydantic's ``ValidationError`` if it is not valid)."""
    return MCDropoutSegmenter(TypeAdapter(MCDropoutConfig).validate_python(config))

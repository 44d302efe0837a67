"""A plain UNet that answers one mask: the reference that any model of disagreement must beat."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from pydantic import ConfigDict, TypeAdapter
from torch import Tensor, nn

from napari_ambiseg.diffusion.sampling import State
from napari_ambiseg.models.networks import NetworkConfig, build_network
from napari_ambiseg.models.segmenter import SamplingOptions, register


@dataclass(frozen=True, slots=True)
class DeterministicConfig:
    """Everything that defines the model apart from its weights.

    Attributes:
        unet: The network; its input is the image, and it has no time embedding.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    unet: NetworkConfig


class DeterministicSegmenter(nn.Module):
    """The network's logits; every seed gets the same reading, foreground where the probability exceeds one half."""

    kind: ClassVar[str] = "deterministic"

    def __init__(self, config: DeterministicConfig) -> None:
        super().__init__()
        self.config = config
        self.unet = build_network(config.unet)

    def forward(self, image: Tensor) -> Tensor:
        """Foreground logits (S, 1, H, W) of normalised images (S, 1, H, W)."""
        return self.unet(image.expand(-1, self.config.unet.in_channels, -1, -1))

    @torch.no_grad()
    def sample(self, image: Tensor, *, seeds: Sequence[int], options: SamplingOptions) -> Iterator[State]:
        """See ``Segmenter.sample``; the one state has ``x_hat = 2 p - 1`` with p the foreground probability."""
        x_hat = (2.0 * torch.sigmoid(self(image.unsqueeze(0))) - 1.0).expand(len(seeds), -1, -1, -1)
        yield State(step=1, total=1, log_snr=math.inf, x_t=x_hat, x_hat=x_hat)


@register(DeterministicSegmenter.kind)
def build_deterministic(config: dict[str, Any]) -> DeterministicSegmenter:
    """Build from a configuration as written in a checkpoint (pydantic's ``ValidationError`` if it is not valid)."""
    return DeterministicSegmenter(TypeAdapter(DeterministicConfig).validate_python(config))

"""The UNet of the Probabilistic UNet (Kohl et al., 2018; Bhat et al., 2022): plain convolutions, no residuals.

A block is three 3x3 convolutions, each followed by a ReLU. The contracting path halves the resolution by averaging
2x2 pixels; the expanding path doubles it bilinearly, concatenates the map of the same resolution, and runs a block.

The papers leave open where the network is normalised. The parameter counts of the four published variants are met
exactly by one affine normalisation a block in the UNet and in one of the two encoders of z (``models.prob_unet``), and
by no other even distribution. Here it is a GroupNorm behind the first convolution: unlike batch statistics it
leaves a reading independent of what else is in the batch, and the two convolutions behind it leave the pooled features
of an encoder their scale.

A time embedding and a head are there for other models, the diffusion model above all, that run on this network as in
the paper's comparison of architectures (Table 4). The embedding is added behind a block's normalisation. The head
normalises what it reads: without, the features of an x-prediction grew until its tanh was -1 everywhere and let no
gradient through (seen within 40 steps at a rate of 1e-3).
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, cast

import torch
from pydantic import ConfigDict
from torch import Tensor, nn
from torch.nn import functional

from napari_ambiseg.errors import SettingsError
from napari_ambiseg.models.blocks import TimeEmbedding, require_multiple, zero
from napari_ambiseg.models.unet_config import require_groups, require_time_embedding


@dataclass(frozen=True, slots=True)
class ProbBackboneConfig:
    """Sizes of the network.

    Attributes:
        in_channels: Channels of the input.
        out_channels: Channels of the output; 0 builds a network without a head, of which only ``features`` is asked.
        channels: Width of each level, finest first.
        convs: Convolutions of each block.
        norm_groups: Groups of each GroupNorm; must divide every width.
        time_embedding: Sinusoids of the time embedding, an even number; 0 builds a network without time.
        max_period: Longest period of those sinusoids, in units of t (t runs from 0 to 1).
        architecture: Says in a checkpoint which network this is (``models.networks``).
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    in_channels: int
    out_channels: int = 1
    channels: tuple[int, ...] = (32, 64, 128, 256)
    convs: int = 3
    norm_groups: int = 8
    time_embedding: int = 32
    max_period: float = 10.0
    architecture: Literal["prob-unet"] = "prob-unet"

    def __post_init__(self) -> None:
        if not self.channels or min(self.in_channels, self.convs, self.norm_groups, *self.channels) < 1:
            raise SettingsError(f"{self} is no network; channels, convolutions and groups start at 1")
        if self.out_channels < 0:
            raise SettingsError(f"the network has {self.out_channels} outputs; give 1 or more, or 0 for no head")
        require_time_embedding(self.time_embedding, self.max_period)
        require_groups(self.channels, self.norm_groups)

    @property
    def multiple(self) -> int:
        """Height and width of the input must be multiples of this."""
        return 2 ** (len(self.channels) - 1)

    @property
    def patch(self) -> int:
        """Pixels a side for each pixel of the feature map: this network folds none."""
        return 1


NAMED_SIZES: dict[str, dict[str, Any]] = {
    "paper": {"in_channels": 2},
    # For CPUs and grids of 64 x 64.
    "small": {"in_channels": 2, "channels": (20, 40, 80, 160), "norm_groups": 4},
    # For tables on a CPU; see ``unet_config.NAMED_SIZES``.
    "mini": {"in_channels": 2, "channels": (10, 20, 40), "norm_groups": 5},
    # For tests: fits a toy in seconds.
    "tiny": {"in_channels": 2, "channels": (8, 16, 32), "norm_groups": 4},
}


def he(conv: nn.Conv2d) -> nn.Conv2d:
    """Weights that keep the variance through a ReLU (He et al., 2015): what is not normalised depends on it."""
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
    assert conv.bias is not None
    nn.init.zeros_(conv.bias)
    return conv


class ConvBlock(nn.Module):
    """Convolutions with ReLU; a GroupNorm and the time embedding behind the first of them.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of every convolution.
        convs: Their number.
        norm_groups: Groups of the normalisation; 0 leaves it out.
        time_width: Width of the time embedding; 0 for none.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, convs: int, norm_groups: int, time_width: int = 0
    ) -> None:
        super().__init__()
        widths = [in_channels, *[out_channels] * convs]
        self.convs = nn.ModuleList(he(nn.Conv2d(a, b, 3, padding=1)) for a, b in pairwise(widths))
        self.norm = nn.GroupNorm(norm_groups, out_channels) if norm_groups else nn.Identity()
        self.time = nn.Linear(time_width, out_channels) if time_width else None

    def forward(self, x: Tensor, embedding: Tensor | None = None) -> Tensor:
        """``x`` (S, in_channels, H, W) to (S, out_channels, H, W)."""
        first, *others = self.convs
        h = self.norm(first(x))
        if self.time is not None and embedding is not None:
            h = h + self.time(functional.silu(embedding))[:, :, None, None]
        h = functional.relu(h)
        for conv in others:
            h = functional.relu(conv(h))
        return h


class ContractingPath(nn.Module):
    """A block at each resolution, averages of 2x2 pixels between them.

    Args:
        in_channels: Channels of the input.
        channels: Width of each level, finest first.
        convs: Convolutions of each block.
        norm_groups: Groups of the normalisations; 0 leaves them out.
        time_width: Width of the time embedding; 0 for none.
    """

    def __init__(
        self, in_channels: int, channels: tuple[int, ...], *, convs: int, norm_groups: int, time_width: int = 0
    ) -> None:
        super().__init__()
        widths = [in_channels, *channels]
        self.blocks = nn.ModuleList(
            ConvBlock(a, b, convs=convs, norm_groups=norm_groups, time_width=time_width) for a, b in pairwise(widths)
        )

    def forward(self, x: Tensor, embedding: Tensor | None = None) -> list[Tensor]:
        """The map of each level, finest first: (S, channels[level], H / 2^level, W / 2^level)."""
        maps: list[Tensor] = []
        for level, block in enumerate(self.blocks):
            x = block(functional.avg_pool2d(x, 2) if level else x, embedding)
            maps.append(x)
        return maps


class ProbBackbone(nn.Module):
    """The network; called like ``models.unet.UNet``.

    Args:
        config: Its sizes.
    """

    def __init__(self, config: ProbBackboneConfig) -> None:
        super().__init__()
        self.config = config
        width = 4 * config.time_embedding
        if config.time_embedding:
            self.embed = TimeEmbedding(config.time_embedding, config.max_period)
        self.contracting = ContractingPath(
            config.in_channels, config.channels, convs=config.convs, norm_groups=config.norm_groups, time_width=width
        )
        self.expanding = nn.ModuleList(
            ConvBlock(low + high, high, convs=config.convs, norm_groups=config.norm_groups, time_width=width)
            for high, low in reversed(list(pairwise(config.channels)))
        )
        if config.out_channels:
            self.head = nn.Sequential(
                nn.GroupNorm(config.norm_groups, config.channels[0]),
                zero(nn.Conv2d(config.channels[0], config.out_channels, 1)),
            )

    def features(self, x: Tensor, t: Tensor | None = None) -> Tensor:
        """The last feature map, before the head: (S, channels[0], H, W).

        Raises:
            InputImageError: If H or W is not a multiple of ``config.multiple``.
        """
        require_multiple(x, self.config.multiple)
        embedding = self.embed.of(t, x.dtype) if self.config.time_embedding and t is not None else None
        *skips, h = cast("list[Tensor]", self.contracting(x, embedding))
        for block in self.expanding:
            doubled = functional.interpolate(h, scale_factor=2.0, mode="bilinear", align_corners=False)
            h = block(torch.cat([doubled, skips.pop()], dim=1), embedding)
        return h

    def forward(self, x: Tensor, t: Tensor | None = None) -> Tensor:
        """Raw output for input ``x`` (S, in_channels, H, W) at times ``t`` (S,) in [0, 1]: (S, out_channels, H, W)."""
        return self.head(self.features(x, t))

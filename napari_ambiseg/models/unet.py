"""The denoiser: a UNet of residual blocks with self-attention at its lowest level.

Encoder levels halve the resolution; each has its number of residual blocks. Every encoder output (stem, blocks,
downsamples) is kept as a skip and concatenated in the decoder, which therefore has one block more per level.
Convolutions that end a residual branch, and the last one, start at zero: each block begins as its shortcut, and the
whole network's answer as zero.

``patch > 1`` folds p x p pixels into channels before the stem and unfolds them after the head (space to depth): the
same field of view for about 1/p^2 of the arithmetic, which is what makes a model trainable and quick on a CPU.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_ambiseg.models.blocks import Downsample, Stage, TimeEmbedding, Upsample, require_multiple, zero
from napari_ambiseg.models.unet_config import UNetConfig


class UNet(nn.Module):
    """The network; see the module's docstring.

    Args:
        config: Its sizes.
    """

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        time_width = 4 * config.time_embedding
        if config.time_embedding:
            self.embed = TimeEmbedding(config.time_embedding, config.max_period)
        common = {"time_width": time_width, "groups": config.norm_groups, "window": config.attention_window}
        self.stem = nn.Conv2d(config.in_channels * config.patch**2, config.channels[0], 3, padding=1)
        self.encoder, skips = _encoder(config, common)
        lowest = config.channels[-1]
        self.middle = nn.ModuleList(
            Stage(lowest, lowest, **common, attention=config.attention and i < config.middle_blocks - 1)
            for i in range(config.middle_blocks)
        )
        self.decoder, self.upsamples = _decoder(config, common, skips)
        if config.out_channels:
            self.head = nn.Sequential(
                nn.GroupNorm(config.norm_groups, config.channels[0]),
                nn.SiLU(),
                zero(nn.Conv2d(config.channels[0], config.out_channels * config.patch**2, 3, padding=1)),
            )

    def features(self, x: Tensor, t: Tensor | None = None) -> Tensor:
        """The last feature map, before the head: (S, channels[0], H / patch, W / patch).

        Raises:
            InputImageError: If H or W is not a multiple of ``config.multiple``.
        """
        require_multiple(x, self.config.multiple)
        embedding = self.embed.of(t, x.dtype) if self.config.time_embedding and t is not None else None
        h = self.stem(functional.pixel_unshuffle(x, self.config.patch))
        skips = [h]
        for module in self.encoder:
            h = module(h, embedding)
            skips.append(h)
        for module in self.middle:
            h = module(h, embedding)
        for level, stages in enumerate(self.decoder):
            for stage in cast(nn.ModuleList, stages):
                h = stage(torch.cat([h, skips.pop()], dim=1), embedding)
            if level < len(self.upsamples):
                h = self.upsamples[level](h)
        return h

    def forward(self, x: Tensor, t: Tensor | None = None) -> Tensor:
        """Raw output for input ``x`` (S, in_channels, H, W) at times ``t`` (S,) in [0, 1]: (S, out_channels, H, W)."""
        return functional.pixel_shuffle(self.head(self.features(x, t)), self.config.patch)


def _encoder(config: UNetConfig, common: dict[str, int]) -> tuple[nn.ModuleList, list[int]]:
    """The encoder's stages and downsamples in order, and the widths of all skips (the stem's first)."""
    modules = nn.ModuleList()
    skips = [config.channels[0]]
    width = config.channels[0]
    lowest = len(config.channels) - 1
    for level, (out, count) in enumerate(zip(config.channels, config.blocks, strict=True)):
        for _ in range(count):
            modules.append(Stage(width, out, **common, attention=config.attention and level == lowest))
            width = out
            skips.append(width)
        if level < lowest:
            modules.append(Downsample(width))
            skips.append(width)
    return modules, skips


def _decoder(config: UNetConfig, common: dict[str, int], skips: Sequence[int]) -> tuple[nn.ModuleList, nn.ModuleList]:
    """The decoder's stages per level, lowest first, and the upsamples between levels."""
    remaining = list(skips)
    levels, upsamples = nn.ModuleList(), nn.ModuleList()
    width = config.channels[-1]
    lowest = len(config.channels) - 1
    for level in range(lowest, -1, -1):
        stages = nn.ModuleList()
        for _ in range(config.blocks[level] + 1):
            out = config.channels[level]
            attention = config.attention and level == lowest
            stages.append(Stage(width + remaining.pop(), out, **common, attention=attention))
            width = out
        levels.append(stages)
        if level > 0:
            upsamples.append(Upsample(width))
    return levels, upsamples

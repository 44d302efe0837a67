"""The denoiser: a UNet of residual blocks with self-attention at its lowest level.

Encoder levels halve the resolution; each has its number of residual blocks. Every encoder output (stem, blocks,
downsamples) is kept as a skip and concatenated in the decoder, which therefore has one block more per level.
Convolutions that end a residual branch, and the last one, start at zero: each block begins as its shortcut, and the
whole network's answer as zero.

``patch > 1`` folds p x p pixels into channels before the stem and unfolds them after the head (space to depth): the
same field of view for about 1/p^2 of the arithmetic, which is what makes a model trainable and quick on a CPU.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from pydantic import ConfigDict
from torch import Tensor, nn
from torch.nn import functional

from napari_ambiseg.errors import InputImageError, SettingsError


def require_time_embedding(width: int, max_period: float) -> None:
    """Refuse a time embedding that cannot be built.

    Raises:
        SettingsError: If ``width`` is odd or negative, or the period not positive.
    """
    if width < 0 or width % 2 or not max_period > 0:
        raise SettingsError(
            f"the time embedding is {width} wide with longest period {max_period}; "
            "give an even width, or 0 for none, and a positive period"
        )


def require_groups(widths: Sequence[int], groups: int) -> None:
    """Refuse normalisation groups that do not divide every width.

    Raises:
        SettingsError: If there is such a width.
    """
    if bad := [width for width in widths if width % groups]:
        raise SettingsError(f"widths {bad} are not multiples of the {groups} normalisation groups")


@dataclass(frozen=True, slots=True)
class UNetConfig:
    """Sizes of a UNet.

    Attributes:
        in_channels: Channels of the input, e.g. one noisy mask and the image's.
        out_channels: Channels of the output; 0 builds a network without a head, of which only ``features`` is asked.
        channels: Width of each level, finest first.
        blocks: Residual blocks of each encoder level.
        middle_blocks: Residual blocks between encoder and decoder.
        norm_groups: Groups of each GroupNorm; must divide every width.
        attention: Whether the lowest level and the middle have self-attention.
        attention_window: Side of the windows that a larger map is split into for attention, in its own pixels; 0 is
            none: attention over the whole map, whose time grows with the square of the pixels.
        time_embedding: Sinusoids of the time embedding, an even number; 0 builds a network without time.
        max_period: Longest period of those sinusoids, in units of t (t runs from 0 to 1).
        patch: Side of the pixel patches that are folded into channels; 1 folds nothing.
        architecture: Says in a checkpoint which network this is (``models.networks``).
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    in_channels: int
    out_channels: int = 1
    channels: tuple[int, ...] = (32, 32, 64, 128)
    blocks: tuple[int, ...] = (1, 2, 3, 4)
    middle_blocks: int = 4
    norm_groups: int = 32
    attention: bool = True
    attention_window: int = 0
    time_embedding: int = 32
    max_period: float = 10.0
    patch: int = 1
    architecture: Literal["unet"] = "unet"

    def __post_init__(self) -> None:
        if len(self.channels) != len(self.blocks) or not self.channels:
            raise SettingsError(f"widths {self.channels} but block counts {self.blocks}; give one of each a level")
        sizes = (self.in_channels, self.norm_groups, self.patch, *self.channels)
        counts = (self.out_channels, self.middle_blocks, self.attention_window, *self.blocks)
        if min(sizes) < 1 or min(counts) < 0:
            raise SettingsError(
                f"{self} is no network; channels, groups and patch start at 1, outputs and block counts at 0"
            )
        require_time_embedding(self.time_embedding, self.max_period)
        require_groups(self.channels, self.norm_groups)

    @property
    def multiple(self) -> int:
        """Height and width of the input must be multiples of this."""
        return self.patch * 2 ** (len(self.channels) - 1)


_TWO_LEVELS = {
    "in_channels": 2,
    "channels": (16, 32),
    "blocks": (1, 1),
    "middle_blocks": 1,
    "norm_groups": 8,
    "patch": 2,
}

NAMED_SIZES: dict[str, dict[str, Any]] = {
    # The paper's network: 6,891,905 parameters with 1 + 3 input channels (the grey image repeated three times).
    "paper": {"in_channels": 4},
    # For CPUs: pixel patches of 2, a third of the blocks.
    "small": {
        "in_channels": 2,
        "channels": (48, 64, 96),
        "blocks": (1, 2, 2),
        "middle_blocks": 2,
        "norm_groups": 8,
        "patch": 2,
    },
    # For tables on a CPU: with whatever trains beside it, 160,000 to 182,000 parameters in every model that samples.
    "mini": _TWO_LEVELS,
    # For tests: fits a toy in seconds.
    "tiny": _TWO_LEVELS,
}


def named_size(name: str, **changes: Any) -> UNetConfig:
    """The configuration of a named size, with some fields changed.

    Raises:
        SettingsError: If the name is unknown.
    """
    if name not in NAMED_SIZES:
        raise SettingsError(f"unknown network size {name!r}; choose one of {', '.join(NAMED_SIZES)}")
    return UNetConfig(**{**NAMED_SIZES[name], **changes})


def zero(module: nn.Conv2d) -> nn.Conv2d:
    """Set a convolution to zero, so that the branch it ends starts silent."""
    nn.init.zeros_(module.weight)
    if module.bias is not None:
        nn.init.zeros_(module.bias)
    return module


def sinusoids(t: Tensor, width: int, max_period: float) -> Tensor:
    """Cosines and sines of ``t`` (S,) at ``width / 2`` frequencies, from 1 down to ``1 / max_period``: (S, width)."""
    half = width // 2
    frequencies = torch.exp(-math.log(max_period) * torch.arange(half, device=t.device, dtype=torch.float32) / half)
    angles = t.float()[:, None] * frequencies[None, :]
    return torch.cat([angles.cos(), angles.sin()], dim=1)


def require_multiple(x: Tensor, multiple: int) -> None:
    """Refuse an input that a network cannot halve as often as it has to.

    Raises:
        InputImageError: If height or width of ``x`` (..., H, W) is 0 or no multiple of ``multiple``.
    """
    if any(side == 0 or side % multiple for side in x.shape[-2:]):
        raise InputImageError(
            f"the input is {x.shape[-2]} x {x.shape[-1]} pixels; "
            f"this network reads multiples of {multiple}: crop or resample it"
        )


class TimeEmbedding(nn.Sequential):
    """Sinusoids of a time, and two linear maps with a SiLU between them.

    Args:
        width: Number of sinusoids; four times as many numbers come out.
        max_period: Longest period of these sinusoids.
    """

    def __init__(self, width: int, max_period: float) -> None:
        super().__init__(nn.Linear(width, 4 * width), nn.SiLU(), nn.Linear(4 * width, 4 * width))
        self.width, self.max_period = width, max_period

    def of(self, t: Tensor, dtype: torch.dtype) -> Tensor:
        """Embeddings (S, 4 width) of times (S,), computed in ``dtype``."""
        return self(sinusoids(t, self.width, self.max_period).to(dtype))


class ResidualBlock(nn.Module):
    """GroupNorm, SiLU, conv; add the time embedding; GroupNorm, SiLU, conv; add the input."""

    def __init__(self, in_channels: int, out_channels: int, *, time_width: int, groups: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.time = nn.Linear(time_width, out_channels) if time_width else None
        self.norm2 = nn.GroupNorm(groups, out_channels)
        self.conv2 = zero(nn.Conv2d(out_channels, out_channels, 3, padding=1))
        self.shortcut = nn.Conv2d(in_channels, out_channels, 1) if in_channels != out_channels else nn.Identity()

    def forward(self, x: Tensor, embedding: Tensor | None) -> Tensor:
        h = self.conv1(functional.silu(self.norm1(x)))
        if self.time is not None and embedding is not None:
            h = h + self.time(functional.silu(embedding))[:, :, None, None]
        return self.shortcut(x) + self.conv2(functional.silu(self.norm2(h)))


def window_side(side: int, window: int) -> int:
    """Side of the windows that a map's side is split into: its largest divisor up to ``window``; itself for 0.

    Raises:
        InputImageError: If that is less than half of ``window``: attention among a few pixels would be none.
    """
    if window == 0 or side <= window:
        return side
    found = next(divisor for divisor in range(window, 0, -1) if side % divisor == 0)
    if 2 * found < window:
        raise InputImageError(
            f"a map of {side} pixels a side cannot be split into windows of {window} or a little less; "
            "choose a grid that is a multiple of the window, or another attention_window"
        )
    return found


def attend(qkv: Tensor, window: int) -> Tensor:
    """One-head attention among the pixels of each window of a map.

    Args:
        qkv: Queries, keys and values (S, 3 C, H, W).
        window: Largest side of a window; 0 for one window that is the whole map.

    Returns:
        The mixed values (S, C, H, W).
    """
    batch, channels, height, width = qkv.shape[0], qkv.shape[1] // 3, *qkv.shape[-2:]
    h, w = window_side(height, window), window_side(width, window)
    if (h, w) == (height, width):
        q, k, v = qkv.reshape(batch, 3, 1, channels, height * width).transpose(-1, -2).unbind(1)
        mixed = functional.scaled_dot_product_attention(q, k, v)  # each (batch, 1 head, pixels, channels)
        return mixed.transpose(-1, -2).reshape(batch, channels, height, width)
    split = qkv.reshape(batch, 3, channels, height // h, h, width // w, w).permute(1, 0, 3, 5, 4, 6, 2)
    q, k, v = split.reshape(3, batch, -1, h * w, channels)  # windows in the place of heads
    mixed = functional.scaled_dot_product_attention(q, k, v).reshape(batch, height // h, width // w, h, w, channels)
    return mixed.permute(0, 5, 1, 3, 2, 4).reshape(batch, channels, height, width)


class SelfAttention(nn.Module):
    """One-head attention over all pixels, or over those of a window, as a residual branch."""

    def __init__(self, channels: int, *, groups: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.norm = nn.GroupNorm(groups, channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.project = zero(nn.Conv2d(channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.project(attend(self.qkv(self.norm(x)), self.window))


class Stage(nn.Module):
    """A residual block and, at the lowest level, the attention after it."""

    def __init__(
        self, in_channels: int, out_channels: int, *, time_width: int, groups: int, window: int, attention: bool
    ) -> None:
        super().__init__()
        self.block = ResidualBlock(in_channels, out_channels, time_width=time_width, groups=groups)
        self.attention = SelfAttention(out_channels, groups=groups, window=window) if attention else nn.Identity()

    def forward(self, x: Tensor, embedding: Tensor | None) -> Tensor:
        return self.attention(self.block(x, embedding))


class Downsample(nn.Module):
    """Stride-2 convolution; takes the embedding only to be called like a Stage."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Tensor, embedding: Tensor | None) -> Tensor:
        return self.conv(x)


class Upsample(nn.Module):
    """Nearest neighbour times two, then a convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(functional.interpolate(x, scale_factor=2.0, mode="nearest"))


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

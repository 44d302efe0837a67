"""What the networks are built from: residual blocks, attention, changes of resolution, the embedding of a time."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_ambiseg.errors import InputImageError


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

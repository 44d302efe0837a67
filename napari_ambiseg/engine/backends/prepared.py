"""The UNet prepared for sampling: the same arithmetic with less around it, and with less rounding.

On a CPU the convolutions take nine tenths of the time, and torch computes them as fast as it multiplies matrices. Of
the rest, much is not arithmetic. A prepared network leaves out what only training needs:

- Each map that a residual branch makes is its own, and no gradient asks for it again: SiLU and sums overwrite it. That
  is a fifth less memory, and memory that the system has to hand out anew (zeroed, page by page) costs more time than
  the sum that fills it.
- All blocks project the same time embedding: one matrix product for all of them instead of one for each.
- The blocks are plain functions, not modules, whose own calls cost as much as a small convolution.

One thing is computed otherwise, for the sake of its digits. With channels last, torch's GroupNorm adds up the pixels of
a channel one after the other, in float32: over 128 x 128 pixels it is off by 2e-5, over 256 x 256 by 2e-4, ten and a
hundred times as much as with the channels first. Large maps are therefore summed in parts (``_summed_in_parts``), for
2 % of the time.

Measured as CPU time of one thread next to the network itself, chunks of 1 to 4: 0.89 to 0.96 for the paper's network at
128 x 128, 0.86 to 0.89 for the small one at 64 x 64. Attention is left to torch, which keeps no scores (memory grows
with the pixels, not with their square) and multiplies at the full rate from 1024 tokens on.
"""

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_ambiseg.models.blocks import (
    Downsample,
    ResidualBlock,
    SelfAttention,
    Stage,
    TimeEmbedding,
    Upsample,
    attend,
    require_multiple,
)
from napari_ambiseg.models.segmenter import Network
from napari_ambiseg.models.unet import UNet

_PARTS = (
    *(UNet, Stage, ResidualBlock, SelfAttention, Downsample, Upsample, TimeEmbedding),
    *(nn.Conv2d, nn.GroupNorm, nn.Linear, nn.SiLU, nn.Identity, nn.Sequential, nn.ModuleList),
)

_SUMMED = 1024  # pixels in a row; on smaller maps torch's own sums are exact enough, and quicker
_FEWEST_PARTS = 4

_Map = Callable[[Tensor], Tensor]
_TimedMap = Callable[[Tensor, Sequence[Tensor]], Tensor]
"""A map (S, C, H, W), and the time as each block sees it -> the next map."""


def prepared(network: nn.Module) -> Network:
    """A network that samples quicker, from a network whose weights stay what they are.

    It answers without gradients. It is the network itself if that is no UNet with a head, or not as ``models.unet``
    builds it, e.g. with dropout between its parts.
    """
    if not isinstance(network, UNet) or not network.config.out_channels:
        return network
    if any(type(part) not in _PARTS or _is_hooked(part) for part in network.modules()):
        return network
    return _PreparedUNet(network)


def _is_hooked(part: nn.Module) -> bool:
    return bool(part._forward_hooks or part._forward_pre_hooks)  # pyright: ignore[reportPrivateUsage] (torch has no other way to ask)


class _PreparedUNet:
    """The network as functions; see the module's docstring."""

    def __init__(self, network: UNet) -> None:
        self._config = network.config
        self._embed = network.embed if network.config.time_embedding else None
        blocks: list[ResidualBlock] = []  # those that see the time, in order
        self._stem = _convolution(network.stem)
        self._encoder = [_encoder_part(module, blocks) for module in network.encoder]
        self._middle = [_stage(cast(Stage, stage), blocks) for stage in network.middle]
        self._decoder = [
            [_stage(cast(Stage, stage), blocks) for stage in cast(nn.ModuleList, stages)] for stages in network.decoder
        ]
        self._upsamples = [_convolution(cast(Upsample, upsample).conv) for upsample in network.upsamples]
        norm, _, last = network.head
        self._head_norm, self._head = _norm_silu(cast(nn.GroupNorm, norm)), _convolution(cast(nn.Conv2d, last))
        times = [cast(nn.Linear, block.time) for block in blocks]
        self._widths = [time.out_features for time in times]
        if self._embed is not None and times:
            self._time_weight = torch.cat([time.weight.detach() for time in times])
            self._time_bias = torch.cat([time.bias.detach() for time in times])

    @torch.no_grad()
    def __call__(self, x: Tensor, t: Tensor) -> Tensor:
        """See ``UNet.forward``."""
        require_multiple(x, self._config.multiple)
        times = self._times(t, x.dtype)
        h = self._stem(functional.pixel_unshuffle(x, self._config.patch))
        skips = [h]
        for part in self._encoder:
            h = part(h, times)
            skips.append(h)
        for stage in self._middle:
            h = stage(h, times)
        for level, stages in enumerate(self._decoder):
            for stage in stages:
                h = torch.cat([h, skips.pop()], dim=1)  # in a line of its own: the map before it is then let go
                h = stage(h, times)
            if level < len(self._upsamples):
                h = self._upsamples[level](functional.interpolate(h, scale_factor=2.0, mode="nearest"))
        return functional.pixel_shuffle(self._head(self._head_norm(h)), self._config.patch)

    def _times(self, t: Tensor, dtype: torch.dtype) -> Sequence[Tensor]:
        """What each block adds (S, C, 1, 1) for times ``t`` (S,)."""
        if self._embed is None or not self._widths:
            return ()
        embedding = functional.silu(self._embed.of(t, dtype))
        return functional.linear(embedding, self._time_weight, self._time_bias)[..., None, None].split(self._widths, 1)


def _encoder_part(module: nn.Module, blocks: list[ResidualBlock]) -> _TimedMap:
    if isinstance(module, Stage):
        return _stage(module, blocks)
    convolve = _convolution(cast(Downsample, module).conv)
    return lambda x, times: convolve(x)


def _stage(stage: Stage, blocks: list[ResidualBlock]) -> _TimedMap:
    block = _block(stage.block, blocks)
    if not isinstance(stage.attention, SelfAttention):
        return block
    attend = _attention(stage.attention)
    return lambda x, times: attend(block(x, times))


def _block(block: ResidualBlock, blocks: list[ResidualBlock]) -> _TimedMap:
    """The block as a function; it joins ``blocks`` if it sees the time, and its number there is its place in times."""
    norm_silu_1, convolve_1 = _norm_silu(block.norm1), _convolution(block.conv1)
    norm_silu_2, convolve_2 = _norm_silu(block.norm2), _convolution(block.conv2)
    shortcut = _convolution(block.shortcut) if isinstance(block.shortcut, nn.Conv2d) else None
    number = None if block.time is None else len(blocks)
    if block.time is not None:
        blocks.append(block)

    def answer(x: Tensor, times: Sequence[Tensor]) -> Tensor:
        h = convolve_1(norm_silu_1(x))
        if number is not None:
            h.add_(times[number])
        h = convolve_2(norm_silu_2(h))
        return h.add_(x if shortcut is None else shortcut(x))

    return answer


def _attention(attention: SelfAttention) -> _Map:
    norm, qkv, project = _norm(attention.norm), _convolution(attention.qkv), _convolution(attention.project)
    window = attention.window

    def answer(x: Tensor) -> Tensor:
        return project(attend(qkv(norm(x)), window)).add_(x)

    return answer


def _convolution(module: nn.Conv2d) -> _Map:
    weight = module.weight.detach()
    bias = None if module.bias is None else module.bias.detach()
    stride, padding = module.stride, cast("tuple[int, int]", module.padding)
    return lambda x: torch.conv2d(x, weight, bias, stride, padding)


def _norm(module: nn.GroupNorm) -> _Map:
    groups, weight, bias, epsilon = module.num_groups, module.weight.detach(), module.bias.detach(), module.eps

    def answer(x: Tensor) -> Tensor:
        parts = _parts(x.shape[-2] * x.shape[-1])
        if parts < _FEWEST_PARTS or not _is_channels_last_on_cpu(x):
            return torch.group_norm(x, groups, weight, bias, epsilon)
        mean, variance = _summed_in_parts(x, parts, groups)
        scale = torch.rsqrt(variance + epsilon) * weight.view(groups, -1)
        shift = bias.view(groups, -1) - mean * scale
        return torch.addcmul(shift.view(len(x), -1, 1, 1), x, scale.view(len(x), -1, 1, 1))

    return answer


def _parts(pixels: int) -> int:
    """Into how many equal parts a map's pixels are split, so that each has ``_SUMMED`` or a little more."""
    parts = 1
    while pixels % (2 * parts) == 0 and pixels // (2 * parts) >= _SUMMED:
        parts *= 2
    return parts


def _is_channels_last_on_cpu(x: Tensor) -> bool:
    return x.device.type == "cpu" and x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()


def _summed_in_parts(x: Tensor, parts: int, groups: int) -> tuple[Tensor, Tensor]:
    """Mean and variance of each group of channels, (S, groups, 1) each.

    Every ``parts``-th pixel of a channel is taken for one of another channel: in memory that is the same. What torch
    adds up in a row is then shorter, and means and variances v of equal parts make those of the whole,

        m = mean(m_i),   v = mean(v_i + (m_i - m)^2).

    Args:
        x: A map (S, C, H, W) whose channels are last in memory.
        parts: Of each channel's pixels, whose number they divide.
        groups: Of channels.
    """
    samples, channels, height, width = x.shape
    columns = x.permute(0, 2, 3, 1).reshape(samples, 1, height * width // parts, parts * channels).permute(0, 3, 1, 2)
    found = [torch.batch_norm_update_stats(one[None], None, None, 0.0) for one in columns]
    means, variances = (torch.stack(one).view(samples, parts, groups, -1) for one in zip(*found, strict=True))
    mean = means.mean((1, 3), keepdim=True)
    variance = (variances + (means - mean).square_()).mean((1, 3))
    return mean.view(samples, groups, 1), variance.view(samples, groups, 1)


def _norm_silu(module: nn.GroupNorm) -> _Map:
    norm = _norm(module)
    return lambda x: functional.silu(norm(x), inplace=True)

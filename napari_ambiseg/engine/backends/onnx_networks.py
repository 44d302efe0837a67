"""Our networks as ONNX models: the same walk through the same modules as their ``forward``.

A network that is added to ``models.networks`` is added here too, or ONNX Runtime is refused for it. Nothing relies on
the two walks being kept alike: a model is compared with torch before it is used (``onnx_checks``).
"""

from typing import cast

import torch
from torch import nn

from napari_ambiseg.engine.backends import onnx_layers as layers
from napari_ambiseg.engine.backends.onnx_graph import Graph, Map
from napari_ambiseg.errors import EngineError
from napari_ambiseg.models.blocks import Downsample, SelfAttention, Stage, Upsample
from napari_ambiseg.models.prob_backbone import ConvBlock, ProbBackbone
from napari_ambiseg.models.unet import UNet


def network_model(network: nn.Module, size: tuple[int, int]) -> bytes:
    """A network as an ONNX model.

    Args:
        network: A ``models.networks.Network`` with a head.
        size: Height and width of its input.

    Raises:
        EngineError: If there is no way to write this network.
    """
    if not isinstance(network, UNet | ProbBackbone) or not network.config.out_channels:
        raise EngineError(
            f"ONNX Runtime is taught the networks of this package, and {type(network).__name__} is none that it knows; "
            "use the engine torch"
        )
    graph = Graph()
    x = Map("x", network.config.in_channels, size)
    embedding = layers.time_embedding(graph, network.embed) if network.config.time_embedding else None
    y = _unet(graph, x, network, embedding) if isinstance(network, UNet) else _prob(graph, x, network, embedding)
    return graph.model(x, y)


def _unet(graph: Graph, x: Map, network: UNet, embedding: str | None) -> Map:
    patch = network.config.patch
    h = layers.conv(graph, _folded(graph, x, patch), network.stem, exact=True)
    skips = [h]
    for module in network.encoder:
        h = _stage(graph, h, module, embedding)
        skips.append(h)
    for module in network.middle:
        h = _stage(graph, h, module, embedding)
    for level, stages in enumerate(network.decoder):
        for stage in cast(nn.ModuleList, stages):
            h = _stage(graph, layers.side_by_side(graph, h, skips.pop()), stage, embedding)
        if level < len(network.upsamples):
            h = layers.upsample(graph, h, cast(Upsample, network.upsamples[level]))
    norm, _, last = network.head
    h = layers.activated(graph, layers.group_norm(graph, h, cast(nn.GroupNorm, norm)))
    return _unfolded(graph, layers.conv(graph, h, cast(nn.Conv2d, last), exact=True), patch)


def _stage(graph: Graph, x: Map, module: nn.Module, embedding: str | None) -> Map:
    if isinstance(module, Downsample):
        return layers.conv(graph, x, module.conv)
    assert isinstance(module, Stage)
    h = layers.residual_block(graph, x, module.block, embedding)
    return layers.attention(graph, h, module.attention) if isinstance(module.attention, SelfAttention) else h


def _folded(graph: Graph, x: Map, patch: int) -> Map:
    """Pixel patches as channels, ordered as ``torch.nn.functional.pixel_unshuffle`` does."""
    if patch == 1:
        return x
    height, width = x.size[0] // patch, x.size[1] // patch
    split = graph.reshaped(x.name, 0, x.channels, height, patch, width, patch)
    channels = x.channels * patch**2
    moved = graph.value("Transpose", split, perm=[0, 1, 3, 5, 2, 4])
    return Map(graph.reshaped(moved, 0, channels, height, width), channels, (height, width))


def _unfolded(graph: Graph, x: Map, patch: int) -> Map:
    """The opposite of ``_folded``."""
    if patch == 1:
        return x
    name = graph.value("DepthToSpace", x.name, blocksize=patch, mode="CRD")
    return Map(name, x.channels // patch**2, (x.size[0] * patch, x.size[1] * patch))


def _prob(graph: Graph, x: Map, network: ProbBackbone, embedding: str | None) -> Map:
    maps: list[Map] = []
    for level, block in enumerate(network.contracting.blocks):
        x = _block(graph, _halved(graph, x) if level else x, cast(ConvBlock, block), embedding, exact=not level)
        maps.append(x)
    *skips, h = maps
    for block in network.expanding:
        h = layers.side_by_side(graph, _doubled(graph, h), skips.pop())
        h = _block(graph, h, cast(ConvBlock, block), embedding)
    norm, last = network.head
    return layers.conv(graph, layers.group_norm(graph, h, cast(nn.GroupNorm, norm)), cast(nn.Conv2d, last))


def _block(graph: Graph, x: Map, block: ConvBlock, embedding: str | None, *, exact: bool = False) -> Map:
    first, *others = (cast(nn.Conv2d, module) for module in block.convs)
    h = layers.conv(graph, x, first, exact=exact)
    if isinstance(block.norm, nn.GroupNorm):
        h = layers.group_norm(graph, h, block.norm)
    if block.time is not None and embedding is not None:
        h = layers.plus_time(graph, h, block.time, embedding)
    h = _relu(graph, h)
    for module in others:
        h = _relu(graph, layers.conv(graph, h, module))
    return h


def _relu(graph: Graph, x: Map) -> Map:
    return Map(graph.value("Relu", x.name), x.channels, x.size)


def _halved(graph: Graph, x: Map) -> Map:
    """Averages of 2x2 pixels."""
    name = graph.value("AveragePool", x.name, kernel_shape=[2, 2], strides=[2, 2])
    return Map(name, x.channels, (x.size[0] // 2, x.size[1] // 2))


def _doubled(graph: Graph, x: Map) -> Map:
    """Bilinear interpolation to twice the size."""
    size = (2 * x.size[0], 2 * x.size[1])
    scales = graph.weights(torch.tensor([1, 1, 2, 2]))
    # The input without a name would be a region of interest.
    name = graph.value("Resize", x.name, "", scales, mode="linear", coordinate_transformation_mode="half_pixel")
    return Map(name, x.channels, size)

"""The networks that are compared: the paper's, and those of the same sizes that other packages build.

Weights are random. The convolutions that training starts at zero are random too: with zeros most of the network would
be silent, and its answers equal whatever computes them.
"""

import math
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.harness import CannotRun
from napari_ambiseg.engine import GreyScale, Sampled, SamplingOptions, SliceInput
from napari_ambiseg.models.checkpoint import Grid, Header, Model
from napari_ambiseg.models.diffusion_segmenter import DiffusionConfig, DiffusionSegmenter
from napari_ambiseg.models.segmenter import Network
from napari_ambiseg.models.unet_config import NAMED_SIZES, named_size

_WIDTHS = (32, 32, 64, 128)


def named_model(size: str, side_px: int, *, attention_window: int = 0) -> Model:
    """A diffusion model with a network of a named size, on a square grid."""
    torch.manual_seed(0)
    segmenter = DiffusionSegmenter(DiffusionConfig(unet=named_size(size, attention_window=attention_window))).eval()
    for part in segmenter.modules():
        if isinstance(part, nn.Conv2d) and not part.weight.any():
            part.reset_parameters()
    grid = Grid(size=(side_px, side_px))
    config = {"unet": {"architecture": "unet", **NAMED_SIZES[size], "attention_window": attention_window}}
    return Model(segmenter, Header(kind=DiffusionSegmenter.kind, config=config, grid=grid, name=f"random {size}"))


def diffusion_of(model: Model) -> DiffusionSegmenter:
    """Its segmenter, which is one of diffusion."""
    assert isinstance(model.segmenter, DiffusionSegmenter)
    return model.segmenter


def noise_slice(model: Model) -> SliceInput:
    """A slice of noise that has the model's grid and grey scale already."""
    pixels = np.random.default_rng(0).random(model.header.grid.size, np.float32)
    return SliceInput(pixels, model.header.grid.spacing_mm, GreyScale.NORMALISED)


def require_engine(sampled: Sampled, name: str) -> None:
    """Refuse a run that another engine had to finish.

    Raises:
        CannotRun: If it was another.
    """
    if sampled.engine != name:
        reasons = [note for note in sampled.notes if name in note]
        raise CannotRun(" ".join(reasons) or f"{sampled.engine} took over")


def monai() -> Network:
    """MONAI's network, with the paper's widths, blocks and attention."""
    from monai.networks.nets import DiffusionModelUNet

    network = DiffusionModelUNet(
        spatial_dims=2,
        in_channels=4,
        out_channels=1,
        channels=_WIDTHS,
        num_res_blocks=(1, 2, 3, 4),
        attention_levels=(False, False, False, True),
        num_head_channels=_WIDTHS[-1],
        norm_num_groups=32,
    ).eval()
    return lambda x, t: network(x, timesteps=t)


def diffusers() -> Network:
    """The network of diffusers, likewise; it has one number of blocks for all levels."""
    from diffusers import UNet2DModel

    network: Any = UNet2DModel(
        in_channels=4,
        out_channels=1,
        block_out_channels=_WIDTHS,
        layers_per_block=2,  # brings its arithmetic closest to the paper's
        down_block_types=("DownBlock2D",) * 3 + ("AttnDownBlock2D",),
        up_block_types=("AttnUpBlock2D",) + ("UpBlock2D",) * 3,
        attention_head_dim=_WIDTHS[-1],
        norm_num_groups=32,
    ).eval()
    return lambda x, t: network(x, t).sample


@torch.no_grad()
def step_flop(segmenter: DiffusionSegmenter, side_px: int) -> int:
    """Multiplications and additions of one reading's step, those of convolutions and matrix products."""
    image, options = torch.zeros(1, side_px, side_px), SamplingOptions(steps=1)
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        next(iter(segmenter.sample(image, seeds=[0], options=options)))
    return counter.get_total_flops()


def graph_flop(model: bytes) -> int:
    """The same of an ONNX model for one reading: ours are written with fewer operations than the network has."""
    import onnx

    graph = onnx.shape_inference.infer_shapes(onnx.load_from_string(model)).graph
    shapes = {constant.name: list(constant.dims) for constant in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        shapes[value.name] = [axis.dim_value or 1 for axis in value.type.tensor_type.shape.dim]
    summed = {  # operator -> what is multiplied and added for each of its outputs
        "Conv": lambda x, weight: math.prod(weight[1:]),
        "MatMul": lambda a, b: a[-1],
        "Gemm": lambda x, weight: weight[1],
    }
    nodes = [node for node in graph.node if node.op_type in summed]
    return sum(
        2 * math.prod(shapes[node.output[0]]) * summed[node.op_type](*(shapes[name] for name in node.input[:2]))
        for node in nodes
    )

"""Random changes of an example: drawing the parameters and applying them are two functions.

Crop, flips, quarter turns, rotation, scaling and shift are one affine map from output pixels to input pixels, applied
once with linear interpolation: without rotation and scaling the pixels are moved, not blurred.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from trainer.config import AugmentConfig


@dataclass(frozen=True, slots=True)
class Transform:
    """One example's change.

    Attributes:
        centre: Where the output's centre lies on the input, (row, column) in pixels from the input's centre.
        linear: 2 x 2 matrix from output offsets (row, column) to input offsets.
        gamma: Exponent on the grey values in [0, 1].
        contrast: Factor about the middle grey.
        brightness: Added to the grey values.
    """

    centre: tuple[float, float] = (0.0, 0.0)
    linear: tuple[tuple[float, float], tuple[float, float]] = ((1.0, 0.0), (0.0, 1.0))
    gamma: float = 1.0
    contrast: float = 1.0
    brightness: float = 0.0


def draw_transform(config: AugmentConfig, rng: np.random.Generator, *, centre: tuple[float, float]) -> Transform:
    """Draw a change for an example whose crop is centred at ``centre``."""
    quarter_turns = int(rng.integers(4)) if rng.random() < config.flip else 0
    flips = [-1.0 if rng.random() < config.flip else 1.0 for _ in range(2)]
    angle, scale, shift = 0.0, 1.0, (0.0, 0.0)
    if rng.random() < config.affine:
        angle = math.radians(rng.uniform(-config.rotate_degrees, config.rotate_degrees))
        scale = 1.0 + rng.uniform(-config.scale, config.scale)
    if rng.random() < config.affine:
        shift = tuple(float(np.rint(s)) for s in rng.uniform(-config.shift_px, config.shift_px, size=2))
    return Transform(
        centre=(centre[0] + shift[0], centre[1] + shift[1]),
        linear=_matrix(angle=angle + quarter_turns * math.pi / 2, scale=scale, flips=(flips[0], flips[1])),
        gamma=float(np.exp(rng.uniform(-0.2, 0.2))) if rng.random() < config.grey else 1.0,
        contrast=float(rng.uniform(0.9, 1.1)) if rng.random() < config.grey else 1.0,
        brightness=float(rng.uniform(-0.05, 0.05)) if rng.random() < config.grey else 0.0,
    )


def _matrix(
    *, angle: float, scale: float, flips: tuple[float, float]
) -> tuple[tuple[float, float], tuple[float, float]]:
    cos, sin = math.cos(angle) * scale, math.sin(angle) * scale
    return (cos * flips[0], -sin * flips[1]), (sin * flips[0], cos * flips[1])


def apply_geometry(stack: Tensor, transforms: Sequence[Transform], size: int) -> Tensor:
    """Crop, turn and scale each example.

    Args:
        stack: (B, C, H, W), float.
        transforms: One per example.
        size: Side of the square that comes out.

    Returns:
        (B, C, size, size), linearly interpolated; beyond the input's border its edge is repeated.
    """
    height, width = stack.shape[-2:]
    # grid_sample wants (x, y), so the rows of the matrix and of the centre change places,
    linear = torch.tensor([t.linear[::-1] for t in transforms], dtype=torch.float32)  # (B, 2, 2)
    centre = torch.tensor([t.centre[::-1] for t in transforms], dtype=torch.float32)
    grid = torch.einsum("bij,hwj->bhwi", linear, _offsets(size)).add_(centre[:, None, None, :])
    grid.div_(torch.tensor([width / 2, height / 2]))  # with the outer borders of the input at -1 and 1
    return functional.grid_sample(stack, grid, mode="bilinear", padding_mode="border", align_corners=False)


@lru_cache(maxsize=4)
def _offsets(size: int) -> Tensor:
    """(row, column) of the pixels of a square from its middle (size, size, 2); not to be changed."""
    offsets = torch.arange(size, dtype=torch.float32) - (size - 1) / 2
    return torch.stack(torch.meshgrid(offsets, offsets, indexing="ij"), dim=-1)


def apply_grey(unit: Tensor, transforms: Sequence[Transform]) -> Tensor:
    """Change gamma, contrast and brightness of grey values (B, 1, H, W) in [0, 1]; the result stays there."""

    def column(values: list[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float32)[:, None, None, None]

    changed = unit.clamp(0, 1)
    if curved := [i for i, t in enumerate(transforms) if t.gamma != 1.0]:  # a power costs more than all the rest
        changed[curved] = changed[curved] ** column([transforms[i].gamma for i in curved])
    changed.sub_(0.5).mul_(column([t.contrast for t in transforms])).add_(0.5)
    return changed.add_(column([t.brightness for t in transforms])).clamp_(0, 1)

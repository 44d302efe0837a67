"""PHiSeg (Baumgartner et al., 2019): a segmentation built from latent maps at several resolutions.

The latents are maps ``z_l`` (S, latent_channels, H_l, W_l), l = 0 the finest. Coarse ones say what is there, fine ones
where its edge runs, each given the next coarser one and the image c:

    p(y, z_0..z_L | c) = p(y | z_0..z_L) p(z_0 | z_1, c) ... p(z_{L-1} | z_L, c) p(z_L | c)

with diagonal Gaussians ``N(mean, std^2)``. Everything that y needs to know of c passes through z. The likelihood sums
the logits that each level contributes, from the coarsest up, so that each finer level corrects the sum so far.

Training adds a posterior ``q(z_l | z_{l+1}, c, y)`` of the same build (``trainer.objectives.phiseg``); prior and
likelihood are what is sampled and shipped.

The paper leaves open how wide the convolutions around z are, and how many. Several layouts have the 7,322,210
parameters of the published comparison (n0 = 20, posterior included); this is one in which every 3x3 convolution is free
of bias and followed by batch norm and ReLU, and each resolution has the width of the encoder's:

- encoder: three convolutions a resolution, average pooling between them;
- z_{l+1} on its way to level l: up, two convolutions of n0 channels, concatenated with the encoder's map; then 1x1
  convolutions to the mean and to the std, through softplus;
- likelihood: a convolution of z_l, and one after each of the doublings that lead from the latent's resolution to that
  of its level; concatenated with the coarser level (up, two convolutions); three convolutions; a 1x1 head to logits.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from pydantic import ConfigDict, TypeAdapter
from torch import Tensor, nn
from torch.nn import functional

from napari_ambiseg.diffusion.sampling import SeededNoise, State
from napari_ambiseg.errors import SettingsError
from napari_ambiseg.models.blocks import require_multiple
from napari_ambiseg.models.segmenter import SamplingOptions, register

LABELS = 2
"""Background and foreground."""

MIN_STD = 1e-3
"""Added to every standard deviation: softplus reaches 0, where a divergence is infinite or no number."""


@dataclass(frozen=True, slots=True)
class PHiSegConfig:
    """Sizes of a PHiSeg.

    Attributes:
        in_channels: Channels of the image.
        width: Channels of the finest resolution, the paper's n0.
        multipliers: Width of each resolution in units of ``width``, finest first.
        latent_levels: Levels with a latent: those of the coarsest resolutions.
        latent_channels: Channels of each latent, the paper's zdim0.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    in_channels: int = 1
    width: int = 20
    multipliers: tuple[int, ...] = (1, 2, 4, 6, 6, 6, 6)
    latent_levels: int = 5
    latent_channels: int = 2

    def __post_init__(self) -> None:
        if not self.multipliers or min(self.in_channels, self.width, self.latent_channels, *self.multipliers) < 1:
            raise SettingsError(f"{self} is no network; channels, widths and their multipliers start at 1")
        if not 1 <= self.latent_levels <= len(self.multipliers):
            raise SettingsError(
                f"there are {self.latent_levels} latent levels; give 1 to {len(self.multipliers)}, one a resolution"
            )

    @property
    def multiple(self) -> int:
        """Height and width of the input must be multiples of this."""
        return 2 ** (len(self.multipliers) - 1)

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each resolution, finest first."""
        return tuple(self.width * factor for factor in self.multipliers)

    @property
    def doublings(self) -> int:
        """How often a latent is doubled to reach the resolution at which its level speaks."""
        return len(self.multipliers) - self.latent_levels


NAMED_SIZES: dict[str, dict[str, Any]] = {
    # 7,322,210 parameters with its posterior.
    "paper": {},
    # For CPUs: fewer resolutions, all narrower.
    "small": {"width": 12, "multipliers": (1, 2, 3, 4, 4), "latent_levels": 4},
    # For tables on a CPU; see ``unet_config.NAMED_SIZES``.
    "mini": {"width": 12, "multipliers": (1, 2, 2, 2), "latent_levels": 3},
    # For tests: fits a toy in seconds.
    "tiny": {"width": 8, "multipliers": (1, 2, 2, 2), "latent_levels": 3},
}


def named_size(name: str) -> PHiSegConfig:
    """The configuration of a named size.

    Raises:
        SettingsError: If the name is unknown.
    """
    if name not in NAMED_SIZES:
        raise SettingsError(f"unknown size {name!r} of PHiSeg; choose one of {', '.join(NAMED_SIZES)}")
    return PHiSegConfig(**NAMED_SIZES[name])


@dataclass(frozen=True, slots=True)
class Gaussian:
    """Independent normal distributions.

    Attributes:
        mean: (S, C, H, W).
        std: The same shape, at least ``MIN_STD``.
    """

    mean: Tensor
    std: Tensor

    def at(self, noise: Tensor) -> Tensor:
        """The values that lie ``noise`` standard deviations from the mean."""
        return self.mean + self.std * noise


Draw = Callable[[int, Gaussian], Tensor]
"""(level, its distribution) -> the latent at that level; called from the coarsest level to the finest."""


def convolutions(in_channels: int, out_channels: int, count: int) -> nn.Sequential:
    """``count`` times a 3x3 convolution, batch norm and ReLU."""
    modules: list[nn.Module] = []
    for width in [in_channels] + [out_channels] * (count - 1):
        modules += [nn.Conv2d(width, out_channels, 3, padding=1, bias=False), nn.BatchNorm2d(out_channels), nn.ReLU()]
    return nn.Sequential(*modules)


def enlarge(x: Tensor, factor: int = 2) -> Tensor:
    """Nearest neighbour."""
    return functional.interpolate(x, scale_factor=float(factor), mode="nearest")


def _precise(x: Tensor) -> Tensor:
    """At least 32 bits, whatever the convolutions compute with."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


class LatentPath(nn.Module):
    """From an input to the latents: the prior (of the image) or the posterior (of the image and a mask).

    Args:
        in_channels: Channels of the input.
        config: Sizes.
    """

    def __init__(self, in_channels: int, config: PHiSegConfig) -> None:
        super().__init__()
        self.config = config
        inputs = (in_channels, *config.widths[:-1])
        self.encoder = nn.ModuleList(convolutions(i, o, 3) for i, o in zip(inputs, config.widths, strict=True))
        self.coarser = nn.ModuleList(
            convolutions(config.latent_channels, config.width, 2) for _ in range(config.latent_levels - 1)
        )
        widths = [w + config.width for w in config.widths[config.doublings : -1]] + [config.widths[-1]]
        self.mean = nn.ModuleList(nn.Conv2d(width, config.latent_channels, 1) for width in widths)
        self.raw_std = nn.ModuleList(nn.Conv2d(width, config.latent_channels, 1) for width in widths)

    def encode(self, x: Tensor) -> list[Tensor]:
        """The map (S, width, H_l, W_l) of each latent level, finest first, of inputs (S, in_channels, H, W).

        Raises:
            InputImageError: If H or W is not a multiple of ``config.multiple``.
        """
        require_multiple(x, self.config.multiple)
        maps: list[Tensor] = []
        for resolution, block in enumerate(self.encoder):
            x = block(functional.avg_pool2d(x, 2) if resolution else x)
            maps.append(x)
        return maps[self.config.doublings :]

    def forward(self, maps: Sequence[Tensor], draw: Draw) -> tuple[list[Gaussian], list[Tensor]]:
        """The distribution of each level given the coarser latents, and the latents; finest first.

        Args:
            maps: What ``encode`` answered.
            draw: Chooses the latents, of which the finer levels' distributions depend.
        """
        gaussians: list[Gaussian] = []
        latents: list[Tensor] = []
        for level in reversed(range(self.config.latent_levels)):
            h = maps[level]
            if latents:
                h = torch.cat([h, self.coarser[level](enlarge(latents[-1].to(h)))], dim=1)
            mean, raw = _precise(self.mean[level](h)), _precise(self.raw_std[level](h))
            gaussians.append(Gaussian(mean, functional.softplus(raw) + MIN_STD))
            latents.append(draw(level, gaussians[-1]))
        return gaussians[::-1], latents[::-1]


class Likelihood(nn.Module):
    """From latents to a segmentation.

    Args:
        config: Sizes.
    """

    def __init__(self, config: PHiSegConfig) -> None:
        super().__init__()
        widths = config.widths[config.doublings :]
        self.lift = nn.ModuleList(_lift(config.latent_channels, width, config.doublings) for width in widths)
        self.coarser = nn.ModuleList(convolutions(widths[i + 1], widths[i], 2) for i in range(len(widths) - 1))
        self.merge = nn.ModuleList(convolutions(2 * width, width, 3) for width in widths[:-1])
        self.heads = nn.ModuleList(nn.Conv2d(width, LABELS, 1) for width in widths)

    def forward(self, latents: Sequence[Tensor]) -> list[Tensor]:
        """Logits (S, LABELS, H, W) of the sum of each level and all coarser ones, finest first: the first is final.

        Args:
            latents: One of each level, finest first.
        """
        sums: list[Tensor] = []
        h = self.lift[-1](latents[-1])
        for level in reversed(range(len(latents))):
            if level < len(self.merge):
                below = self.coarser[level](enlarge(h))
                h = self.merge[level](torch.cat([self.lift[level](latents[level]), below], dim=1))
            logits = enlarge(_precise(self.heads[level](h)), 2**level)
            sums.append(sums[-1] + logits if sums else logits)
        return sums[::-1]


def _lift(latent_channels: int, width: int, doublings: int) -> nn.Sequential:
    """A convolution of the latent, and one after each doubling."""
    lifted: list[nn.Module] = []
    for _ in range(doublings):
        lifted += [nn.UpsamplingNearest2d(scale_factor=2), *convolutions(width, width, 1)]
    return nn.Sequential(*convolutions(latent_channels, width, 1), *lifted)


class PHiSeg(nn.Module):
    """Prior and likelihood. ``sample`` it in evaluation mode: batch norm then uses what it has seen in training."""

    kind: ClassVar[str] = "phiseg"

    def __init__(self, config: PHiSegConfig) -> None:
        super().__init__()
        self.config = config
        self.prior = LatentPath(config.in_channels, config)
        self.likelihood = Likelihood(config)

    @torch.no_grad()
    def sample(self, image: Tensor, *, seeds: Sequence[int], options: SamplingOptions) -> Iterator[State]:
        """See ``Segmenter.sample``; the one state has ``x_hat = 2 p - 1`` with p the foreground probability.

        A reading's seed gives its latents, from the coarsest to the finest.
        """
        assert not self.training
        noise = SeededNoise(seeds)
        image = image.expand(self.config.in_channels, -1, -1)
        maps = [m.expand(len(seeds), -1, -1, -1) for m in self.prior.encode(image.unsqueeze(0))]
        _, latents = self.prior(maps, lambda _, gaussian: gaussian.at(noise(gaussian.mean)))
        final: Tensor = self.likelihood(latents)[0]
        background, foreground = final.split(1, dim=1)
        x_hat = torch.tanh((foreground - background) / 2)  # 2 sigmoid(logit) - 1
        yield State(step=1, total=1, log_snr=math.inf, x_t=x_hat, x_hat=x_hat)


@register(PHiSeg.kind)
def build_phiseg(config: dict[str, Any]) -> PHiSeg:
    """Build from a configuration as written in a checkpoint (pydantic's ``ValidationError`` if it is not valid)."""
    return PHiSeg(TypeAdapter(PHiSegConfig).validate_python(config))

"""The Probabilistic UNet (Kohl et al., 2018) and its generalisations (Bhat et al., 2022, 2023).

A UNet reads the image once. A second network, the prior, reads the same image and answers a distribution over a code z
of a few numbers (``models.latent``); each z is one way of reading the image. It is broadcast over the UNet's last
feature map, and 1x1 convolutions turn both into the logits of a mask. Another reading costs just those convolutions.

Training adds a posterior, a prior that also sees an expert's mask (``trainer.objectives.prob_unet``). It is the same
``Encoder`` without normalisation and is no part of this model. With it, and the sizes ``paper``, the numbers of
parameters are those of the paper: 6,847,129 with an axis-aligned Gaussian, 6,864,027 with a mixture of them, 6,844,945
with a full covariance, 6,882,467 with a mixture of those. These four fix the layout: three convolutions a block, a
bilinear way up, one linear map from the pooled features to all numbers of the distribution (a mixture's weights, and
for a full covariance a whole Z x Z matrix, among them), mixtures on both sides, and affine normalisations with
2 (480 + 224) numbers in the UNet and 960 in both encoders together. How those 960 are shared, and what normalises, is
not confirmed: here they are a GroupNorm in each block of the prior, and the posterior has none.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import torch
from pydantic import ConfigDict, TypeAdapter
from torch import Tensor, nn
from torch.nn import functional

from napari_ambiseg.diffusion.sampling import SeededNoise, State
from napari_ambiseg.errors import SettingsError
from napari_ambiseg.models.blocks import require_multiple
from napari_ambiseg.models.latent import Latent, LatentConfig, LatentNoise
from napari_ambiseg.models.networks import NetworkConfig, build_network
from napari_ambiseg.models.prob_backbone import ContractingPath, he
from napari_ambiseg.models.segmenter import SamplingOptions, register
from napari_ambiseg.models.unet_config import require_groups


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """Sizes of the prior and of the posterior.

    Attributes:
        channels: Width of each level, finest first.
        convs: Convolutions of each block.
        norm_groups: Groups of each of the prior's GroupNorms; must divide every width.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    channels: tuple[int, ...] = (32, 64, 128, 256)
    convs: int = 3
    norm_groups: int = 8

    def __post_init__(self) -> None:
        if not self.channels or min(self.convs, self.norm_groups, *self.channels) < 1:
            raise SettingsError(f"{self} is no network; channels, convolutions and groups start at 1")
        require_groups(self.channels, self.norm_groups)


@dataclass(frozen=True, slots=True)
class ProbUNetConfig:
    """Everything that defines the model apart from its weights.

    Attributes:
        unet: The network that reads the image; it has no head and no time embedding.
        latent: Distribution of z.
        encoder: Sizes of the network that answers it.
        combiner_convs: 1x1 convolutions that turn features and z into logits, at least 2.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    unet: NetworkConfig
    latent: LatentConfig
    encoder: EncoderConfig = EncoderConfig()
    combiner_convs: int = 4

    def __post_init__(self) -> None:
        if self.unet.out_channels or self.unet.time_embedding:
            raise SettingsError(
                f"the network has {self.unet.out_channels} outputs and a time embedding of {self.unet.time_embedding}; "
                "a Probabilistic UNet takes its features alone: give 0 for both"
            )
        if self.combiner_convs < 2:
            raise SettingsError(f"{self.combiner_convs} convolutions do not combine features and z; give 2 or more")


class Encoder(nn.Module):
    """Images to distributions of z: a contracting path, the mean over pixels, and one linear map.

    The means are standardised, without parameters of their own, before they are mapped. What tells two masks apart is a
    small part of them; z would differ by a hundredth of its noise, and the decoder would learn to ignore it before the
    posterior had learned to say anything.

    Args:
        in_channels: Channels of the input.
        sizes: Of the network.
        latent: The distribution.
        normalised: Whether the blocks have their GroupNorm.
    """

    def __init__(self, in_channels: int, sizes: EncoderConfig, latent: LatentConfig, *, normalised: bool) -> None:
        super().__init__()
        self.latent = latent
        self.multiple = 2 ** (len(sizes.channels) - 1)
        self.path = ContractingPath(
            in_channels, sizes.channels, convs=sizes.convs, norm_groups=sizes.norm_groups if normalised else 0
        )
        self.numbers = nn.Linear(sizes.channels[-1], latent.numbers)

    def forward(self, x: Tensor) -> Latent:
        """Distributions (S,) for inputs (S, in_channels, H, W).

        Raises:
            InputImageError: If H or W cannot be halved as often as the network does.
        """
        require_multiple(x, self.multiple)
        pooled = self.path(x)[-1].mean(dim=(-2, -1))
        return self.latent.distribution(self.numbers(functional.layer_norm(pooled, pooled.shape[-1:])))


class Combiner(nn.Module):
    """Features and z to logits: z is repeated over the map, then 1x1 convolutions with ReLUs between them.

    Args:
        channels: Of the feature map.
        dim: Components of z.
        convs: Number of convolutions.
        patch: Pixels a side for each pixel of the map.
    """

    def __init__(self, channels: int, dim: int, *, convs: int, patch: int) -> None:
        super().__init__()
        self.patch = patch
        widths = [channels + dim, *[channels] * (convs - 1), patch**2]
        self.convs = nn.ModuleList(he(nn.Conv2d(a, b, 1)) for a, b in pairwise(widths))

    def forward(self, features: Tensor, z: Tensor) -> Tensor:
        """Logits (S, 1, H, W) of features (S, channels, H / patch, W / patch) and z (S, Z)."""
        repeated = z.to(features.dtype)[:, :, None, None].expand(-1, -1, *features.shape[-2:])
        first, *others = self.convs
        h = first(torch.cat([features, repeated], dim=1))
        for conv in others:
            h = conv(functional.relu(h))
        return functional.pixel_shuffle(h, self.patch)


class ProbUNetSegmenter(nn.Module):
    """UNet, prior and combiner. ``prior`` and ``decode`` keep nothing; ``sample`` puts them together."""

    kind: ClassVar[str] = "prob-unet"

    def __init__(self, config: ProbUNetConfig) -> None:
        super().__init__()
        self.config = config
        self.unet = build_network(config.unet)
        self.prior_encoder = Encoder(config.unet.in_channels, config.encoder, config.latent, normalised=True)
        self.combiner = Combiner(
            config.unet.channels[0], config.latent.dim, convs=config.combiner_convs, patch=config.unet.patch
        )

    def prior(self, image: Tensor) -> Latent:
        """Distributions of z (S,) for normalised images (S, 1, H, W)."""
        return self.prior_encoder(self._repeated(image))

    def features(self, image: Tensor) -> Tensor:
        """The UNet's last map, for ``decode``: all that it says about normalised images (S, 1, H, W)."""
        return self.unet.features(self._repeated(image))

    def decode(self, features: Tensor, z: Tensor) -> Tensor:
        """Foreground logits (S, 1, H, W) of the readings z (S, Z)."""
        return self.combiner(features, z)

    @torch.no_grad()
    def sample(self, image: Tensor, *, seeds: Sequence[int], options: SamplingOptions) -> Iterator[State]:
        """See ``Segmenter.sample``; the one state has ``x_hat = 2 p - 1``, p the foreground probability given z."""
        batch, latent = image.unsqueeze(0), self.config.latent
        normals = SeededNoise(seeds)(torch.empty(len(seeds), latent.dim + latent.components, device=image.device))
        z = self.prior(batch).rsample(LatentNoise.from_normals(normals, latent.dim))
        logits = self.decode(self.features(batch).expand(len(seeds), -1, -1, -1), z)
        x_hat = 2.0 * torch.sigmoid(logits) - 1.0
        yield State(step=1, total=1, log_snr=math.inf, x_t=x_hat, x_hat=x_hat)

    def _repeated(self, image: Tensor) -> Tensor:
        return image.expand(-1, self.config.unet.in_channels, -1, -1)


@register(ProbUNetSegmenter.kind)
def build_prob_unet(config: dict[str, Any]) -> ProbUNetSegmenter:
    """Build from a configuration as written in a checkpoint (pydantic's ``ValidationError`` if it is not valid)."""
    return ProbUNetSegmenter(TypeAdapter(ProbUNetConfig).validate_python(config))

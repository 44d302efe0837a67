"""The networks that models share: which there are, at which named sizes, and how a checkpoint tells them apart.

Every kind of model makes its network with ``build_network`` from a configuration that is tagged with its architecture:
the diffusion model can run on the Probabilistic UNet's network and the other way round, as in the paper's Table 4. A
configuration without a tag means ``unet``, which once was the only one.
"""

from typing import Annotated, Any, cast

from pydantic import Discriminator, Tag

from napari_ambiseg.errors import SettingsError
from napari_ambiseg.models import prob_backbone, unet_config
from napari_ambiseg.models.prob_backbone import ProbBackbone, ProbBackboneConfig
from napari_ambiseg.models.unet import UNet
from napari_ambiseg.models.unet_config import UNetConfig

Network = UNet | ProbBackbone
"""Call it with (x, t) for its output, or ask for ``features(x, t)``, its last feature map."""


def _architecture(value: object) -> str | None:
    """The tag of a configuration as written in a checkpoint, or of a record."""
    if isinstance(value, dict):
        return cast("dict[str, Any]", value).get("architecture", "unet")
    return getattr(value, "architecture", None)


NetworkConfig = Annotated[
    Annotated[UNetConfig, Tag("unet")] | Annotated[ProbBackboneConfig, Tag("prob-unet")], Discriminator(_architecture)
]

_SIZES: dict[str, tuple[type[UNetConfig] | type[ProbBackboneConfig], dict[str, dict[str, Any]]]] = {
    "unet": (UNetConfig, unet_config.NAMED_SIZES),
    "prob-unet": (ProbBackboneConfig, prob_backbone.NAMED_SIZES),
}

# A model that also trains two encoders of z has fewer parameters left for its UNet. The paper keeps the total by
# scaling the widths when a network is used by the other family (7.3 and Section 4.2); how far is not published.
_CROSSED: dict[tuple[str, str], dict[str, Any]] = {
    ("unet", "paper"): {"channels": (21, 21, 42, 84), "norm_groups": 21},
    ("unet", "small"): {"channels": (32, 40, 64)},
    ("unet", "mini"): {"channels": (12, 22), "norm_groups": 2},
    ("prob-unet", "paper"): {"channels": (48, 96, 192, 384)},
    ("prob-unet", "small"): {"channels": (32, 64, 128, 240), "norm_groups": 8},
    ("prob-unet", "mini"): {"channels": (14, 28, 56), "norm_groups": 7},
}


def build_network(config: UNetConfig | ProbBackboneConfig) -> Network:
    """A freshly initialised network."""
    return UNet(config) if isinstance(config, UNetConfig) else ProbBackbone(config)


def named_network(
    architecture: str, size: str, *, crossed: bool = False, **changes: Any
) -> UNetConfig | ProbBackboneConfig:
    """The configuration of a named size, with some fields changed.

    Args:
        architecture: ``unet`` (the diffusion model's) or ``prob-unet``.
        size: paper, small, mini or tiny.
        crossed: Whether it is for the other family of models: its widths then make up for the encoders of z.
        changes: Fields that differ.

    Raises:
        SettingsError: If there is no such architecture or size.
    """
    if architecture not in _SIZES:
        raise SettingsError(f"unknown network {architecture!r}; choose one of {', '.join(_SIZES)}")
    record, sizes = _SIZES[architecture]
    if size not in sizes:
        raise SettingsError(f"unknown network size {size!r}; choose one of {', '.join(sizes)}")
    widths = _CROSSED.get((architecture, size), {}) if crossed else {}
    return record(**{**sizes[size], **widths, **changes})

"""Sizes of the denoiser: every number that a UNet is built from, and the sizes that have names."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ConfigDict

from napari_ambiseg.errors import SettingsError


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
    # For tables on a CPU: with whatever trains beside it, 160,000 to 182,000 parameters in every model of disagreement.
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

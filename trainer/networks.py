"""Which network a run's model gets: its kind's own, or the other family's (Table 4)."""

from typing import Any

from napari_ambiseg.errors import SettingsError
from napari_ambiseg.models.networks import named_network
from napari_ambiseg.models.prob_backbone import ProbBackboneConfig
from napari_ambiseg.models.unet_config import UNetConfig
from trainer.config import FitConfig


def chosen_network(config: FitConfig, *, own: str, **changes: Any) -> UNetConfig | ProbBackboneConfig:
    """The configuration of the network that ``config.backbone`` and ``config.size`` name.

    Args:
        config: The run.
        own: The network that this kind of model has by itself, ``unet`` or ``prob-unet``.
        changes: Fields that differ from the named size.

    Raises:
        SettingsError: If there is no such network or size, or attention in windows is asked of one that has none.
    """
    chosen = own if config.backbone == "own" else config.backbone
    if chosen == "unet":
        changes["attention_window"] = config.attention_window
    else:
        require_no_window(config)
    return named_network(chosen, config.size, crossed=chosen != own, **changes)


def require_no_window(config: FitConfig) -> None:
    """Refuse a setting that a network without attention would ignore.

    Raises:
        SettingsError: If attention in windows is asked for.
    """
    if config.attention_window:
        raise SettingsError(
            f"attention_window is {config.attention_window}, but the network of this {config.kind!r} model has no "
            "attention; leave it at 0"
        )

"""Cross-entropy of the pixels of one expert drawn at random, with channels silenced as each example's seed says."""

from dataclasses import asdict
from typing import Any

from torch import Tensor
from torch.nn import functional

from napari_ambiseg.errors import SettingsError
from napari_ambiseg.models.mc_dropout import MCDropoutConfig, MCDropoutSegmenter
from napari_ambiseg.models.unet_config import named_size
from trainer.config import FitConfig
from trainer.data.batches import Batch
from trainer.objectives.objective import Objective


def mc_dropout_config(config: FitConfig) -> dict[str, Any]:
    """The model's configuration as its builder takes it.

    Raises:
        SettingsError: If the run asks for a network that has no place for dropout.
    """
    if config.backbone not in {"own", "unet"}:
        raise SettingsError(
            f"backbone is {config.backbone!r}, but MC dropout knows its places in the diffusion model's UNet only; "
            "leave it at 'own'"
        )
    image_channels = named_size(config.size).in_channels - 1
    unet = named_size(
        config.size, in_channels=image_channels, time_embedding=0, attention_window=config.attention_window
    )
    return asdict(MCDropoutConfig(unet=unet, dropout=config.dropout))


class MCDropoutObjective(Objective):
    """Binary cross-entropy, mean over pixels."""

    model: MCDropoutSegmenter

    def __init__(self, model: MCDropoutSegmenter, config: FitConfig) -> None:
        super().__init__(model)

    def forward(self, batch: Batch) -> Tensor:
        logits = self.model(batch.image, batch.seeds)
        return functional.binary_cross_entropy_with_logits(logits, (batch.x + 1) / 2)

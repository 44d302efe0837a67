"""Cross-entropy of the pixels of one expert drawn at random; its minimiser is the experts' mean mask."""

from dataclasses import asdict
from typing import Any

from torch import Tensor
from torch.nn import functional

from napari_ambiseg.models.deterministic import DeterministicConfig, DeterministicSegmenter
from trainer.config import FitConfig
from trainer.data.batches import Batch
from trainer.networks import chosen_network
from trainer.objectives.objective import Objective


def deterministic_config(config: FitConfig) -> dict[str, Any]:
    """The model's configuration as its builder takes it."""
    image_channels = chosen_network(config, own="unet").in_channels - 1
    unet = chosen_network(config, own="unet", in_channels=image_channels, time_embedding=0)
    return asdict(DeterministicConfig(unet=unet))


class DeterministicObjective(Objective):
    """Binary cross-entropy, mean over pixels."""

    model: DeterministicSegmenter

    def __init__(self, model: DeterministicSegmenter, config: FitConfig) -> None:
        super().__init__(model)

    def forward(self, batch: Batch) -> Tensor:
        return functional.binary_cross_entropy_with_logits(self.model(batch.image), (batch.x + 1) / 2)

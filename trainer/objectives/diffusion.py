"""The denoising objective: ``E_{t, eps} [ w(lam_t) mean over pixels (x - x_hat)^2 ]`` (Eq. 8)."""

from dataclasses import asdict
from typing import Any

from torch import Tensor

from napari_ambiseg.diffusion.prediction import diffuse
from napari_ambiseg.models.diffusion_segmenter import DiffusionConfig, DiffusionSegmenter
from trainer.config import FitConfig
from trainer.data.batches import Batch
from trainer.networks import chosen_network
from trainer.objectives.objective import Objective
from trainer.weighting import named_weighting


def diffusion_config(config: FitConfig) -> dict[str, Any]:
    """The model's configuration as its builder takes it."""
    unet = asdict(chosen_network(config, own="unet"))
    fields = {"unet": unet, "prediction": config.prediction, "input_scale": config.input_scale}
    assert fields.keys() <= set(DiffusionConfig.__dataclass_fields__)
    return fields


class DiffusionObjective(Objective):
    """Weighted squared error of the denoised mask."""

    model: DiffusionSegmenter

    def __init__(self, model: DiffusionSegmenter, config: FitConfig) -> None:
        super().__init__(model)
        self.weighting = named_weighting(config.weighting)

    def forward(self, batch: Batch) -> Tensor:
        lam = self.model.schedule(batch.t)[:, None, None, None].to(batch.x)
        x_t = diffuse(batch.x, batch.eps, lam)
        x_hat = self.model(x_t, batch.image, batch.t.to(batch.x), lam)
        error = (batch.x - x_hat).square().mean(dim=(1, 2, 3))
        return (self.weighting(lam.flatten()) * error).mean()

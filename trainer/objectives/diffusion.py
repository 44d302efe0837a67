"""The denoising objective: ``E_{t, eps} [ w(lam_t) mean over pixels (x - x_hat)^2 ]`` (Eq. 8).

With ``time_factor`` the weight is ``w(lam_t) (-dlam/dt)``, which makes the loss an integral over lam.

With self-conditioning (Chen et al., 2023) half of the examples, drawn at random, are denoised twice: first without a
previous estimate and without gradient, then given the first answer. With ``image_dropout`` (Ho & Salimans, 2022) the
image is hidden from that share of the examples, so that one network learns to answer with and without it.
"""

from dataclasses import asdict, replace
from typing import Any

import torch
from torch import Tensor

from napari_ambiseg.diffusion.prediction import diffuse
from napari_ambiseg.models.diffusion_segmenter import DiffusionConfig, DiffusionSegmenter
from trainer.config import FitConfig
from trainer.data.batches import Batch
from trainer.data.random import Purpose, generator
from trainer.networks import chosen_network
from trainer.objectives.objective import Objective
from trainer.weighting import named_weighting

SELF_CONDITIONED = 0.5
"""Share of the examples that see a previous estimate, as in the paper of self-conditioning."""


def diffusion_config(config: FitConfig) -> dict[str, Any]:
    """The model's configuration as its builder takes it."""
    network = chosen_network(config, own="unet")
    guidable = config.image_dropout > 0
    channels = network.in_channels + config.self_conditioning + guidable
    fields = {
        "unet": asdict(replace(network, in_channels=channels)),
        "prediction": config.prediction,
        "input_scale": config.input_scale,
        "self_conditioning": config.self_conditioning,
        "guidable": guidable,
    }
    assert fields.keys() <= set(DiffusionConfig.__dataclass_fields__)
    return fields


class DiffusionObjective(Objective):
    """Weighted squared error of the denoised mask."""

    model: DiffusionSegmenter

    def __init__(self, model: DiffusionSegmenter, config: FitConfig) -> None:
        super().__init__(model)
        self.weighting = named_weighting(config.weighting)
        self.time_factor = config.time_factor
        self.image_dropout = config.image_dropout

    def forward(self, batch: Batch) -> Tensor:
        lam = self.model.schedule(batch.t)[:, None, None, None].to(batch.x)
        error = (batch.x - self._x_hat(batch, lam)).square().mean(dim=(1, 2, 3))
        return (self._weight(batch.t, lam.flatten()) * error).mean()

    def _weight(self, t: Tensor, lam: Tensor) -> Tensor:
        weight = self.weighting(lam)
        return weight * self.model.schedule.rate(t).to(weight) if self.time_factor else weight

    def _x_hat(self, batch: Batch, lam: Tensor) -> Tensor:
        x_t, t = diffuse(batch.x, batch.eps, lam), batch.t.to(batch.x)
        hide, condition = draws(batch).unbind(dim=1)
        hidden = hide < self.image_dropout if self.image_dropout else None
        if not self.model.config.self_conditioning:
            return self.model(x_t, batch.image, t, lam, hidden=hidden)
        with torch.no_grad():
            first = self.model(x_t, batch.image, t, lam, hidden=hidden).clamp(-1.0, 1.0)
        torch.clear_autocast_cache()  # older torch would reuse its 16-bit weights, made without gradient
        sees_first = (condition < SELF_CONDITIONED)[:, None, None, None]
        previous = torch.where(sees_first, first, 0.0)
        return self.model(x_t, batch.image, t, lam, previous=previous, hidden=hidden)


def draws(batch: Batch) -> Tensor:
    """Two numbers in [0, 1) for each example, from its seed alone: whether to hide its image, whether to condition."""
    numbers = [generator(s, step=0, example=0, purpose=Purpose.CONDITIONING).random(2).tolist() for s in batch.seeds]
    return torch.tensor(numbers, device=batch.x.device)

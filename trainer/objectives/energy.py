r"""The energy loss: a diffusion model draws readings, and these are compared with all experts of the slice.

With the readings S that the model draws of a slice, the experts' masks Y and the distance d = 1 - IoU,

    L = 2 E d(S, Y) - E d(S, S'),    S and S' independent,

is the generalised energy distance but for the experts' distance from one another, which no model can change. As a
scoring rule it is proper (Gneiting & Raftery, 2007, section 5.1: the IoU is a positive definite kernel): its
expectation is smallest for a model that answers as the experts do, share of empty masks included. That is true of the
denoising loss too, but that one measures each time by itself, and this one the masks that a few steps end on.

As published, the GED of N readings counts the distance of each from itself, and so has E d(S, S') only 1 - 1/N times:
it is smallest for readings that agree more than the experts do. ``energy.published`` makes that the loss.

Gradients pass through all steps. A mask is what lies above x_hat = 0, which has no slope; the straight-through
estimator (Bengio et al., 2013) takes that of ``sigmoid(SLOPE x_hat)`` in its place, so that the loss is of the very
masks that are shown, and nothing is won by pixels that stay undecided. The loss is unbiased, its gradient is not.

Whether there is a lesion cannot be learned pixel by pixel. Seen from the empty mask the first pixel is as far from none
as a whole lesion is, and the slope there says nothing of what lies beyond. So presence is a number of its own: u is 1
if S marks anything and v is 1 if Y does, and

    d(S, Y) = u (1 - v) + (1 - u) v + u v (1 - IoU),

which is d, and is linear in u: its slope is what a lesion would cost or gain. The slope of u is that of
``sigmoid(SLOPE x_hat)`` at the highest pixel. The lesion that an empty mask would have, whose IoU that slope needs, is
what lies above the middle between its highest pixel and -1, the background; the middle itself carries no gradient.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from napari_ambiseg.errors import SettingsError
from napari_ambiseg.models.diffusion_segmenter import DiffusionSegmenter
from napari_ambiseg.models.segmenter import SamplingOptions
from trainer.config import FitConfig
from trainer.data.batches import Batch
from trainer.data.random import Purpose, generator
from trainer.objectives.objective import Objective

SLOPE = 5.0
"""How steeply a pixel's weight in the gradient falls as x_hat leaves 0: to .28 of its largest at 0.5."""


class EnergyObjective(Objective):
    """Energy of as many readings of a slice as it has experts, each from the seed of one example."""

    model: DiffusionSegmenter

    def __init__(self, model: DiffusionSegmenter, config: FitConfig) -> None:
        super().__init__(model)
        assert config.energy is not None
        if config.experts != "all":
            raise SettingsError(
                f"the energy loss compares readings with all experts of a slice, but experts is {config.experts!r}; "
                "give experts=all"
            )
        if config.image_dropout:
            raise SettingsError(
                f"image_dropout is {config.image_dropout}, but the energy loss draws readings of images that are seen; "
                "a model that can be guided cannot go on with it"
            )
        self.self_weight = 1 - 1 / config.energy.published if config.energy.published else 1.0
        self.options = [SamplingOptions(steps=n, sampler=config.energy.sampler) for n in config.energy.steps]

    def forward(self, batch: Batch) -> Tensor:
        x_hat = self.model.answer(batch.image, seeds=batch.seeds, options=self._options(batch))
        with torch.autocast(x_hat.device.type, enabled=False):  # sums over pixels need all their digits
            readings = masks_of(_by_slice(x_hat.float(), batch.per_slice))
            experts = masks_of(_by_slice(batch.x.float(), batch.per_slice))
            return energy(readings, experts, self_weight=self.self_weight).mean()

    def _options(self, batch: Batch) -> SamplingOptions:
        """How the readings of this batch are drawn, the same in all processes that share it."""
        rng = generator(batch.seed, step=0, example=0, purpose=Purpose.BATCH)
        return self.options[int(rng.integers(len(self.options)))]


@dataclass(frozen=True, slots=True)
class Masks:
    """Masks of G slices with P pixels, K of each.

    Attributes:
        present: Whether anything is marked (G, K), 0 or 1.
        shape: What is marked (G, K, P), 0 or 1; of an empty mask the lesion that it would have.
    """

    present: Tensor
    shape: Tensor


def masks_of(x_hat: Tensor) -> Masks:
    """The masks of estimates (G, K, P) in [-1, 1], with the gradients of a sigmoid."""
    highest = x_hat.amax(dim=-1, keepdim=True)
    half = ((highest - 1) / 2).detach()  # between that pixel and -1, the background
    level = torch.where(highest > 0, 0.0, half)
    return Masks(present=_marked(highest[..., 0]), shape=_marked(x_hat - level))


def _marked(height: Tensor) -> Tensor:
    """1 above 0 and 0 elsewhere, with the gradient of ``sigmoid(SLOPE height)``."""
    soft = torch.sigmoid(SLOPE * height)
    return (height > 0).to(soft) + (soft - soft.detach())


def distances(a: Masks, b: Masks) -> Tensor:
    """``1 - IoU`` of masks (G, K, P) and (G, L, P): (G, K, L); 0 where both are empty, 1 where one is."""
    common = torch.einsum("gkp,glp->gkl", a.shape, b.shape)
    either = a.shape.sum(dim=-1)[:, :, None] + b.shape.sum(dim=-1)[:, None] - common
    u, v = a.present[:, :, None], b.present[:, None]
    return u * (1 - v) + (1 - u) * v + u * v * (1 - common / either.clamp(min=1.0))


def energy(readings: Masks, experts: Masks, *, self_weight: float = 1.0) -> Tensor:
    """``2 E d(S, Y) - E d(S, S')``, without the distance of a reading from itself.

    Args:
        readings: That were drawn of G slices, K at least 2 of each, independent of each other.
        experts: Of the same slices.
        self_weight: Factor on the second term.

    Returns:
        (G,), for each slice an unbiased estimate of the score; the gradient is the straight-through estimator's.
    """
    count = readings.present.shape[1]
    among = distances(readings, readings).triu(diagonal=1)
    apart = among.sum(dim=(1, 2)) / (count * (count - 1) / 2)
    return 2 * distances(readings, experts).mean(dim=(1, 2)) - self_weight * apart


def _by_slice(masks: Tensor, per_slice: int) -> Tensor:
    """Masks (B, 1, h, w) of examples -> (G, per_slice, h w) of slices."""
    return masks.reshape(len(masks) // per_slice, per_slice, -1)

"""What each kind of model is fitted to."""

from typing import Protocol

from torch import Tensor, nn
from torch.nn import functional

from napari_ambiseg.diffusion.prediction import diffuse
from napari_ambiseg.models.deterministic import DeterministicSegmenter
from napari_ambiseg.models.diffusion_segmenter import DiffusionSegmenter
from trainer.data.batches import Batch
from trainer.weighting import Weighting


class Objective(Protocol):
    """A batch to a scalar loss."""

    def __call__(self, batch: Batch) -> Tensor:
        """Scalar loss."""
        ...


def diffusion_loss(model: DiffusionSegmenter, batch: Batch, weighting: Weighting) -> Tensor:
    """``E_{t, eps} [ w(lam_t) mean over pixels (x - x_hat)^2 ]`` (Eq. 8); scalar."""
    lam = model.schedule(batch.t)[:, None, None, None].to(batch.x)
    x_t = diffuse(batch.x, batch.eps, lam)
    x_hat = model(x_t, batch.image, batch.t.to(batch.x), lam)
    error = (batch.x - x_hat).square().mean(dim=(1, 2, 3))
    return (weighting(lam.flatten()) * error).mean()


def deterministic_loss(model: DeterministicSegmenter, batch: Batch) -> Tensor:
    """Cross-entropy of the pixels of one expert; its minimiser is the experts' mean mask. Scalar."""
    return functional.binary_cross_entropy_with_logits(model(batch.image), (batch.x + 1) / 2)


def make_objective(model: nn.Module, weighting: Weighting) -> Objective:
    """The objective of a model's kind."""
    if isinstance(model, DiffusionSegmenter):
        return lambda batch: diffusion_loss(model, batch, weighting)
    assert isinstance(model, DeterministicSegmenter)
    return lambda batch: deterministic_loss(model, batch)

"""PHiSeg's objective (Baumgartner et al., 2019): the evidence lower bound, with each level of the sum held to the mask.

The posterior has the prior's build and sees the image and the one-hot mask. It draws latents z_l; the prior's
distributions are taken at the same latents, and for diagonal Gaussians q and p the divergence of a level is

    KL_l = sum over pixels and channels [ log(std_p / std_q) + (std_q^2 + (mean_q - mean_p)^2) / (2 std_p^2) - 1/2 ]

The loss of an example is

    sum_l CE(y, logits of level l and all coarser ones, summed over pixels) + beta sum_l 4^l KL_l

The factor 4^l gives a coarse latent, which has 4^l times fewer pixels than the finest, the same weight as that one.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from napari_ambiseg.diffusion.sampling import SeededNoise
from napari_ambiseg.errors import SettingsError
from napari_ambiseg.models.phiseg import LABELS, Gaussian, LatentPath, PHiSeg, named_size
from trainer.config import FitConfig
from trainer.data.batches import Batch
from trainer.networks import require_no_window
from trainer.objectives.objective import Objective


def phiseg_config(config: FitConfig) -> dict[str, Any]:
    """The model's configuration as its builder takes it.

    Raises:
        SettingsError: If the run asks for another network, or its grid cannot be halved as often as PHiSeg does.
    """
    size = named_size(config.size)
    require_no_window(config)
    if config.backbone != "own":
        raise SettingsError(f"backbone is {config.backbone!r}, but PHiSeg has a network of its own; leave it at 'own'")
    if config.grid_px % size.multiple:
        raise SettingsError(
            f"grid_px is {config.grid_px}, but PHiSeg of size {config.size!r} reads multiples of {size.multiple}; "
            "give such a grid, or a smaller size"
        )
    if config.batch_size * (config.grid_px // size.multiple) ** 2 < 2:
        raise SettingsError(
            f"batch_size is {config.batch_size}, and of one example the coarsest map has one pixel, which batch norm "
            "cannot normalise; give at least 2"
        )
    return asdict(size)


def divergence(q: Gaussian, p: Gaussian) -> Tensor:
    """KL(q || p) of each example, summed over channels and pixels: (B,), at least 0."""
    squares = (q.std.square() + (q.mean - p.mean).square()) / (2 * p.std.square())
    return (torch.log(p.std) - torch.log(q.std) + squares - 0.5).sum(dim=(1, 2, 3))


def weighted_divergence(q: Sequence[Gaussian], p: Sequence[Gaussian]) -> Tensor:
    """``sum_l 4^l KL_l`` of each example (B,); levels finest first."""
    return torch.stack([4**level * divergence(*pair) for level, pair in enumerate(zip(q, p, strict=True))]).sum(dim=0)


def reconstruction(logits: Sequence[Tensor], x: Tensor) -> Tensor:
    """Cross-entropy of each example (B,), summed over pixels and over levels.

    Args:
        logits: Of each level and the coarser ones, (B, LABELS, H, W).
        x: Masks (B, 1, H, W) in {-1, +1}.
    """
    target = (x[:, 0] > 0).long()
    each = [functional.cross_entropy(level, target, reduction="none").sum(dim=(1, 2)) for level in logits]
    return torch.stack(each).sum(dim=0)


class PHiSegObjective(Objective):
    """Reconstruction at every level and the weighted divergences, mean over the examples."""

    model: PHiSeg

    def __init__(self, model: PHiSeg, config: FitConfig) -> None:
        super().__init__(model)
        self.posterior = LatentPath(model.config.in_channels + LABELS, model.config)
        self.beta = config.beta

    def forward(self, batch: Batch) -> Tensor:
        image = batch.image.expand(-1, self.model.config.in_channels, -1, -1)
        one_hot = torch.cat([batch.x < 0, batch.x > 0], dim=1).to(image)
        noise = SeededNoise(batch.seeds)
        maps = self.posterior.encode(torch.cat([image, one_hot], dim=1))
        q, latents = self.posterior(maps, lambda _, gaussian: gaussian.at(noise(gaussian.mean)))
        p, _ = self.model.prior(self.model.prior.encode(image), lambda level, _: latents[level])
        loss = reconstruction(self.model.likelihood(latents), batch.x) + self.beta * weighted_divergence(q, p)
        return loss.mean()

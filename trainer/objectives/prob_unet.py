"""The evidence bound of the Probabilistic UNet.

A posterior q, which sees the image and one expert's mask x, proposes the z that reads the image as that expert did. The
model learns to decode it, and its prior p to propose such z without the mask (Kohl et al., 2018, Eq. 4):

    L = E_{z ~ q(z | c, x)} [ sum over pixels of the cross-entropy of x given c and z ] + beta KL(q | p),

the mean over the batch, plus ``latent_l2`` times the squared weights of prior and posterior. The sum over pixels is not
divided by their number: it is a log-likelihood, against which a divergence in nats weighs as it should.

The divergence of single Gaussians is exact. With mixtures it is the mean over ``DRAWS`` of z, the first of which is the
one that is decoded.

The posterior starts narrow, at ``FIRST_LOG_SIGMA``: what it says of a mask is then about as loud as its
own noise, where it would be a hundredth of it. Together with the standardised features of ``Encoder`` this keeps
networks from settling on the experts' mean, with a z that means nothing.
"""

from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_ambiseg.models.latent import NAMED_LATENTS, LatentNoise, kl_divergence
from napari_ambiseg.models.networks import named_network
from napari_ambiseg.models.prob_backbone import ProbBackboneConfig
from napari_ambiseg.models.prob_unet import Encoder, EncoderConfig, ProbUNetConfig, ProbUNetSegmenter
from trainer.config import FitConfig
from trainer.data.batches import Batch
from trainer.networks import chosen_network
from trainer.objectives.objective import Objective

DRAWS = 16
FIRST_LOG_SIGMA = -3.0


def prob_unet_config(config: FitConfig) -> dict[str, Any]:
    """The model's configuration as its builder takes it: the encoders keep their size on either network."""
    own = named_network("prob-unet", config.size)
    assert isinstance(own, ProbBackboneConfig)
    return asdict(
        ProbUNetConfig(
            unet=chosen_network(config, own="prob-unet", in_channels=1, out_channels=0, time_embedding=0),
            latent=NAMED_LATENTS[config.latent],
            encoder=EncoderConfig(channels=own.channels, convs=own.convs, norm_groups=own.norm_groups),
        )
    )


class ProbUNetObjective(Objective):
    """Cross-entropy of the decoded mask, divergence of posterior and prior, and the weights of both."""

    model: ProbUNetSegmenter

    def __init__(self, model: ProbUNetSegmenter, config: FitConfig) -> None:
        super().__init__(model)
        sizes, latent = model.config.encoder, model.config.latent
        self.posterior = Encoder(1 + 1, sizes, latent, normalised=False)
        with torch.no_grad():
            self.posterior.numbers.bias[latent.log_sigma_places] += FIRST_LOG_SIGMA
        self.beta, self.latent_l2 = config.beta, config.latent_l2

    def forward(self, batch: Batch) -> Tensor:
        prior = self.model.prior(batch.image)
        posterior = self.posterior(torch.cat([batch.image, batch.x], dim=1))
        noise = self._noise(batch)
        first = LatentNoise(noise.normal[0], noise.uniform[0])
        logits = self.model.decode(self.model.features(batch.image), posterior.rsample(first))
        entropy = functional.binary_cross_entropy_with_logits(logits, (batch.x + 1) / 2, reduction="sum")
        divergence = kl_divergence(posterior, prior, noise).mean()
        l2 = _squared_weights(self.model.prior_encoder) + _squared_weights(self.posterior)
        return entropy / len(batch.x) + self.beta * divergence + self.latent_l2 * l2

    def _noise(self, batch: Batch) -> LatentNoise:
        """For ``DRAWS`` of z for each example: (DRAWS, B, ...), an example's from its own seed."""
        latent = self.model.config.latent
        like = torch.empty(len(batch.x), DRAWS, latent.dim + latent.components, device=batch.x.device)
        return LatentNoise.from_normals(batch.noise(like).transpose(0, 1), latent.dim)


def _squared_weights(module: nn.Module) -> Tensor:
    """Sum of the squared weights, without biases and normalisations."""
    return torch.stack([weight.square().sum() for weight in module.parameters() if weight.ndim > 1]).sum()

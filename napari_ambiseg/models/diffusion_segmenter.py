"""The paper's model: a UNet that denoises a mask given the image, sampled by reverse diffusion.

Two options give the network one more input channel each; the paper tried both and found no gain.

Self-conditioning (Chen et al., 2023, "Analog bits"): the estimate of the step before, zeros in the first step. Each
reading carries its own, so that it depends on its seed alone.

Classifier-free guidance (Ho & Salimans, 2022): the network answers without the image too. A hidden image is the
constant 0, and a channel says so, 1 where it is hidden: 0 alone is a grey value that images have.
"""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from pydantic import ConfigDict, TypeAdapter
from torch import Tensor, nn

from napari_ambiseg.diffusion.prediction import Prediction, guided
from napari_ambiseg.diffusion.sampling import Denoise, SeededNoise, State, integrate, make_step, trajectory
from napari_ambiseg.diffusion.schedule import Schedule
from napari_ambiseg.errors import SettingsError
from napari_ambiseg.models.networks import NetworkConfig, build_network
from napari_ambiseg.models.segmenter import Network, SamplingOptions, check_guidance, register


@dataclass(frozen=True, slots=True)
class DiffusionConfig:
    """Everything that defines the model apart from its weights.

    Attributes:
        unet: The network; its input is a noisy mask, the image, and a channel for each option below.
        prediction: What the network's output stands for.
        input_scale: The schedule's input scale b.
        self_conditioning: Whether the network sees its previous estimate.
        guidable: Whether the network also answers without the image, and so can be guided.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    unet: NetworkConfig
    prediction: Prediction = Prediction.X
    input_scale: float = 0.1
    self_conditioning: bool = False
    guidable: bool = False

    def __post_init__(self) -> None:
        if self.image_channels < 1:
            raise SettingsError(
                f"a network of {self.unet.in_channels} input channels has none left for the image; "
                "give one for the noisy mask, one for each option, and at least one more"
            )

    @property
    def image_channels(self) -> int:
        """Channels that show the image; a grey one is repeated."""
        return self.unet.in_channels - 1 - self.self_conditioning - self.guidable


class DiffusionSegmenter(nn.Module):
    """UNet + prediction type + schedule. Call it for training, ``sample`` it for readings."""

    kind: ClassVar[str] = "diffusion"

    def __init__(self, config: DiffusionConfig) -> None:
        super().__init__()
        self.config = config
        self.schedule = Schedule(input_scale=config.input_scale)
        self.unet = build_network(config.unet)
        self._computed_by: Network | None = None

    @property
    def network(self) -> nn.Module:
        """See ``IteratedSegmenter.network``."""
        return self.unet

    def computed_by(self, network: Network) -> "DiffusionSegmenter":
        """See ``IteratedSegmenter.computed_by``."""
        other = copy.copy(self)  # shallow: the weights are the same tensors
        other.__dict__["_computed_by"] = network  # no attribute: torch would file a module as one more part of this
        return other

    @property
    def guidable(self) -> bool:
        """Whether ``SamplingOptions.guidance`` may be more than 0."""
        return self.config.guidable

    def forward(
        self,
        x_t: Tensor,
        image: Tensor,
        t: Tensor,
        lam: Tensor,
        *,
        previous: Tensor | None = None,
        hidden: Tensor | None = None,
    ) -> Tensor:
        """The estimate of the mask.

        Args:
            x_t: Noisy masks (S, 1, H, W).
            image: Normalised image (S, 1, H, W); repeated if the network takes more image channels.
            t: Times (S,) in [0, 1].
            lam: Log SNR at those times, broadcastable to ``x_t``.
            previous: Previous estimates (S, 1, H, W) in [-1, 1], for self-conditioning; None is zeros, no estimate yet.
            hidden: From which samples (S,) the image is hidden, bool, if the model is guidable; None is from none.

        Returns:
            x_hat (S, 1, H, W): in [-1, 1] for x-prediction (tanh), unbounded for the others.
        """
        inputs = [x_t, *self._shown(x_t, image, hidden)]
        if self.config.self_conditioning:
            inputs.append(torch.zeros_like(x_t) if previous is None else previous)
        output = (self._computed_by or self.unet)(torch.cat(inputs, dim=1), t)
        if self.config.prediction is Prediction.X:
            return torch.tanh(output)
        return self.config.prediction.to_x(output, x_t, lam)

    def _shown(self, x_t: Tensor, image: Tensor, hidden: Tensor | None) -> list[Tensor]:
        """The image as the network sees it and, if the model is guidable, the channel that says where it is hidden."""
        repeated = image.expand(-1, self.config.image_channels, -1, -1)
        if not self.config.guidable:
            return [repeated]
        flag = torch.zeros_like(x_t) if hidden is None else hidden[:, None, None, None].to(x_t).expand_as(x_t)
        return [repeated * (1.0 - flag), flag]

    def sample(self, image: Tensor, *, seeds: Sequence[int], options: SamplingOptions) -> Iterator[State]:
        """See ``Segmenter.sample``.

        Raises:
            SettingsError: If guidance is asked of a model that was not trained for it.
        """
        check_guidance(self, options)
        batch = image.unsqueeze(0).expand(len(seeds), -1, -1, -1)
        noise = SeededNoise(seeds)
        step = make_step(options.sampler, eta=options.eta)
        denoise = self._denoiser(batch, options.guidance)
        return trajectory(denoise, self.schedule, step, noise(batch[:, :1]), options.times, noise)

    def answer(self, images: Tensor, *, seeds: Sequence[int], options: SamplingOptions) -> Tensor:
        """One reading of each image, with gradients through all steps: to learn from what is drawn.

        Args:
            images: Normalised images (S, C, H, W).
            seeds: One for each.
            options: Steps and sampler.

        Returns:
            x_hat (S, 1, H, W), in [-1, 1]: the last state of ``sample``.

        Raises:
            SettingsError: As ``sample``.
        """
        check_guidance(self, options)
        noise = SeededNoise(seeds)
        step = make_step(options.sampler, eta=options.eta)
        denoise = self._denoiser(images, options.guidance)
        *_, last = integrate(denoise, self.schedule, step, noise(images[:, :1]), options.times, noise)
        return last.x_hat

    def _denoiser(self, image: Tensor, guidance: float) -> Denoise:
        """The estimates of one trajectory of images (S, 1, H, W); it remembers the last, for self-conditioning."""
        everywhere = torch.ones(len(image), dtype=torch.bool, device=image.device)
        previous: Tensor | None = None

        def denoise(x_t: Tensor, t: Tensor, lam: Tensor) -> Tensor:
            nonlocal previous
            times = torch.full((len(image),), float(t), device=x_t.device)
            x_hat = self(x_t, image, times, lam, previous=previous)
            if guidance:
                without_image = self(x_t, image, times, lam, previous=previous, hidden=everywhere)
                x_hat = guided(x_hat, without_image, guidance)
            previous = x_hat = x_hat.clamp(-1.0, 1.0).to(x_t)  # a network in 16 bits answers in 16
            return x_hat

        return denoise


@register(DiffusionSegmenter.kind)
def build_diffusion(config: dict[str, Any]) -> DiffusionSegmenter:
    """Build from a configuration as written in a checkpoint (pydantic's ``ValidationError`` if it is not valid)."""
    return DiffusionSegmenter(TypeAdapter(DiffusionConfig).validate_python(config))

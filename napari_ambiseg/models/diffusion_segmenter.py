"""The paper's model: a UNet that denoises a mask given the image, sampled by reverse diffusion."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from pydantic import ConfigDict, TypeAdapter
from torch import Tensor, nn

from napari_ambiseg.diffusion.prediction import Prediction
from napari_ambiseg.diffusion.sampling import SeededNoise, State, make_step, trajectory
from napari_ambiseg.diffusion.schedule import Schedule
from napari_ambiseg.models.networks import NetworkConfig, build_network
from napari_ambiseg.models.segmenter import SamplingOptions, register


@dataclass(frozen=True, slots=True)
class DiffusionConfig:
    """Everything that defines the model apart from its weights.

    Attributes:
        unet: The network; its input is one noisy mask and ``unet.in_channels - 1`` image channels.
        prediction: What the network's output stands for.
        input_scale: The schedule's input scale b.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    unet: NetworkConfig
    prediction: Prediction = Prediction.X
    input_scale: float = 0.1


class DiffusionSegmenter(nn.Module):
    """UNet + prediction type + schedule. Call it for training, ``sample`` it for readings."""

    kind: ClassVar[str] = "diffusion"

    def __init__(self, config: DiffusionConfig) -> None:
        super().__init__()
        self.config = config
        self.schedule = Schedule(input_scale=config.input_scale)
        self.unet = build_network(config.unet)

    def forward(self, x_t: Tensor, image: Tensor, t: Tensor, lam: Tensor) -> Tensor:
        """The estimate of the mask.

        Args:
            x_t: Noisy masks (S, 1, H, W).
            image: Normalised image (S, 1, H, W); repeated if the network takes more image channels.
            t: Times (S,) in [0, 1].
            lam: Log SNR at those times, broadcastable to ``x_t``.

        Returns:
            x_hat (S, 1, H, W): in [-1, 1] for x-prediction (tanh), unbounded for the others.
        """
        repeated = image.expand(-1, self.config.unet.in_channels - 1, -1, -1)
        output = self.unet(torch.cat([x_t, repeated], dim=1), t)
        if self.config.prediction is Prediction.X:
            return torch.tanh(output)
        return self.config.prediction.to_x(output, x_t, lam)

    def sample(self, image: Tensor, *, seeds: Sequence[int], options: SamplingOptions) -> Iterator[State]:
        """See ``Segmenter.sample``."""
        batch = image.unsqueeze(0).expand(len(seeds), -1, -1, -1)
        noise = SeededNoise(seeds)
        x_1 = noise(batch[:, :1])

        def denoise(x_t: Tensor, t: Tensor, lam: Tensor) -> Tensor:
            times = torch.full((len(seeds),), float(t), device=x_t.device)
            return self(x_t, batch, times, lam).clamp(-1.0, 1.0)

        step = make_step(options.sampler, eta=options.eta)
        return trajectory(denoise, self.schedule, step, x_1, options.steps, noise)


@register(DiffusionSegmenter.kind)
def build_diffusion(config: dict[str, Any]) -> DiffusionSegmenter:
    """Build from a configuration as written in a checkpoint (pydantic's ``ValidationError`` if it is not valid)."""
    return DiffusionSegmenter(TypeAdapter(DiffusionConfig).validate_python(config))

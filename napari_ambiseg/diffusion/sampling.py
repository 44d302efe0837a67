"""Sampling: from noise at t = 1 to a mask at t = 0, as a generator of states.

What a step does is the sampler's affair, see ``steps``. The last step returns the estimate itself: at t = 0 nothing of
the noise is left to keep. DDIM's step tends to the same as its target's log SNR grows, whereas a correction of second
order grows with it and beyond all bounds: the last step is of first order.

So the answer is the estimate at the last time but 0, and if that is early it still blends what several experts might
have drawn. On a grid uniform in t it is 1 / steps. With few steps it pays to look later, where the longer steps on the
way cost little: DPM-Solver++ looks last at ``LAST_LOOK``. The others keep to the uniform grid, as published.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from napari_ambiseg.diffusion.schedule import Schedule
from napari_ambiseg.diffusion.steps import (
    SAMPLERS,
    WITH_ETA,
    Estimate,
    Noise,
    Step,
    ddim,
    ddpm,
    dpm_2m,
    make_step,
)
from napari_ambiseg.errors import SettingsError
from napari_ambiseg.seeds import noise_origins, noise_signs

__all__ = [
    "LAST_LOOK",
    "SAMPLERS",
    "WITH_ETA",
    "Denoise",
    "Estimate",
    "Noise",
    "SeededNoise",
    "State",
    "Step",
    "ddim",
    "ddpm",
    "dpm_2m",
    "integrate",
    "make_step",
    "time_grid",
    "trajectory",
    "usual_last_time",
]

Denoise = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(x_t, t, lam) -> x_hat in [-1, 1]; t and lam are 0-d float64 tensors, the same for the whole batch."""


@dataclass(frozen=True, slots=True)
class State:
    """The reverse diffusion after one step.

    Attributes:
        step: Steps done so far, 1 to ``total``; ``step == total`` is the sample.
        total: Number of steps of this run.
        log_snr: Log SNR that ``x_t`` now has.
        x_t: The noisy masks, (S, C, H, W).
        x_hat: The masks that the model would answer now, (S, C, H, W), in [-1, 1]; foreground is > 0.
    """

    step: int
    total: int
    log_snr: float
    x_t: Tensor
    x_hat: Tensor


class SeededNoise:
    """Gaussian noise with one generator per sample, so that a sample never depends on its batch.

    Drawn on the CPU whatever the device: a seed means the same reading on every machine. Of two seeds that differ in
    the bit ``ANTITHETIC`` alone, all noise is opposite.

    Args:
        seeds: One for each sample, 0 to 2^64 - 1.

    Raises:
        SettingsError: If there are no seeds, or one is negative or beyond 64 bits.
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        if len(seeds) == 0:
            raise SettingsError("there are no seeds; give one for each reading")
        if bad := [seed for seed in seeds if not 0 <= seed < 2**64]:
            raise SettingsError(f"the seed {bad[0]} is negative or beyond 64 bits; give one from 0 to 2^64 - 1")
        generators = [torch.Generator().manual_seed(origin) for origin in noise_origins(seeds)]
        self._sources = list(zip(generators, noise_signs(seeds), strict=True))

    def __call__(self, like: Tensor) -> Tensor:
        """Noise for each of the S samples in ``like`` (S, ...)."""
        if len(like) != len(self._sources):
            raise SettingsError(f"noise for {len(like)} samples was asked of {len(self._sources)} seeds")
        drawn = [
            sign * torch.randn(like.shape[1:], generator=generator, dtype=torch.float32)
            for generator, sign in self._sources
        ]
        return torch.stack(drawn).to(like)


LAST_LOOK = {"dpm++2m": 0.05, "sde-dpm++2m": 0.05}
"""Sampler name -> when it makes its last estimate, unless so many steps are taken that the uniform grid looks later.

Chosen on patients whom the bundled model's training kept out: docs/results/samplers.md.
"""


def usual_last_time(sampler: str, steps: int) -> float | None:
    """When a sampler makes its last estimate, if nobody asks for another time; None is the uniform grid's 1 / steps."""
    last = LAST_LOOK.get(sampler, 1.0)
    return last if last < 1.0 / steps else None


def time_grid(steps: int, *, last_time: float | None = None) -> Tensor:
    """Times from noise to data.

    Args:
        steps: Number of estimates, at least 1.
        last_time: When the last estimate is made, in (0, 1); the others are evenly spaced from 1 to it. None makes it
            1 / steps, so that all steps are equally long. A single estimate is always made at 1.

    Returns:
        (steps + 1,), float64: the times of the estimates, from 1, and 0.

    Raises:
        SettingsError: If ``steps`` is below 1 or ``last_time`` outside (0, 1).
    """
    if steps < 1:
        raise SettingsError(f"steps is {steps}; give at least 1")
    if last_time is None:
        return torch.linspace(1.0, 0.0, steps + 1, dtype=torch.float64)
    if not 0.0 < last_time < 1.0:
        raise SettingsError(f"the time of the last estimate is {last_time}; give a number between 0 and 1, e.g. 0.1")
    return torch.cat([torch.linspace(1.0, last_time, steps, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)])


def integrate(
    denoise: Denoise,
    schedule: Schedule,
    step: Step,
    x_1: Tensor,
    times: Tensor,
    noise: Noise,
) -> Iterator[State]:
    """Run the reverse diffusion, with gradients where they are on: to learn from what is drawn.

    Args:
        denoise: The model's estimate of the mask.
        schedule: Log SNR of a time.
        step: The sampler.
        x_1: Noise at t = 1, (S, C, H, W).
        times: When the denoiser is called, from 1, and 0 (``time_grid``).
        noise: Source of fresh noise.

    Yields:
        The state after each step; the last one's ``x_t`` is the sample.
    """
    steps = len(times) - 1
    lams = schedule(times)
    x_t = x_1
    previous: Estimate | None = None
    for i in range(steps):
        x_hat = denoise(x_t, times[i], lams[i])
        last = i == steps - 1
        x_t = x_hat if last else step(x_t, x_hat, lams[i], lams[i + 1], noise, previous)
        previous = Estimate(x_hat, lams[i])
        yield State(step=i + 1, total=steps, log_snr=float(lams[i + 1]), x_t=x_t, x_hat=x_hat)


@torch.no_grad()  # as a decorator: a `with` block around `yield` would leak the grad mode to the caller
def trajectory(
    denoise: Denoise,
    schedule: Schedule,
    step: Step,
    x_1: Tensor,
    times: Tensor | int,
    noise: Noise,
) -> Iterator[State]:
    """Run the reverse diffusion without gradients.

    Arguments and states as ``integrate``; a number of steps in the place of ``times`` is their uniform grid.

    Raises:
        SettingsError: If the number of steps is below 1.
    """
    times = time_grid(times) if isinstance(times, int) else times
    yield from integrate(denoise, schedule, step, x_1, times, noise)

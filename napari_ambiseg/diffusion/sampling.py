"""Samplers: from noise at t = 1 to a mask at t = 0, as a generator of states.

Every sampler is one function ``step`` that moves ``x_t`` from time t to an earlier time s, given the estimate
``x_hat``.

- DDPM, ancestral sampling (Ho et al., 2020; Kingma et al., 2021), draws from ``q(x_s | x_t, x = x_hat)`` (Eq. 2): with
  ``c = 1 - SNR(t) / SNR(s) = -expm1(lam_t - lam_s)``, the mean is
  ``(alpha_s / alpha_t) (1 - c) x_t + c alpha_s x_hat`` and the variance ``c sigma_s^2``. That is the "small" variance,
  exact if x_hat were certain; ``c sigma_t^2`` is the "large" one, exact if the data were white noise. Both have been
  published.
- DDIM (Song et al., 2021) keeps ``eps_hat = (x_t - alpha_t x_hat) / sigma_t`` and draws fresh noise only for a part of
  it: ``x_s = alpha_s x_hat + sqrt(sigma_s^2 - h^2) eps_hat + h z`` with ``h = eta sqrt(c) sigma_s``. eta = 0 is
  deterministic given the first noise, eta = 1 is DDPM with the small variance.

The last step returns the estimate itself: at t = 0 nothing of the noise is left to keep.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from napari_ambiseg.diffusion.schedule import Schedule, alpha, sigma
from napari_ambiseg.errors import SettingsError

Denoise = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(x_t, t, lam) -> x_hat in [-1, 1]; t and lam are 0-d float64 tensors, the same for the whole batch."""

Noise = Callable[[Tensor], Tensor]
"""like -> N(0, I) of the same shape, dtype and device."""


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


class Step(Protocol):
    """One move from log SNR ``lam_t`` to ``lam_s > lam_t``."""

    def __call__(self, x_t: Tensor, x_hat: Tensor, lam_t: Tensor, lam_s: Tensor, noise: Noise) -> Tensor:
        """``x_s``, given ``x_t`` (S, C, H, W) and the estimate ``x_hat`` of its mask."""
        ...


def _fresh_fraction(lam_t: Tensor, lam_s: Tensor) -> Tensor:
    """``c = 1 - SNR(t) / SNR(s)``, in [0, 1)."""
    return -torch.expm1(lam_t - lam_s)


def ddpm(*, large_variance: bool = False) -> Step:
    """Ancestral sampling (Eq. 2) with variance ``c sigma_s^2``, or ``c sigma_t^2`` if ``large_variance``."""

    def step(x_t: Tensor, x_hat: Tensor, lam_t: Tensor, lam_s: Tensor, noise: Noise) -> Tensor:
        c = _fresh_fraction(lam_t, lam_s)
        mean = (alpha(lam_s) / alpha(lam_t)) * (1 - c) * x_t + c * alpha(lam_s) * x_hat
        std = c.sqrt() * sigma(lam_t if large_variance else lam_s)
        return mean + std * noise(x_t)

    return step


def ddim(*, eta: float = 0.0) -> Step:
    """DDIM with stochasticity ``eta`` in [0, 1]."""
    if not 0.0 <= eta <= 1.0:
        raise SettingsError(f"eta is {eta}; give a number from 0 (deterministic) to 1 (as random as DDPM)")

    def step(x_t: Tensor, x_hat: Tensor, lam_t: Tensor, lam_s: Tensor, noise: Noise) -> Tensor:
        eps_hat = (x_t - alpha(lam_t) * x_hat) / sigma(lam_t)
        fresh = eta * _fresh_fraction(lam_t, lam_s).sqrt() * sigma(lam_s)
        kept = (sigma(lam_s) ** 2 - fresh**2).clamp(min=0).sqrt()
        x_s = alpha(lam_s) * x_hat + kept * eps_hat
        return x_s + fresh * noise(x_t) if eta > 0 else x_s

    return step


SAMPLERS: dict[str, Callable[[float], Step]] = {
    "ddim": lambda eta: ddim(eta=eta),
    "ddpm": lambda eta: ddpm(),
    "ddpm-large": lambda eta: ddpm(large_variance=True),
}
"""Sampler name -> its step, given eta (which only DDIM looks at)."""


def make_step(sampler: str, *, eta: float = 0.0) -> Step:
    """The step of a sampler by name.

    Raises:
        SettingsError: If the name is unknown or eta is out of range.
    """
    if sampler not in SAMPLERS:
        raise SettingsError(f"unknown sampler {sampler!r}; choose one of {', '.join(SAMPLERS)}")
    return SAMPLERS[sampler](eta)


class SeededNoise:
    """Gaussian noise with one generator per sample, so that a sample never depends on its batch.

    Drawn on the CPU whatever the device: a seed means the same reading on every machine.
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        if not seeds:
            raise SettingsError("there are no seeds; give one for each reading")
        if bad := [seed for seed in seeds if not -(2**63) <= seed < 2**64]:
            raise SettingsError(f"seed {bad[0]} does not fit in 64 bits; give a smaller one")
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def __call__(self, like: Tensor) -> Tensor:
        """Noise for each of the S samples in ``like`` (S, ...)."""
        if len(like) != len(self._generators):
            raise SettingsError(f"noise for {len(like)} samples was asked of {len(self._generators)} seeds")
        drawn = [torch.randn(like.shape[1:], generator=g, dtype=torch.float32) for g in self._generators]
        return torch.stack(drawn).to(like)


@torch.no_grad()  # as a decorator: a `with` block around `yield` would leak the grad mode to the caller
def trajectory(
    denoise: Denoise, schedule: Schedule, step: Step, x_1: Tensor, steps: int, noise: Noise
) -> Iterator[State]:
    """Run the reverse diffusion on a uniform time grid.

    Args:
        denoise: The model's estimate of the mask.
        schedule: Log SNR of a time.
        step: The sampler.
        x_1: Noise at t = 1, (S, C, H, W).
        steps: Number of denoiser calls, at least 1.
        noise: Source of fresh noise.

    Yields:
        The state after each step; the last one's ``x_t`` is the sample.

    Raises:
        SettingsError: If ``steps`` is below 1.
    """
    if steps < 1:
        raise SettingsError(f"steps is {steps}; give at least 1")
    times = torch.linspace(1.0, 0.0, steps + 1, dtype=torch.float64)
    lams = schedule(times)
    x_t = x_1
    for i in range(steps):
        x_hat = denoise(x_t, times[i], lams[i])
        last = i == steps - 1
        x_t = x_hat if last else step(x_t, x_hat, lams[i], lams[i + 1], noise)
        yield State(step=i + 1, total=steps, log_snr=float(lams[i + 1]), x_t=x_t, x_hat=x_hat)

"""Samplers, one step of each: from ``x_t`` at time t to ``x_s`` at an earlier time s, given the estimate ``x_hat``.

- DDPM, ancestral sampling (Ho et al., 2020; Kingma et al., 2021), draws from ``q(x_s | x_t, x = x_hat)`` (Eq. 2): with
  ``c = 1 - SNR(t) / SNR(s) = -expm1(lam_t - lam_s)``, the mean is
  ``(alpha_s / alpha_t) (1 - c) x_t + c alpha_s x_hat`` and the variance ``c sigma_s^2``. That is the "small" variance,
  exact if x_hat were certain; ``c sigma_t^2`` is the "large" one, exact if the data were white noise. Both have been
  published.
- DDIM (Song et al., 2021) keeps ``eps_hat = (x_t - alpha_t x_hat) / sigma_t`` and draws fresh noise only for a part of
  it: ``x_s = alpha_s x_hat + sqrt(sigma_s^2 - f^2) eps_hat + f z`` with ``f = eta sqrt(c) sigma_s``. eta = 0 is
  deterministic given the first noise, eta = 1 is DDPM with the small variance.
- DPM-Solver++(2M) (Lu et al., 2022, Alg. 2) is of second order. With ``l = lam / 2`` the exact flow from t to s is
  ``x_s = (sigma_s / sigma_t) x_t + sigma_s * integral of exp(l) x_hat(l) dl from l_t to l_s``. With x_hat held still,
  that is DDIM. Where x_hat moves, its value in the middle of the step gives the integral to second order, and the
  estimate of the step before foretells it:
  ``x_mid = x_hat + (x_hat - x_before) (l_s - l_t) / (2 (l_t - l_before))``. The step is then DDIM's from x_mid.
- SDE-DPM-Solver++(2M) (same paper) solves the stochastic equation with the same marginals. With x_hat held still, that
  is DDPM with the small variance; to second order it is DDPM from x_mid. So eta leads from one form to the other as
  from DDIM to DDPM. Whatever eta is, kept and fresh noise have the variances ``sigma_s^2 - f^2`` and ``f^2``: the
  marginal's variance stays exact.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from napari_ambiseg.diffusion.schedule import alpha, sigma
from napari_ambiseg.errors import SettingsError

Noise = Callable[[Tensor], Tensor]
"""like -> N(0, I) of the same shape, dtype and device."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the denoiser answered at one time.

    Attributes:
        x_hat: The mask, (S, C, H, W).
        lam: The log SNR of that time, 0-d.
    """

    x_hat: Tensor
    lam: Tensor


class Step(Protocol):
    """One move from log SNR ``lam_t`` to ``lam_s > lam_t``."""

    def __call__(
        self,
        x_t: Tensor,
        x_hat: Tensor,
        lam_t: Tensor,
        lam_s: Tensor,
        noise: Noise,
        previous: Estimate | None = None,
    ) -> Tensor:
        """``x_s``, given ``x_t`` (S, C, H, W) and the estimate ``x_hat`` of its mask.

        ``previous`` is the estimate of the step before, None in the first; memoryless samplers do not look at it.
        """
        ...


def _fresh_fraction(lam_t: Tensor, lam_s: Tensor) -> Tensor:
    """``c = 1 - SNR(t) / SNR(s)``, in [0, 1)."""
    return -torch.expm1(lam_t - lam_s)


def ddpm(*, large_variance: bool = False) -> Step:
    """Ancestral sampling (Eq. 2) with variance ``c sigma_s^2``, or ``c sigma_t^2`` if ``large_variance``."""

    def step(
        x_t: Tensor, x_hat: Tensor, lam_t: Tensor, lam_s: Tensor, noise: Noise, previous: Estimate | None = None
    ) -> Tensor:
        c = _fresh_fraction(lam_t, lam_s)
        mean = (alpha(lam_s) / alpha(lam_t)) * (1 - c) * x_t + c * alpha(lam_s) * x_hat
        std = c.sqrt() * sigma(lam_t if large_variance else lam_s)
        return mean + std * noise(x_t)

    return step


def ddim(*, eta: float = 0.0) -> Step:
    """DDIM with stochasticity ``eta`` in [0, 1]."""
    if not 0.0 <= eta <= 1.0:
        raise SettingsError(f"eta is {eta}; give a number from 0 (deterministic) to 1 (as random as DDPM)")

    def step(
        x_t: Tensor, x_hat: Tensor, lam_t: Tensor, lam_s: Tensor, noise: Noise, previous: Estimate | None = None
    ) -> Tensor:
        eps_hat = (x_t - alpha(lam_t) * x_hat) / sigma(lam_t)
        fresh = eta * _fresh_fraction(lam_t, lam_s).sqrt() * sigma(lam_s)
        kept = (sigma(lam_s) ** 2 - fresh**2).clamp(min=0).sqrt()
        x_s = alpha(lam_s) * x_hat + kept * eps_hat
        return x_s + fresh * noise(x_t) if eta > 0 else x_s

    return step


def dpm_2m(*, eta: float = 0.0) -> Step:
    """DPM-Solver++(2M) with stochasticity ``eta`` in [0, 1]; 1 is SDE-DPM-Solver++(2M)."""
    first_order = ddim(eta=eta)

    def step(
        x_t: Tensor, x_hat: Tensor, lam_t: Tensor, lam_s: Tensor, noise: Noise, previous: Estimate | None = None
    ) -> Tensor:
        if previous is not None and lam_t > previous.lam:
            # Far more than 1 only after a step that the schedule's bounds cut short, which says little of the slope;
            # 1.01 to 1.15 at the last correction of 4 to 10 steps whose last look is at t = 0.05 (``LAST_LOOK``).
            reach = (0.5 * (lam_s - lam_t) / (lam_t - previous.lam)).clamp(max=1.0)
            x_hat = x_hat + reach * (x_hat - previous.x_hat)
        return first_order(x_t, x_hat, lam_t, lam_s, noise)

    return step


SAMPLERS: dict[str, Callable[[float], Step]] = {
    "ddim": lambda eta: ddim(eta=eta),
    "ddpm": lambda eta: ddpm(),
    "ddpm-large": lambda eta: ddpm(large_variance=True),
    "dpm++2m": lambda eta: dpm_2m(eta=eta),
    "sde-dpm++2m": lambda eta: dpm_2m(eta=1.0),
}
"""Sampler name -> its step, given eta (which only those in ``WITH_ETA`` look at)."""

WITH_ETA = frozenset({"ddim", "dpm++2m"})
"""Samplers that eta leads from no fresh noise to as much as DDPM draws."""


def make_step(sampler: str, *, eta: float = 0.0) -> Step:
    """The step of a sampler by name.

    Raises:
        SettingsError: If the name is unknown or eta is out of range.
    """
    if sampler not in SAMPLERS:
        raise SettingsError(f"unknown sampler {sampler!r}; choose one of {', '.join(SAMPLERS)}")
    return SAMPLERS[sampler](eta)

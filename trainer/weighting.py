"""Loss weightings: weight on the squared error of x as a function of the log SNR (the paper's section 3.4).

``L = E_{t, eps} [ w(lam_t) |x - x_hat|^2 ]`` (Eq. 8). They differ in how much the end of the diffusion counts, where
the mask is nearly clean: SNR + 1 is an unweighted error on v, SNR one on eps, 1 one on x.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from napari_ambiseg.errors import SettingsError

Weighting = Callable[[Tensor], Tensor]
"""lam -> weight, elementwise."""


def snr(lam: Tensor) -> Tensor:
    """``SNR = exp(lam)``."""
    return lam.exp()


def truncated_snr(lam: Tensor) -> Tensor:
    """``max(SNR, 1)`` (Salimans & Ho, 2022); the paper's choice."""
    return lam.exp().clamp(min=1.0)


def snr_plus_one(lam: Tensor) -> Tensor:
    """``SNR + 1`` (Salimans & Ho, 2022)."""
    return lam.exp() + 1.0


def uniform(lam: Tensor) -> Tensor:
    """1 everywhere."""
    return torch.ones_like(lam)


def sigmoid(bias: float) -> Weighting:
    """``sigmoid(lam - bias)`` (Kingma & Gao, 2023): 1 where the mask is clean, falling off below the bias."""
    return lambda lam: torch.sigmoid(lam - bias)


WEIGHTINGS: dict[str, Weighting] = {
    "snr": snr,
    "truncated-snr": truncated_snr,
    "snr+1": snr_plus_one,
    "uniform": uniform,
}


def named_weighting(name: str) -> Weighting:
    """A weighting by name; ``sigmoid:BIAS`` takes a number, e.g. ``sigmoid:-4``.

    Raises:
        SettingsError: If there is no such weighting.
    """
    kind, _, bias = name.partition(":")
    if kind == "sigmoid":
        try:
            return sigmoid(float(bias))
        except ValueError:
            raise SettingsError(f"weighting {name!r} needs a number after the colon, e.g. sigmoid:-4") from None
    if name not in WEIGHTINGS:
        raise SettingsError(f"unknown weighting {name!r}; choose one of {', '.join(WEIGHTINGS)}, sigmoid:BIAS")
    return WEIGHTINGS[name]

"""The noise schedule: log SNR as a decreasing function of time.

The cosine schedule has ``gamma(t) = alpha^2 = cos^2(pi t / 2)`` (Eq. 4), hence ``lam(t) = -2 log tan(pi t / 2)``.

Multiplying the mask by an input scale ``b`` before noise is added lowers the SNR by ``b^2`` (Eq. 6). Keeping unit
variance, that is ``gamma_b = b^2 gamma / ((b^2 - 1) gamma + 1)`` (Eq. 7), which is exactly ``lam_b = lam + 2 log b``: a
harder schedule is the old one, shifted.

How fast it falls is ``-dlam/dt = 2 pi / sin(pi t)`` for the cosine, whatever b is, because
``d log tan(u) / du = 2 / sin(2 u)``, here with ``u = pi t / 2``. Multiplied by it, a mean over uniform t becomes an
integral over lam, in which the schedule no longer appears (Kingma & Gao, 2023).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from napari_ambiseg.errors import SettingsError

LogSNR = Callable[[Tensor], Tensor]
"""t in [0, 1] -> lam, decreasing."""


def cosine(t: Tensor) -> Tensor:
    """Log SNR of the cosine schedule (Eq. 4): +inf at t = 0 (data), about -74 at t = 1 (noise) in float64."""
    return -2.0 * torch.log(torch.tan(0.5 * math.pi * t))


def cosine_rate(t: Tensor) -> Tensor:
    """``-dlam/dt = 2 pi / sin(pi t)`` of the cosine schedule: 2 pi at its slowest, t = 1/2."""
    return 2.0 * math.pi / torch.sin(math.pi * t)


def alpha(lam: Tensor) -> Tensor:
    """Signal coefficient ``alpha = sqrt(sigmoid(lam))``, in (0, 1)."""
    return torch.sigmoid(lam).sqrt()


def sigma(lam: Tensor) -> Tensor:
    """Noise coefficient ``sigma = sqrt(sigmoid(-lam))``, in (0, 1)."""
    return torch.sigmoid(-lam).sqrt()


@dataclass(frozen=True, slots=True)
class Schedule:
    """Log SNR with input scaling and bounds.

    Attributes:
        base: The unscaled log SNR as a function of t.
        input_scale: The factor b in (0, 1] on the mask; smaller is harder (the paper's optimum is about 0.1).
        bounds: Smallest and largest log SNR; outside them ``lam`` is clamped.
        base_rate: How fast ``base`` falls, -dlam/dt as a function of t.
    """

    base: LogSNR = cosine
    input_scale: float = 0.1
    bounds: tuple[float, float] = (-20.0, 20.0)
    base_rate: Callable[[Tensor], Tensor] = cosine_rate

    def __post_init__(self) -> None:
        if not (math.isfinite(self.input_scale) and self.input_scale > 0):
            raise SettingsError(f"input scale is {self.input_scale}; give a positive number, e.g. 0.1")
        if not self.bounds[0] < self.bounds[1]:
            raise SettingsError(f"log SNR bounds are {self.bounds}; the first must be below the second")

    def __call__(self, t: Tensor) -> Tensor:
        """Log SNR at times ``t`` in [0, 1], any shape; float64 whatever comes in."""
        return self._unbounded(t).clamp(*self.bounds)

    def rate(self, t: Tensor) -> Tensor:
        """``-dlam/dt`` at times ``t`` in [0, 1], any shape; 0 where ``lam`` is clamped; float64 whatever comes in."""
        lam, (low, high) = self._unbounded(t), self.bounds
        return torch.where((low < lam) & (lam < high), self.base_rate(t.double()), 0.0)

    def _unbounded(self, t: Tensor) -> Tensor:
        return self.base(t.double()) + 2.0 * math.log(self.input_scale)

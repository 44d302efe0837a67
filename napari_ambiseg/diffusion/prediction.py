"""What the network predicts: the mask x, the noise eps, or v = alpha eps - sigma x.

Any two of (x_t, x, eps, v) give the others, because ``x_t = alpha x + sigma eps`` with ``alpha^2 + sigma^2 = 1``:

- from eps: ``x = (x_t - sigma eps) / alpha``
- from v:   ``x = alpha x_t - sigma v``  (Salimans & Ho, 2022)

Classifier-free guidance (Ho & Salimans, 2022) goes beyond what the image c says, away from what is said without it:
``eps_w = (1 + w) eps(x_t, c) - w eps(x_t)``. At a given x_t, each of x, eps and v is an affine function of any other,
and the factors ``1 + w`` and ``-w`` add up to 1: the same formula on x_hat or on v is therefore the same guidance. It
acts on x_hat here, before that is clamped to [-1, 1], whatever the network predicts.
"""

from enum import Enum

from torch import Tensor

from napari_ambiseg.diffusion.schedule import alpha, sigma


def diffuse(x: Tensor, eps: Tensor, lam: Tensor) -> Tensor:
    """Add noise (Eq. 1): ``x_t = alpha x + sigma eps``. All shapes must broadcast; ``lam`` is the log SNR."""
    return alpha(lam) * x + sigma(lam) * eps


def guided(x_hat: Tensor, without_image: Tensor, weight: float) -> Tensor:
    """``(1 + w) x_hat - w x_hat'`` with x_hat' the estimate that did not see the image; not clamped."""
    return (1.0 + weight) * x_hat - weight * without_image


class Prediction(Enum):
    """The quantity that a denoiser's raw output stands for."""

    X = "x"
    EPS = "eps"
    V = "v"

    def target(self, x: Tensor, eps: Tensor, lam: Tensor) -> Tensor:
        """What the raw output should be for data ``x`` and noise ``eps`` at log SNR ``lam`` (broadcastable)."""
        match self:
            case Prediction.X:
                return x
            case Prediction.EPS:
                return eps
            case Prediction.V:
                return alpha(lam) * eps - sigma(lam) * x

    def to_x(self, output: Tensor, x_t: Tensor, lam: Tensor) -> Tensor:
        """The mask estimate that a raw ``output`` at ``x_t`` implies; not clamped."""
        match self:
            case Prediction.X:
                return output
            case Prediction.EPS:
                return (x_t - sigma(lam) * output) / alpha(lam)
            case Prediction.V:
                return alpha(lam) * x_t - sigma(lam) * output

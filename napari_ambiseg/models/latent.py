"""Distributions over the code z of a latent-variable model: one Gaussian or a mixture, axis-aligned or correlated.

An encoder answers numbers; ``LatentConfig.distribution`` reads them as a record of this room. Records are batched: Z
components of z last, K components of a mixture before them, anything (``...``) in front.

- Axis-aligned: ``z = mu + sigma n`` with ``n ~ N(0, I)``.
- Full covariance (Bhat et al., 2022): ``z = mu + L n`` with ``L = tril(A, -1) + diag(sigma + 1e-4)``, so that the
  covariance ``L L^T`` is positive definite whatever the encoder says.
- Mixture: ``p(z) = sum_k pi_k N_k(z)``. Training draws the component by Gumbel's rule, ``k = argmax(log pi + g)``, and
  passes the gradient through ``softmax((log pi + g) / temperature)`` (straight-through; Jang et al., 2017). The value
  is exactly that of the chosen component, so sampling needs no second rule.

``log sigma`` is bounded to (-6, 6) by a scaled tanh: no ratio of variances exceeds e^24, and a divergence stays finite
wherever training wanders. Divergences of single Gaussians are closed forms,

    KL(q | p) = log |L_p| - log |L_q| + (|L_p^-1 L_q|^2 + |L_p^-1 (mu_q - mu_p)|^2 - Z) / 2,

those with mixtures are means of ``log q(z) - log p(z)`` over draws from q.

Nothing here draws random numbers: they are passed in as ``LatentNoise``. Everything is computed in at least 32 bits.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import ConfigDict
from torch import Tensor

from napari_ambiseg.errors import SettingsError

LOG_SIGMA_BOUND = 6.0
TEMPERATURE = 0.5
"""Of the straight-through choice; the publications use 0.1 to 0.5."""

_LOG_2_PI = math.log(2 * math.pi)


@dataclass(frozen=True, slots=True)
class LatentNoise:
    """What a draw of z needs.

    Attributes:
        normal: Standard normal numbers (..., Z).
        uniform: Numbers in (0, 1), one for each component of a mixture (..., K).
    """

    normal: Tensor
    uniform: Tensor

    @classmethod
    def from_normals(cls, normals: Tensor, dim: int) -> "LatentNoise":
        """Of standard normal numbers (..., Z + K), the last K of which become uniform."""
        normal, others = normals.split([dim, normals.shape[-1] - dim], dim=-1)
        tiny = torch.finfo(normals.dtype).eps
        return cls(normal=normal, uniform=torch.special.ndtr(others).clamp(tiny, 1 - tiny))


@dataclass(frozen=True, slots=True)
class DiagonalGaussian:
    """Independent components.

    Attributes:
        mean: (..., Z).
        log_sigma: Log standard deviations (..., Z).
    """

    mean: Tensor
    log_sigma: Tensor

    def rsample(self, noise: LatentNoise, *, temperature: float = TEMPERATURE) -> Tensor:
        """A differentiable draw of z (..., Z); ``temperature`` means something to mixtures only."""
        return self.mean + self.log_sigma.exp() * noise.normal

    def log_prob(self, z: Tensor) -> Tensor:
        """Log density (...) of z (..., Z)."""
        standard = (z - self.mean) * (-self.log_sigma).exp()
        return -(0.5 * standard.square() + self.log_sigma + 0.5 * _LOG_2_PI).sum(dim=-1)


@dataclass(frozen=True, slots=True)
class FullGaussian:
    """Correlated components.

    Attributes:
        mean: (..., Z).
        tril: Lower triangle L of the covariance L L^T, with a positive diagonal (..., Z, Z).
    """

    mean: Tensor
    tril: Tensor

    def rsample(self, noise: LatentNoise, *, temperature: float = TEMPERATURE) -> Tensor:
        """A differentiable draw of z (..., Z); ``temperature`` means something to mixtures only."""
        return self.mean + (self.tril * noise.normal.unsqueeze(-2)).sum(dim=-1)

    def log_prob(self, z: Tensor) -> Tensor:
        """Log density (...) of z (..., Z)."""
        standard = _solve(self.tril, (z - self.mean).unsqueeze(-1)).squeeze(-1)
        return -(0.5 * standard.square() + 0.5 * _LOG_2_PI).sum(dim=-1) - self.log_determinant()

    def log_determinant(self) -> Tensor:
        """Log |L| (...)."""
        return self.tril.diagonal(dim1=-2, dim2=-1).log().sum(dim=-1)


@dataclass(frozen=True, slots=True)
class Mixture:
    """One of several Gaussians.

    Attributes:
        logits: Log weights of the components, up to a constant (..., K).
        components: The Gaussians, batched (..., K).
    """

    logits: Tensor
    components: DiagonalGaussian | FullGaussian

    def rsample(self, noise: LatentNoise, *, temperature: float = TEMPERATURE) -> Tensor:
        """A draw of z (..., Z) from one component, differentiable in the weights as the module says."""
        gumbel = -(-noise.uniform.log()).log()
        perturbed = self.logits.log_softmax(dim=-1) + gumbel
        soft = (perturbed / temperature).softmax(dim=-1)
        hard = torch.nn.functional.one_hot(perturbed.argmax(dim=-1), perturbed.shape[-1]).to(soft)
        choice = hard + (soft - soft.detach())
        each = self.components.rsample(LatentNoise(noise.normal.unsqueeze(-2), noise.uniform))
        return (choice.unsqueeze(-1) * each).sum(dim=-2)

    def log_prob(self, z: Tensor) -> Tensor:
        """Log density (...) of z (..., Z)."""
        return (self.logits.log_softmax(dim=-1) + self.components.log_prob(z.unsqueeze(-2))).logsumexp(dim=-1)


Latent = DiagonalGaussian | FullGaussian | Mixture


def kl_divergence(q: Latent, p: Latent, noise: LatentNoise, *, temperature: float = TEMPERATURE) -> Tensor:
    """KL(q | p) for each element of the batch.

    Args:
        q: The first distribution, batched (...).
        p: The second, batched alike.
        noise: For M draws from q, (M, ..., Z); single Gaussians of the same form look at none of it.
        temperature: Of the choice of component.

    Returns:
        (...), in nats. Where a mixture is involved it is an estimate, which may be negative.
    """
    match q, p:
        case DiagonalGaussian(), DiagonalGaussian():
            return _kl_diagonal(q, p)
        case FullGaussian(), FullGaussian():
            return _kl_full(q, p)
        case _:
            z = q.rsample(noise, temperature=temperature)
            return (q.log_prob(z) - p.log_prob(z)).mean(dim=0)


def _kl_diagonal(q: DiagonalGaussian, p: DiagonalGaussian) -> Tensor:
    log_ratio = q.log_sigma - p.log_sigma
    distance = (q.mean - p.mean) * (-p.log_sigma).exp()
    return 0.5 * ((2 * log_ratio).exp() + distance.square() - 1 - 2 * log_ratio).sum(dim=-1)


def _kl_full(q: FullGaussian, p: FullGaussian) -> Tensor:
    spread = _solve(p.tril, q.tril).square().sum(dim=(-2, -1))
    distance = _solve(p.tril, (q.mean - p.mean).unsqueeze(-1)).square().sum(dim=(-2, -1))
    return p.log_determinant() - q.log_determinant() + 0.5 * (spread + distance - q.mean.shape[-1])


def _solve(tril: Tensor, right: Tensor) -> Tensor:
    return torch.linalg.solve_triangular(tril, right, upper=False)


@dataclass(frozen=True, slots=True)
class LatentConfig:
    """Which distribution.

    Attributes:
        dim: Components of z.
        components: Gaussians; more than one is a mixture.
        covariance: Whether the components of z are independent, or may correlate.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    dim: int
    components: int = 1
    covariance: Literal["diagonal", "full"] = "diagonal"

    def __post_init__(self) -> None:
        if min(self.dim, self.components) < 1:
            raise SettingsError(f"z has {self.dim} components and {self.components} Gaussians; both start at 1")

    @property
    def numbers(self) -> int:
        """How many numbers an encoder answers: mean, log sigma, the matrix A if any, and a mixture's log weights."""
        return self._weights + self.components * self._numbers_of_each

    @property
    def log_sigma_places(self) -> list[int]:
        """Which of those numbers are log sigmas (before they are bounded)."""
        starts = range(self._weights + self.dim, self.numbers, self._numbers_of_each)
        return [start + i for start in starts for i in range(self.dim)]

    def distribution(self, numbers: Tensor) -> Latent:
        """Read what an encoder answered (..., numbers) as distributions (...)."""
        numbers = numbers.to(torch.promote_types(numbers.dtype, torch.float32))
        if self.components == 1:
            return self._gaussian(numbers)
        logits, others = numbers.tensor_split([self._weights], dim=-1)
        return Mixture(logits, self._gaussian(others.unflatten(-1, (self.components, -1))))

    @property
    def _weights(self) -> int:
        return self.components if self.components > 1 else 0

    @property
    def _numbers_of_each(self) -> int:
        return 2 * self.dim + (self.dim**2 if self.covariance == "full" else 0)

    def _gaussian(self, numbers: Tensor) -> DiagonalGaussian | FullGaussian:
        mean, unbounded, matrix = numbers.tensor_split([self.dim, 2 * self.dim], dim=-1)
        log_sigma = LOG_SIGMA_BOUND * torch.tanh(unbounded / LOG_SIGMA_BOUND)
        if self.covariance == "diagonal":
            return DiagonalGaussian(mean, log_sigma)
        lower = matrix.unflatten(-1, (self.dim, self.dim)).tril(-1)
        return FullGaussian(mean, lower + torch.diag_embed(log_sigma.exp() + 1e-4))


NAMED_LATENTS: dict[str, LatentConfig] = {
    "aa": LatentConfig(dim=6),
    "aa-mix": LatentConfig(dim=4, components=5),
    "fc": LatentConfig(dim=2, covariance="full"),
    "fc-mix": LatentConfig(dim=2, components=9, covariance="full"),
}
"""The four distributions that the paper compares, with its sizes."""

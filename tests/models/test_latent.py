"""Densities, divergences and draws of the latent distributions, against torch.distributions and against counting."""

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Categorical, Independent, MixtureSameFamily, MultivariateNormal, Normal, kl

from napari_ambiseg.errors import SettingsError
from napari_ambiseg.models.latent import (
    LOG_SIGMA_BOUND,
    NAMED_LATENTS,
    DiagonalGaussian,
    FullGaussian,
    Latent,
    LatentConfig,
    LatentNoise,
    Mixture,
    kl_divergence,
)

BATCH = 5


def drawn_distribution(name: str, seed: int, batch: int = BATCH, spread: float = 1.0) -> Latent:
    """Of random encoder numbers in double precision."""
    config = NAMED_LATENTS[name]
    rng = torch.Generator().manual_seed(seed)
    numbers = spread * torch.randn(batch, config.numbers, generator=rng, dtype=torch.float64)
    return config.distribution(numbers)


def noise(config: LatentConfig, *shape: int, seed: int = 0) -> LatentNoise:
    rng = torch.Generator().manual_seed(seed)
    normals = torch.randn(*shape, config.dim + config.components, generator=rng, dtype=torch.float64)
    return LatentNoise.from_normals(normals, config.dim)


def oracle(latent: Latent) -> torch.distributions.Distribution:
    """The same distribution by torch."""
    match latent:
        case DiagonalGaussian(mean, log_sigma):
            return Independent(Normal(mean, log_sigma.exp()), 1)
        case FullGaussian(mean, tril):
            return MultivariateNormal(mean, scale_tril=tril)
        case Mixture(logits, components):
            return MixtureSameFamily(Categorical(logits=logits), oracle(components))


@pytest.mark.parametrize("name", NAMED_LATENTS)
def test_log_densities_are_those_of_torch(name: str) -> None:
    latent = drawn_distribution(name, 0)
    z = 2 * torch.randn(7, BATCH, NAMED_LATENTS[name].dim, dtype=torch.float64)
    torch.testing.assert_close(latent.log_prob(z), oracle(latent).log_prob(z))


@pytest.mark.parametrize("name", ["aa", "fc"])
def test_the_divergence_of_single_gaussians_is_torchs_closed_form(name: str) -> None:
    q, p = drawn_distribution(name, 1), drawn_distribution(name, 2)
    found = kl_divergence(q, p, noise(NAMED_LATENTS[name], 1, BATCH))
    torch.testing.assert_close(found, kl.kl_divergence(oracle(q), oracle(p)))


@pytest.mark.parametrize("name", ["aa-mix", "fc-mix"])
def test_the_divergence_of_mixtures_agrees_with_draws_by_torch(name: str) -> None:
    """Two independent Monte Carlo means, each with its standard error."""
    q, p = drawn_distribution(name, 1), drawn_distribution(name, 2)
    count = 20_000
    found = kl_divergence(q, p, noise(NAMED_LATENTS[name], count, BATCH))
    torch.manual_seed(3)
    z = oracle(q).sample((count,))
    ratio = oracle(q).log_prob(z) - oracle(p).log_prob(z)
    error = ratio.std(dim=0) * math.sqrt(2 / count)
    assert ((found - ratio.mean(dim=0)).abs() < 5 * error).all()


def test_a_mixture_of_equal_components_diverges_like_one_of_them() -> None:
    """Every draw's ratio is that of the Gaussians, so the estimate converges to the closed form."""
    count = 20_000
    q, p = drawn_distribution("fc", 1), drawn_distribution("fc", 2)
    assert isinstance(q, FullGaussian)
    assert isinstance(p, FullGaussian)

    def tripled(one: FullGaussian) -> Mixture:
        components = FullGaussian(
            one.mean.unsqueeze(-2).expand(-1, 3, -1), one.tril.unsqueeze(-3).expand(-1, 3, -1, -1)
        )
        return Mixture(torch.tensor([0.3, -1.0, 2.0], dtype=torch.float64).expand(BATCH, 3), components)

    drawn = noise(LatentConfig(dim=2, components=3, covariance="full"), count, BATCH)
    estimate = kl_divergence(tripled(q), tripled(p), drawn)
    z = q.rsample(drawn)
    error = (q.log_prob(z) - p.log_prob(z)).std(dim=0) / math.sqrt(count)
    assert ((estimate - kl_divergence(q, p, drawn)).abs() < 5 * error).all()


@pytest.mark.parametrize("name", NAMED_LATENTS)
def test_nothing_diverges_from_itself(name: str) -> None:
    q = drawn_distribution(name, 1)
    found = kl_divergence(q, q, noise(NAMED_LATENTS[name], 4, BATCH))
    torch.testing.assert_close(found, torch.zeros(BATCH, dtype=torch.float64))


@pytest.mark.parametrize("name", NAMED_LATENTS)
def test_draws_have_the_moments_of_the_distribution(name: str) -> None:
    """Mean and covariance of draws within 6 standard errors of torch's mean and of the law of total variance."""
    config, count = NAMED_LATENTS[name], 40_000
    latent = drawn_distribution(name, 4, batch=1, spread=0.7)
    z = latent.rsample(noise(config, count, 1)).squeeze(1)
    mean, covariance = _moments(latent)
    scale = covariance.diagonal().sqrt()
    assert ((z.mean(dim=0) - mean).abs() < 6 * scale / math.sqrt(count)).all()
    outer = (z - mean).unsqueeze(-1) * (z - mean).unsqueeze(-2)
    assert ((outer.mean(dim=0) - covariance).abs() < 6 * outer.std(dim=0) / math.sqrt(count)).all()


def _moments(latent: Latent) -> tuple[Tensor, Tensor]:
    match latent:
        case DiagonalGaussian(mean, log_sigma):
            return mean[0], torch.diag((2 * log_sigma[0]).exp())
        case FullGaussian(mean, tril):
            return mean[0], tril[0] @ tril[0].T
        case Mixture(logits, components):
            weights = logits[0].softmax(-1)
            means = components.mean[0]
            if isinstance(components, DiagonalGaussian):
                within = torch.diag_embed((2 * components.log_sigma[0]).exp())
            else:
                within = components.tril[0] @ components.tril[0].transpose(-1, -2)
            mean = weights @ means
            off = means - mean
            return mean, (weights[:, None, None] * (within + off[:, :, None] * off[:, None, :])).sum(dim=0)


def test_a_component_is_chosen_as_often_as_it_weighs() -> None:
    """Far apart and narrow components: a draw tells which one it is from."""
    weights = torch.tensor([0.1, 0.6, 0.3], dtype=torch.float64)
    means = torch.tensor([[-10.0], [0.0], [10.0]], dtype=torch.float64)
    mixture = Mixture(weights.log(), DiagonalGaussian(means, torch.full_like(means, -2.0)))
    count = 20_000
    z = mixture.rsample(noise(LatentConfig(dim=1, components=3), count)).squeeze(-1)
    found = torch.stack([((z / 10).round() == k).double().mean() for k in (-1, 0, 1)])
    assert ((found - weights).abs() < 4 * (weights * (1 - weights) / count).sqrt()).all()


def test_a_draw_from_a_mixture_is_exactly_one_component_s_and_still_moves_its_weights() -> None:
    config = NAMED_LATENTS["aa-mix"]
    drawn = noise(config, BATCH)
    numbers = torch.randn(BATCH, config.numbers, dtype=torch.float64, requires_grad=True)
    mixture = config.distribution(numbers)
    assert isinstance(mixture, Mixture)
    z = mixture.rsample(drawn)
    each = mixture.components.rsample(LatentNoise(drawn.normal.unsqueeze(-2), drawn.uniform))
    distance = (each - z.unsqueeze(-2)).abs().amax(dim=-1)
    assert (distance.min(dim=-1).values == 0).all()
    (gradient,) = torch.autograd.grad(z.sum(), numbers)
    weights, others = gradient.split([config.components, config.numbers - config.components], dim=-1)
    assert (weights.abs().amax(dim=-1) > 0).all()
    assert (others.abs().amax(dim=-1) > 0).all()


def test_an_encoder_s_numbers_make_the_published_covariance() -> None:
    """L = tril(A, -1) + diag(exp(log s) + 1e-4), from mean, log s and A by rows."""
    numbers = torch.tensor([0.5, -0.5, 0.1, -0.2, 9.0, 9.0, 0.7, 9.0], dtype=torch.float64)
    found = NAMED_LATENTS["fc"].distribution(numbers)
    assert isinstance(found, FullGaussian)
    bounded = [LOG_SIGMA_BOUND * math.tanh(s / LOG_SIGMA_BOUND) for s in (0.1, -0.2)]
    expected = [[math.exp(bounded[0]) + 1e-4, 0.0], [0.7, math.exp(bounded[1]) + 1e-4]]
    torch.testing.assert_close(found.tril, torch.tensor(expected, dtype=torch.float64))
    assert found.mean.tolist() == [0.5, -0.5]


@pytest.mark.parametrize(("name", "numbers"), [("aa", 12), ("aa-mix", 45), ("fc", 8), ("fc-mix", 81)])
def test_an_encoder_answers_as_many_numbers_as_the_published_counts_imply(name: str, numbers: int) -> None:
    assert NAMED_LATENTS[name].numbers == numbers


@pytest.mark.parametrize("name", NAMED_LATENTS)
def test_the_places_of_the_log_sigmas_are_those_that_scale_a_draw(name: str) -> None:
    config = NAMED_LATENTS[name]
    numbers = torch.zeros(config.numbers)
    numbers[config.log_sigma_places] = math.atanh(-2.0 / LOG_SIGMA_BOUND) * LOG_SIGMA_BOUND
    z = config.distribution(numbers).rsample(LatentNoise(torch.ones(config.dim), torch.full((config.components,), 0.5)))
    expected = math.exp(-2.0) + (1e-4 if config.covariance == "full" else 0)
    torch.testing.assert_close(z, torch.full((config.dim,), expected))


@pytest.mark.parametrize("name", NAMED_LATENTS)
def test_divergences_and_their_gradients_stay_finite_wherever_the_encoders_wander(name: str) -> None:
    """Numbers of several hundred in 32 bits; an unbounded log sigma would give infinities from 89 on."""
    config = NAMED_LATENTS[name]
    for scale in (30.0, 300.0):
        for seed in range(5):
            torch.manual_seed(seed)
            numbers = (scale * torch.randn(2, BATCH, config.numbers)).requires_grad_()
            q, p = config.distribution(numbers[0]), config.distribution(numbers[1])
            drawn = LatentNoise.from_normals(torch.randn(4, BATCH, config.dim + config.components), config.dim)
            divergence = kl_divergence(q, p, drawn)
            (gradient,) = torch.autograd.grad(divergence.sum(), numbers)
            assert divergence.isfinite().all()
            assert gradient.isfinite().all()


def test_numbers_of_16_bits_are_read_in_32() -> None:
    latent = NAMED_LATENTS["fc-mix"].distribution(torch.randn(BATCH, 81).bfloat16())
    assert latent.log_prob(torch.zeros(BATCH, 2)).dtype == torch.float32


def test_noise_becomes_uniform_for_the_choice_and_stays_inside_its_bounds() -> None:
    extreme = LatentNoise.from_normals(torch.tensor([1.0, -40.0, 40.0, 0.0]), 1)
    assert extreme.normal.tolist() == [1.0]
    assert 0 < extreme.uniform[0] < extreme.uniform[2] == 0.5 < extreme.uniform[1] < 1
    many = LatentNoise.from_normals(torch.randn(20_000, 2, generator=torch.Generator().manual_seed(0)), 1).uniform
    shares = torch.histc(many, bins=10, min=0, max=1) / many.numel()
    assert ((shares - 0.1).abs() < 4 * math.sqrt(0.09 / many.numel())).all()


@pytest.mark.parametrize(("dim", "components"), [(0, 1), (2, 0)])
def test_a_latent_without_components_is_refused(dim: int, components: int) -> None:
    with pytest.raises(SettingsError, match="both start at 1"):
        LatentConfig(dim=dim, components=components)

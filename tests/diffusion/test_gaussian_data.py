"""Gaussian data, where everything has a closed form.

For pixels N(mu, s^2) the marginal at log SNR lam is N(alpha mu, alpha^2 s^2 + sigma^2), the posterior mean is linear,
and the probability-flow ODE keeps the standardised value of x_t: it carries x_1 to mu + s (x_1 - alpha_1 mu) / std_1.
"""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from napari_ambiseg.diffusion.sampling import SeededNoise, State, make_step, trajectory
from napari_ambiseg.diffusion.schedule import Schedule, alpha, sigma
from napari_ambiseg.seeds import ANTITHETIC

MU, S = 0.4, 0.6


def marginal_std(lam: Tensor) -> Tensor:
    return (alpha(lam) ** 2 * S**2 + sigma(lam) ** 2).sqrt()


def posterior_mean(x_t: Tensor, t: Tensor, lam: Tensor) -> Tensor:
    gain = alpha(lam) * S**2 / marginal_std(lam) ** 2
    return MU + gain * (x_t - alpha(lam) * MU)


def run(sampler: str, eta: float, steps: int, x_1: Tensor, b: float) -> list[State]:
    generator = torch.Generator().manual_seed(1)

    def noise(like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=generator, dtype=like.dtype)

    return list(trajectory(posterior_mean, Schedule(input_scale=b), make_step(sampler, eta=eta), x_1, steps, noise))


@pytest.mark.parametrize("b", [1.0, 0.1])
def test_ddim_converges_with_first_order_to_the_probability_flow(b: float) -> None:
    x_1 = torch.linspace(-3, 3, 25, dtype=torch.float64).view(1, 1, 5, 5)
    lam_1 = Schedule(input_scale=b)(torch.tensor(1.0))
    exact = MU + S * (x_1 - alpha(lam_1) * MU) / marginal_std(lam_1)
    counts = [200, 400, 800, 1600]
    errors = [float((run("ddim", 0.0, steps, x_1, b)[-1].x_t - exact).abs().max()) for steps in counts]
    order = -np.polyfit(np.log(counts), np.log(errors), 1)[0]
    assert 0.9 < order < 1.1
    assert errors[-1] < 0.02


@pytest.mark.parametrize(
    ("sampler", "eta"),
    [
        *[("ddpm", 0.0), ("ddpm-large", 0.0), ("ddim", 0.0), ("ddim", 0.5)],
        *[("dpm++2m", 0.0), ("dpm++2m", 0.5), ("sde-dpm++2m", 0.0)],
    ],
)
def test_samples_have_the_right_mean_and_variance_all_the_way(sampler: str, eta: float) -> None:
    """Every tenth state of a long run: 4 standard errors, and 1.5 % for the finite step."""
    generator = torch.Generator().manual_seed(0)
    x_1 = torch.randn((1, 1, 150, 150), generator=generator, dtype=torch.float64)
    count = x_1.numel()
    for state in run(sampler, eta, 400, x_1, b=1.0)[9::10]:
        lam = torch.tensor(state.log_snr, dtype=torch.float64)
        mean, std = float(alpha(lam) * MU), float(marginal_std(lam))
        assert float(state.x_t.mean()) == pytest.approx(mean, abs=4 * std / math.sqrt(count) + 0.005), state.step
        assert float(state.x_t.std()) == pytest.approx(std, rel=4 / math.sqrt(2 * count) + 0.015), state.step


@pytest.mark.parametrize(("sampler", "eta"), [("ddpm", 0.0), ("ddim", 0.0), ("dpm++2m", 0.0), ("sde-dpm++2m", 0.0)])
def test_the_mean_of_an_antithetic_pair_has_no_error_left_where_sampling_is_linear(sampler: str, eta: float) -> None:
    """Steps of a linear denoiser are affine in all noise: a pair's mean is what a run without noise answers."""
    shape, schedule, step = (2, 1, 4, 4), Schedule(input_scale=0.1), make_step(sampler, eta=eta)
    noise = SeededNoise([3, 3 | ANTITHETIC])
    x_1 = noise(torch.zeros(shape, dtype=torch.float64))
    *_, drawn = trajectory(posterior_mean, schedule, step, x_1, 8, noise)
    *_, noiseless = trajectory(posterior_mean, schedule, step, torch.zeros_like(x_1), 8, torch.zeros_like)
    assert float(drawn.x_t.std()) > 0.1
    torch.testing.assert_close(drawn.x_t.mean(dim=0), noiseless.x_t[0], rtol=0, atol=1e-12)

"""An exact denoiser for a finite set of masks: each sampler must draw each mask as often as its readers drew it.

If the data are masks m_k with probabilities p_k, Bayes' rule gives the best estimate in closed form, the posterior mean
``x_hat = sum_k w_k m_k`` with ``w = softmax_k(log p_k - |x_t - alpha m_k|^2 / (2 sigma^2))``.
"""

import math

import pytest
import torch
from torch import Tensor

from napari_ambiseg.diffusion.sampling import Denoise, make_step, time_grid, trajectory
from napari_ambiseg.diffusion.schedule import Schedule, alpha, sigma

SAMPLES, STEPS = 4000, 64
SAMPLERS = [
    *[("ddpm", 0.0), ("ddpm-large", 0.0), ("ddim", 0.0), ("ddim", 0.5), ("ddim", 1.0)],
    *[("dpm++2m", 0.0), ("dpm++2m", 0.5), ("sde-dpm++2m", 0.0)],
]

LESION = torch.tensor([[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]])
LARGER = torch.tensor([[0, 1, 1, 1], [0, 1, 1, 1], [0, 1, 1, 1], [0, 0, 0, 0]])
OPPOSED = 1 - LARGER
EMPTY = torch.zeros_like(LESION)
SETS = {
    "two that contradict": ((LARGER, OPPOSED), (0.3, 0.7)),
    "three, one of them empty": ((LESION, LARGER, EMPTY), (0.2, 0.5, 0.3)),
}


def signed(masks: tuple[Tensor, ...]) -> Tensor:
    """Masks (K, 1, H, W) in {-1, +1}."""
    return torch.stack(masks)[:, None].double() * 2 - 1


def posterior_mean(masks: Tensor, prior: tuple[float, ...]) -> Denoise:
    def denoise(x_t: Tensor, t: Tensor, lam: Tensor) -> Tensor:
        distance = (x_t[:, None] - alpha(lam) * masks[None]).square().sum(dim=(2, 3, 4))
        weights = torch.softmax(torch.tensor(prior, dtype=x_t.dtype).log() - distance / (2 * sigma(lam) ** 2), dim=1)
        return torch.einsum("sk,kchw->schw", weights, masks)

    return denoise


def draw(
    masks: Tensor,
    prior: tuple[float, ...],
    sampler: str,
    eta: float,
    steps: int,
    count: int = SAMPLES,
    last_time: float | None = None,
) -> Tensor:
    """Samples (count, 1, H, W) of the exact model."""
    generator = torch.Generator().manual_seed(0)

    def noise(like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=generator, dtype=like.dtype)

    x_1 = noise(masks[:1].expand(count, -1, -1, -1))
    denoise, step = posterior_mean(masks, prior), make_step(sampler, eta=eta)
    return list(trajectory(denoise, Schedule(), step, x_1, time_grid(steps, last_time=last_time), noise))[-1].x_t


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize(("sampler", "eta"), SAMPLERS)
def test_each_mask_is_drawn_as_often_as_its_readers_drew_it(sampler: str, eta: float, name: str) -> None:
    """Within 4 standard deviations of a binomial count; hardly any sample may be none of the masks."""
    drawn, prior = SETS[name]
    masks = signed(drawn)
    samples = draw(masks, prior, sampler, eta, STEPS)
    hits = ((samples[:, None] > 0) == (masks[None] > 0)).all(dim=(2, 3, 4))
    assert hits.any(dim=1).double().mean() > 0.999
    for p, count in zip(prior, hits.sum(dim=0).tolist(), strict=True):
        assert abs(count - SAMPLES * p) < 4 * math.sqrt(SAMPLES * p * (1 - p))


@pytest.mark.parametrize(("sampler", "eta"), SAMPLERS)
def test_samples_are_masks_and_not_averages_of_masks(sampler: str, eta: float) -> None:
    drawn, prior = SETS["two that contradict"]
    samples = draw(signed(drawn), prior, sampler, eta, STEPS, count=1000)
    undecided = (samples.abs() < 0.99).any(dim=3).any(dim=2).double().mean()
    assert undecided < 0.01


@pytest.mark.parametrize("sampler", ["ddim", "dpm++2m", "sde-dpm++2m"])
def test_a_later_last_look_leaves_fewer_samples_that_blend_two_readers(sampler: str) -> None:
    """With few steps even the exact model answers averages, because it must answer early."""
    drawn, prior = SETS["two that contradict"]
    masks = signed(drawn)

    def blended(last_time: float | None) -> float:
        samples = draw(masks, prior, sampler, 0.0, 6, last_time=last_time)
        return float((samples.abs() < 0.9).any(dim=3).any(dim=2).double().mean())

    assert blended(0.05) < 0.5 * blended(None)


def test_one_step_answers_the_average_of_all_readers() -> None:
    """All that can be said of pure noise; this is why sampling takes steps."""
    drawn, prior = SETS["three, one of them empty"]
    masks = signed(drawn)
    average = torch.einsum("k,kchw->chw", torch.tensor(prior, dtype=masks.dtype), masks)
    samples = draw(masks, prior, "ddim", 0.0, steps=1, count=20)
    torch.testing.assert_close(samples, average.expand_as(samples), rtol=0, atol=2e-3)  # alpha is 4.5e-5 there, not 0

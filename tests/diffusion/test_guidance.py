"""Guidance on hand-worked numbers, in every prediction's space, and on a toy whose guided answer is known."""

import math

import pytest
import torch
from torch import Tensor

from napari_ambiseg.diffusion.prediction import Prediction, guided
from napari_ambiseg.diffusion.sampling import make_step, trajectory
from napari_ambiseg.diffusion.schedule import Schedule, alpha, sigma

LAM = torch.tensor(-0.7, dtype=torch.float64)


def test_guidance_goes_beyond_the_conditional_estimate_by_its_weight() -> None:
    with_image, without_image = torch.tensor([0.5, -0.2, 1.0]), torch.tensor([0.1, 0.2, 1.0])
    assert guided(with_image, without_image, 1.5).tolist() == pytest.approx([1.1, -0.8, 1.0])
    assert torch.equal(guided(with_image, without_image, 0.0), with_image)


@pytest.mark.parametrize("prediction", Prediction)
def test_guiding_eps_or_v_is_guiding_x(prediction: Prediction) -> None:
    """``(1 + w) eps_c - w eps_u`` of Ho & Salimans, turned into x, equals the formula on x itself."""
    x_t, x_c, x_u = torch.tensor([[0.4, -1.3], [0.9, -0.6], [0.2, 0.7]], dtype=torch.float64)
    outputs = [prediction.target(x, (x_t - alpha(LAM) * x) / sigma(LAM), LAM) for x in (x_c, x_u)]
    by_output = prediction.to_x((1 + 2.5) * outputs[0] - 2.5 * outputs[1], x_t, LAM)
    torch.testing.assert_close(by_output, guided(x_c, x_u, 2.5))


@pytest.mark.parametrize("sampler", ["ddim", "ddpm"])
def test_guidance_makes_what_the_image_speaks_for_more_frequent(sampler: str) -> None:
    """One pixel, +1 with probability p given the image and q without: x_hat = tanh(alpha x_t / sigma^2 + logit / 2).

    At the start of the diffusion alpha is 0, and the guided estimate is hand-worked: with p = 0.7, q = 0.5 and w = 0.5
    it is 1.5 * 0.4 - 0.5 * 0 = 0.6, as for a probability of 0.8. Without guidance the share stays p.
    """
    p, q, count = 0.7, 0.5, 4000

    def x_hat(probability: float, x_t: Tensor, lam: Tensor) -> Tensor:
        return torch.tanh(alpha(lam) / sigma(lam) ** 2 * x_t + math.log(probability / (1 - probability)) / 2)

    def share(weight: float) -> float:
        generator = torch.Generator().manual_seed(1)

        def noise(like: Tensor) -> Tensor:
            return torch.randn(like.shape, generator=generator, dtype=torch.float64)

        def denoise(x_t: Tensor, t: Tensor, lam: Tensor) -> Tensor:
            return guided(x_hat(p, x_t, lam), x_hat(q, x_t, lam), weight).clamp(-1, 1)

        x_1 = noise(torch.empty(count, 1, 1, 1))
        first, *_, last = trajectory(denoise, Schedule(), make_step(sampler), x_1, 64, noise)
        assert float(first.x_hat.mean()) == pytest.approx((1 + weight) * (2 * p - 1), abs=1e-3)
        return float((last.x_t > 0).double().mean())

    noise_of_count = 4 * math.sqrt(p * (1 - p) / count)
    assert abs(share(0.0) - p) < noise_of_count
    assert share(0.5) > p + 2 * noise_of_count

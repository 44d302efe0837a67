"""x, eps and v are three ways to say the same thing."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from napari_ambiseg.diffusion.prediction import Prediction, diffuse
from napari_ambiseg.diffusion.schedule import alpha, sigma

ROUNDING = torch.finfo(torch.float64).eps
log_snrs = st.floats(-20.0, 20.0)
seeds = st.integers(0, 2**32 - 1)


def pair(seed: int) -> tuple[Tensor, Tensor]:
    """A random mask in {-1, +1} and noise, both (2, 1, 4, 4)."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(0, 2, (2, 1, 4, 4), generator=generator).double() * 2 - 1
    return x, torch.randn(x.shape, generator=generator, dtype=torch.float64)


def test_noise_is_added_as_in_equation_1() -> None:
    x, eps = torch.tensor([1.0, -1.0], dtype=torch.float64), torch.tensor([0.5, 2.0], dtype=torch.float64)
    lam = torch.tensor(math.log(3.0), dtype=torch.float64)  # SNR 3: alpha = sqrt(3) / 2, sigma = 1 / 2
    expected = [math.sqrt(3) / 2 + 0.25, -math.sqrt(3) / 2 + 1.0]
    assert diffuse(x, eps, lam).tolist() == pytest.approx(expected, rel=1e-15)


@settings(deadline=None)
@given(seed=seeds, lam=log_snrs)
def test_every_target_leads_back_to_the_mask(seed: int, lam: float) -> None:
    """Up to rounding: exactly for x, a few ulp of the terms for v, and those divided by alpha for eps."""
    x, eps = pair(seed)
    at = torch.tensor(lam, dtype=torch.float64)
    x_t = diffuse(x, eps, at)
    bounds = {Prediction.X: 0.0, Prediction.V: 8 * ROUNDING, Prediction.EPS: 8 * ROUNDING / float(alpha(at))}
    for prediction, bound in bounds.items():
        recovered = prediction.to_x(prediction.target(x, eps, at), x_t, at)
        assert ((recovered - x).abs() <= bound * (1 + eps.abs())).all(), prediction


@settings(deadline=None)
@given(seed=seeds, lam=log_snrs)
def test_v_is_the_noisy_mask_turned_by_a_right_angle(seed: int, lam: float) -> None:
    """(x_t, v) is (x, eps) rotated: lengths agree, and eps = sigma x_t + alpha v undoes it."""
    x, eps = pair(seed)
    at = torch.tensor(lam, dtype=torch.float64)
    x_t, v = diffuse(x, eps, at), Prediction.V.target(x, eps, at)
    torch.testing.assert_close(x_t**2 + v**2, x**2 + eps**2, rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(sigma(at) * x_t + alpha(at) * v, eps, rtol=1e-13, atol=1e-13)


def test_v_is_the_noise_on_clean_data_and_minus_the_mask_in_pure_noise() -> None:
    x, eps = pair(0)
    clean, noise = torch.tensor(20.0, dtype=torch.float64), torch.tensor(-20.0, dtype=torch.float64)
    torch.testing.assert_close(Prediction.V.target(x, eps, clean), eps, rtol=0, atol=1e-4)
    torch.testing.assert_close(Prediction.V.target(x, eps, noise), -x, rtol=0, atol=2e-4)


@pytest.mark.parametrize("prediction", Prediction)
def test_each_sample_of_a_batch_may_have_its_own_log_snr(prediction: Prediction) -> None:
    x, eps = pair(1)
    lam = torch.tensor([-3.0, 5.0], dtype=torch.float64).view(2, 1, 1, 1)
    together = prediction.to_x(eps, diffuse(x, eps, lam), lam)
    for i in range(2):
        alone = prediction.to_x(eps[i], diffuse(x[i], eps[i], lam[i]), lam[i])
        torch.testing.assert_close(together[i], alone, rtol=0, atol=0)


def test_names_in_model_files_stay_what_they_are() -> None:
    assert {p.value: p for p in Prediction} == {"x": Prediction.X, "eps": Prediction.EPS, "v": Prediction.V}

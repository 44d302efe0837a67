"""One step of each sampler against Bayes' rule, in float64."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from napari_ambiseg.diffusion.sampling import SAMPLERS, WITH_ETA, Step, ddim, ddpm, dpm_2m, make_step
from napari_ambiseg.errors import SettingsError

lams = st.tuples(st.floats(-20.0, 19.0), st.floats(1e-3, 40.0)).map(lambda p: (p[0], min(20.0, p[0] + p[1])))
values = st.floats(-3.0, 3.0)


def scalar(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


def mean_of(step: Step, x_t: float, x_hat: float, lam_t: float, lam_s: float) -> float:
    """Where a step goes when its noise is zero."""
    return float(step(scalar(x_t), scalar(x_hat), scalar(lam_t), scalar(lam_s), torch.zeros_like))


def std_of(step: Step, lam_t: float, lam_s: float) -> float:
    """How far noise of size one moves a step whose mean is zero."""
    return float(step(scalar(0.0), scalar(0.0), scalar(lam_t), scalar(lam_s), torch.ones_like))


def coefficients(lam: float) -> tuple[float, float]:
    """Alpha and sigma from the SNR alone."""
    snr = math.exp(lam)
    return math.sqrt(snr / (1 + snr)), math.sqrt(1 / (1 + snr))


def bayes(x_t: float, x: float, lam_t: float, lam_s: float) -> tuple[float, float]:
    """Mean and variance of q(x_s | x_t, x), proportional to q(x_t | x_s) q(x_s | x): the square completed in x_s."""
    alpha_s, sigma_s = coefficients(lam_s)
    alpha_t, sigma_t = coefficients(lam_t)
    ratio = alpha_t / alpha_s
    added = sigma_t**2 - ratio**2 * sigma_s**2  # variance of q(x_t | x_s) = N(ratio x_s, added)
    precision = 1 / sigma_s**2 + ratio**2 / added
    return (alpha_s * x / sigma_s**2 + ratio * x_t / added) / precision, 1 / precision


@settings(deadline=None)
@given(lam=lams, x_t=values, x=values)
def test_ancestral_step_equals_bayes(lam: tuple[float, float], x_t: float, x: float) -> None:
    mean, variance = bayes(x_t, x, *lam)
    assert mean_of(ddpm(), x_t, x, *lam) == pytest.approx(mean, rel=1e-10, abs=1e-10)
    assert std_of(ddpm(), *lam) ** 2 == pytest.approx(variance, rel=1e-10)


@settings(deadline=None)
@given(lam=lams, x_t=values, x=values)
def test_ddim_with_eta_1_is_ancestral_sampling(lam: tuple[float, float], x_t: float, x: float) -> None:
    assert mean_of(ddim(eta=1.0), x_t, x, *lam) == pytest.approx(mean_of(ddpm(), x_t, x, *lam), rel=1e-9, abs=1e-9)
    assert std_of(ddim(eta=1.0), *lam) == pytest.approx(std_of(ddpm(), *lam), rel=1e-12)


@settings(deadline=None)
@given(lam=lams, eta=st.floats(0.0, 1.0))
def test_every_step_keeps_the_forward_marginal_when_the_mask_is_known(lam: tuple[float, float], eta: float) -> None:
    """Whatever the share of fresh noise, x_t = alpha_t x + sigma_t eps must become alpha_s x + noise of std sigma_s.

    A step is affine, so its mean at (x=1, eps=0) and at (x=0, eps=1) says what it does to both.
    """
    alpha_t, sigma_t = coefficients(lam[0])
    alpha_s, sigma_s = coefficients(lam[1])
    for step in (ddim(eta=eta), dpm_2m(eta=eta), ddpm()):
        assert mean_of(step, alpha_t, 1.0, *lam) == pytest.approx(alpha_s, rel=1e-9)
        kept = mean_of(step, sigma_t, 0.0, *lam)
        assert kept**2 + std_of(step, *lam) ** 2 == pytest.approx(sigma_s**2, rel=1e-9)


@settings(deadline=None)
@given(lam=lams, eta=st.floats(0.0, 1.0))
def test_fresh_noise_of_ddim_is_in_proportion_to_eta(lam: tuple[float, float], eta: float) -> None:
    assert std_of(ddim(eta=eta), *lam) == pytest.approx(eta * std_of(ddim(eta=1.0), *lam), rel=1e-12, abs=1e-300)


@settings(deadline=None)
@given(lam=lams, x_t=values)
def test_large_variance_is_exact_for_white_noise(lam: tuple[float, float], x_t: float) -> None:
    """For data N(0, 1) all x_t are N(0, 1) with correlation alpha_t / alpha_s, and x_hat is alpha_t x_t."""
    alpha_t, alpha_s = coefficients(lam[0])[0], coefficients(lam[1])[0]
    correlation = alpha_t / alpha_s
    step = ddpm(large_variance=True)
    assert mean_of(step, x_t, alpha_t * x_t, *lam) == pytest.approx(correlation * x_t, rel=1e-9, abs=1e-10)
    snr_fraction = math.exp(lam[0]) * (1 + math.exp(lam[1])) / (math.exp(lam[1]) * (1 + math.exp(lam[0])))
    assert std_of(step, *lam) ** 2 == pytest.approx(1 - snr_fraction, rel=1e-6, abs=1e-14)


def test_ddim_with_eta_0_asks_for_no_noise() -> None:
    def refuse(like: Tensor) -> Tensor:
        raise AssertionError("noise was drawn")

    x_s = ddim()(scalar(0.3), scalar(1.0), scalar(-1.0), scalar(1.0), refuse)
    assert torch.isfinite(x_s)


def test_a_step_between_equal_log_snrs_moves_nothing() -> None:
    for name in SAMPLERS:
        x_s = make_step(name, eta=0.5)(scalar(0.3), scalar(1.0), scalar(-20.0), scalar(-20.0), torch.ones_like)
        assert float(x_s) == pytest.approx(0.3, rel=1e-12), name


def test_samplers_are_found_by_the_names_that_users_type() -> None:
    lam = (-1.0, 2.0)
    assert std_of(make_step("ddim", eta=0.5), *lam) == std_of(ddim(eta=0.5), *lam)
    assert std_of(make_step("ddpm"), *lam) == std_of(ddpm(), *lam)
    assert std_of(make_step("ddpm-large"), *lam) == std_of(ddpm(large_variance=True), *lam)
    assert std_of(ddpm(large_variance=True), *lam) > std_of(ddpm(), *lam)
    assert std_of(make_step("dpm++2m", eta=0.5), *lam) == std_of(dpm_2m(eta=0.5), *lam)
    assert std_of(make_step("sde-dpm++2m"), *lam) == std_of(dpm_2m(eta=1.0), *lam)


def test_eta_matters_to_the_samplers_that_are_said_to_look_at_it_and_to_no_other() -> None:
    looking = {name for name in SAMPLERS if std_of(make_step(name), -1, 2) != std_of(make_step(name, eta=0.5), -1, 2)}
    assert looking == WITH_ETA


@pytest.mark.parametrize("eta", [-0.01, 1.01, math.nan, math.inf])
def test_eta_outside_zero_to_one_is_refused(eta: float) -> None:
    for sampler in (ddim, dpm_2m):
        with pytest.raises(SettingsError, match=f"eta is {eta}"):
            sampler(eta=eta)


def test_unknown_sampler_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SettingsError, match=r"'euler'.*ddim, ddpm, ddpm-large, dpm\+\+2m, sde-dpm\+\+2m"):
        make_step("euler")

"""The schedule against Eq. 3-7, written out in gamma where the code computes in log SNR."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_ambiseg.diffusion.schedule import Schedule, alpha, cosine, cosine_rate, sigma
from napari_ambiseg.errors import SettingsError

TIMES = torch.linspace(0.001, 0.999, 999, dtype=torch.float64)
WIDE = (-200.0, 200.0)
scales = st.floats(0.01, 1.0)


def test_cosine_schedule_has_gamma_cos_squared() -> None:
    gamma = torch.cos(0.5 * math.pi * TIMES) ** 2
    torch.testing.assert_close(torch.sigmoid(cosine(TIMES)), gamma, rtol=1e-12, atol=0)


@settings(deadline=None)
@given(b=scales)
def test_input_scale_turns_gamma_into_equation_7(b: float) -> None:
    gamma = torch.cos(0.5 * math.pi * TIMES) ** 2
    gamma_b = b**2 * gamma / ((b**2 - 1) * gamma + 1)
    lam = Schedule(input_scale=b, bounds=WIDE)(TIMES)
    torch.testing.assert_close(torch.sigmoid(lam), gamma_b, rtol=1e-11, atol=0)


@settings(deadline=None)
@given(b=scales)
def test_input_scale_shifts_log_snr_by_twice_its_logarithm(b: float) -> None:
    shift = Schedule(input_scale=b, bounds=WIDE)(TIMES) - Schedule(input_scale=1.0, bounds=WIDE)(TIMES)
    torch.testing.assert_close(shift, torch.full_like(TIMES, 2 * math.log(b)), rtol=0, atol=1e-12)


@settings(deadline=None)
@given(b=scales)
def test_input_scale_multiplies_the_snr_by_its_square(b: float) -> None:
    lam, lam_b = Schedule(input_scale=1.0, bounds=WIDE)(TIMES), Schedule(input_scale=b, bounds=WIDE)(TIMES)
    snr, snr_b = (alpha(lam) / sigma(lam)) ** 2, (alpha(lam_b) / sigma(lam_b)) ** 2
    torch.testing.assert_close(snr_b, b**2 * snr, rtol=1e-11, atol=0)


@settings(deadline=None)
@given(b=scales, early=st.floats(0.0, 1.0), gap=st.floats(1e-6, 1.0))
def test_log_snr_falls_with_time(b: float, early: float, gap: float) -> None:
    schedule = Schedule(input_scale=b)
    lam_s, lam_t = schedule(torch.tensor([early, min(1.0, early + gap)], dtype=torch.float64))
    clamped = lam_s == lam_t and abs(float(lam_s)) == 20.0
    assert lam_s > lam_t or clamped or early + gap > 1.0


def test_log_snr_stays_within_its_bounds_at_both_ends() -> None:
    ends = torch.tensor([0.0, 1e-12, 1 - 1e-12, 1.0], dtype=torch.float64)
    assert Schedule()(ends).tolist() == [20.0, 20.0, -20.0, -20.0]
    assert Schedule(bounds=(-3.0, 5.0))(ends).tolist() == [5.0, 5.0, -3.0, -3.0]


def test_log_snr_is_float64_whatever_comes_in() -> None:
    lam = Schedule()(torch.tensor([0.25, 0.75], dtype=torch.float16))
    assert lam.dtype == torch.float64
    torch.testing.assert_close(lam, Schedule()(torch.tensor([0.25, 0.75], dtype=torch.float64)), rtol=0, atol=0)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2.5e-7), (torch.float64, 5e-16)])
def test_signal_and_noise_coefficients_lie_on_the_unit_circle(dtype: torch.dtype, tolerance: float) -> None:
    lam = torch.linspace(-20, 20, 4001, dtype=dtype)
    total = alpha(lam) ** 2 + sigma(lam) ** 2
    assert (total - 1).abs().max() <= tolerance


def test_noise_coefficient_survives_float32_where_one_minus_alpha_squared_does_not() -> None:
    lam = torch.tensor(20.0, dtype=torch.float32)
    exact = math.exp(-10) / math.sqrt(1 + math.exp(-20))
    assert float(sigma(lam)) == pytest.approx(exact, rel=1e-6)
    assert exact == pytest.approx(4.54e-5, rel=1e-3)
    assert float((1 - alpha(lam) ** 2).sqrt()) == 0.0


@pytest.mark.parametrize("b", [0.0, -0.1, math.nan, math.inf])
def test_impossible_input_scale_is_refused_by_value(b: float) -> None:
    with pytest.raises(SettingsError, match=f"input scale is {b}"):
        Schedule(input_scale=b)


@pytest.mark.parametrize("bounds", [(20.0, -20.0), (3.0, 3.0), (math.nan, 20.0)])
def test_bounds_in_the_wrong_order_are_refused(bounds: tuple[float, float]) -> None:
    with pytest.raises(SettingsError, match="the first must be below the second"):
        Schedule(bounds=bounds)


@pytest.mark.parametrize("b", [1.0, 0.1])
def test_the_rate_is_the_negative_derivative_of_the_log_snr(b: float) -> None:
    times = TIMES.clone().requires_grad_()
    schedule = Schedule(input_scale=b, bounds=WIDE)
    (slope,) = torch.autograd.grad(schedule(times).sum(), times)
    torch.testing.assert_close(schedule.rate(TIMES), -slope, rtol=1e-9, atol=0)


def test_the_rate_agrees_with_finite_differences() -> None:
    h, schedule = 1e-5, Schedule()
    inside = TIMES[10:-10]
    differences = (schedule(inside - h) - schedule(inside + h)) / (2 * h)
    torch.testing.assert_close(schedule.rate(inside), differences, rtol=1e-5, atol=0)


def test_the_rate_is_two_pi_at_its_slowest_and_zero_where_log_snr_is_clamped() -> None:
    assert float(cosine_rate(torch.tensor(0.5, dtype=torch.float64))) == pytest.approx(2 * math.pi)
    assert float(cosine_rate(TIMES).min()) == pytest.approx(2 * math.pi)
    narrow = Schedule(input_scale=1.0, bounds=(-1.0, 1.0))
    assert narrow.rate(torch.tensor([0.0, 0.1, 0.9, 1.0])).tolist() == [0, 0, 0, 0]
    assert float(narrow.rate(torch.tensor(0.5))) == pytest.approx(2 * math.pi)

"""DPM-Solver++(2M) and its SDE form: against the published formulas, against DDIM, and by the order of their errors."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from napari_ambiseg.diffusion.sampling import (
    Estimate,
    Noise,
    Step,
    ddim,
    ddpm,
    dpm_2m,
    make_step,
    time_grid,
    trajectory,
    usual_last_time,
)
from napari_ambiseg.diffusion.schedule import Schedule, alpha, sigma

etas = st.floats(0.0, 1.0)
values = st.floats(-3.0, 3.0)
ascending = (  # log SNRs of three times, from noise to data; no step over three times as long as the one before
    st.tuples(st.floats(-15.0, 5.0), st.floats(0.1, 5.0), st.floats(0.05, 1.9))
    .map(lambda p: (p[0], p[0] + p[1], p[0] + p[1] + p[1] * p[2]))
    .filter(lambda lams: lams[2] < 20)
)


def scalar(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


def go(step: Step, x_t: float, x_hat: float, before: float, lams: tuple[float, float, float], z: float = 0.0) -> float:
    """Where a step leads from the middle one of three times, with the noise z."""
    lam_before, lam_t, lam_s = map(scalar, lams)
    previous = Estimate(scalar(before), lam_before)
    return float(step(scalar(x_t), scalar(x_hat), lam_t, lam_s, lambda like: torch.full_like(like, z), previous))


def published(
    x_t: float, x_hat: float, before: float, lams: tuple[float, float, float], z: float, *, sde: bool
) -> float:
    """Lu et al. (2022), Alg. 2 and its SDE form, written down in its own terms, log(alpha / sigma)."""
    snrs = [math.exp(lam) for lam in lams]
    alphas, sigmas = [math.sqrt(s / (1 + s)) for s in snrs], [math.sqrt(1 / (1 + s)) for s in snrs]
    halves = [math.log(a / s) for a, s in zip(alphas, sigmas, strict=True)]
    h_before, h = halves[1] - halves[0], halves[2] - halves[1]
    r = h_before / h
    if sde:
        mean = (
            sigmas[2] / sigmas[1] * math.exp(-h) * x_t
            + alphas[2] * (1 - math.exp(-2 * h)) * x_hat
            + alphas[2] * (1 - math.exp(-2 * h)) / (2 * r) * (x_hat - before)
        )
        return mean + sigmas[2] * math.sqrt(1 - math.exp(-2 * h)) * z
    d = (1 + 1 / (2 * r)) * x_hat - 1 / (2 * r) * before
    return sigmas[2] / sigmas[1] * x_t - alphas[2] * (math.exp(-h) - 1) * d


@settings(deadline=None)
@given(lams=ascending, x_t=values, x_hat=values, before=values)
def test_a_step_is_the_published_one(lams: tuple[float, float, float], x_t: float, x_hat: float, before: float) -> None:
    expected = published(x_t, x_hat, before, lams, 0.0, sde=False)
    assert go(dpm_2m(), x_t, x_hat, before, lams) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@settings(deadline=None)
@given(lams=ascending, x_t=values, x_hat=values, before=values, z=values)
def test_a_stochastic_step_is_the_published_one(
    lams: tuple[float, float, float], x_t: float, x_hat: float, before: float, z: float
) -> None:
    expected = published(x_t, x_hat, before, lams, z, sde=True)
    assert go(make_step("sde-dpm++2m"), x_t, x_hat, before, lams, z) == pytest.approx(expected, rel=1e-8, abs=1e-8)


@settings(deadline=None)
@given(lams=ascending, x_t=values, x_hat=values, z=values, eta=etas)
def test_an_estimate_that_stands_still_makes_it_ddim(
    lams: tuple[float, float, float], x_t: float, x_hat: float, z: float, eta: float
) -> None:
    first_order = go(ddim(eta=eta), x_t, x_hat, x_hat, lams, z)
    assert go(dpm_2m(eta=eta), x_t, x_hat, x_hat, lams, z) == pytest.approx(first_order, rel=1e-12, abs=1e-12)


def test_the_first_step_is_ddims() -> None:
    arguments = (scalar(0.3), scalar(0.8), scalar(-2.0), scalar(-1.0), torch.ones_like)
    for eta in (0.0, 0.5, 1.0):
        assert torch.equal(dpm_2m(eta=eta)(*arguments), ddim(eta=eta)(*arguments))


@settings(deadline=None)
@given(lams=ascending, x_t=values, x_hat=values, before=values, eta=etas)
def test_eta_changes_the_noise_and_keeps_its_sum(
    lams: tuple[float, float, float], x_t: float, x_hat: float, before: float, eta: float
) -> None:
    """Moving x_t by its noise's sigma_t moves x_s by what is kept; with the fresh noise that makes sigma_s^2."""
    step, sigma_t = dpm_2m(eta=eta), float(sigma(scalar(lams[1])))
    at = go(step, x_t, x_hat, before, lams)
    kept = go(step, x_t + sigma_t, x_hat, before, lams) - at
    fresh = go(step, x_t, x_hat, before, lams, z=1.0) - at
    assert kept**2 + fresh**2 == pytest.approx(float(sigma(scalar(lams[2]))) ** 2, rel=1e-8, abs=1e-12)
    assert fresh == pytest.approx(eta * (go(dpm_2m(eta=1.0), 0, 0, 0, lams, z=1.0)), rel=1e-8, abs=1e-12)


def test_without_eta_no_noise_is_drawn() -> None:
    def refuse(like: Tensor) -> Tensor:
        raise AssertionError("noise was drawn")

    previous = Estimate(scalar(0.5), scalar(-3.0))
    assert torch.isfinite(dpm_2m()(scalar(0.3), scalar(1.0), scalar(-1.0), scalar(1.0), refuse, previous))


@pytest.mark.parametrize(("lam_before", "weight"), [(-2.0, 0.0), (-2.001, 1.0), (-2.5, 1.0), (-3.0, 0.5), (-4.0, 0.25)])
def test_a_step_before_that_was_cut_short_does_not_lead_far_away(lam_before: float, weight: float) -> None:
    """Hand-worked for a step from -2 to -1: half of its length over that of the step before, but 1 at most."""
    lams, x_hat, before = (lam_before, -2.0, -1.0), 0.5, 0.4
    expected = go(ddim(), 0.3, x_hat + weight * (x_hat - before), 0.0, lams)
    assert go(dpm_2m(), 0.3, x_hat, before, lams) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("b", [1.0, 0.1, 0.03])
@pytest.mark.parametrize("steps", [3, 4, 5, 6, 8, 10, 20, 50, 100, 300])
def test_on_the_usual_grids_no_correction_is_held_back(b: float, steps: int) -> None:
    lams = Schedule(input_scale=b)(torch.linspace(1, 0, steps + 1, dtype=torch.float64))[:-1]  # the last step: x_hat
    lengths = lams.diff()
    assert bool((lengths[1:] / lengths[:-1] <= 2.0).all())


@pytest.mark.parametrize("steps", range(3, 21))
def test_on_its_own_grid_only_the_last_correction_is_held_back_and_hardly(steps: int) -> None:
    times = time_grid(steps, last_time=usual_last_time("dpm++2m", steps))
    lengths = Schedule()(times)[:-1].diff()
    reaches = 0.5 * lengths[1:] / lengths[:-1]
    assert bool((reaches[:-1] <= 1.0).all())
    assert float(reaches[-1]) <= 1.15


# --- Errors, on Gaussian data: pixels N(MU, S^2), whose best estimate is linear in x_t. ---

MU, S = 0.4, 0.6


def marginal_std(lam: Tensor) -> Tensor:
    return (alpha(lam) ** 2 * S**2 + sigma(lam) ** 2).sqrt()


def estimate(x_t: Tensor, lam: Tensor, mean: float) -> Tensor:
    return mean + alpha(lam) * S**2 / marginal_std(lam) ** 2 * (x_t - alpha(lam) * mean)


def walk(step: Step, x_t: Tensor, steps: int, noise: Noise, mean: float, ends: tuple[float, float]) -> Tensor:
    """Steps of equal length in log SNR, from one end to the other."""
    lams = torch.linspace(*ends, steps + 1, dtype=torch.float64)
    previous: Estimate | None = None
    for lam_t, lam_s in itertools.pairwise(lams):
        x_hat = estimate(x_t, lam_t, mean)
        x_t, previous = step(x_t, x_hat, lam_t, lam_s, noise, previous), Estimate(x_hat, lam_t)
    return x_t


def order_of(errors: list[float], counts: list[int]) -> float:
    return -float(np.polyfit(np.log(counts), np.log(errors), 1)[0])


def test_the_error_falls_with_the_square_of_the_steps_where_ddims_falls_with_the_steps() -> None:
    """The exact flow keeps the standardised value of x_t."""
    counts, ends = [40, 80, 160, 320], (-6.0, 4.0)
    start, end = map(scalar, ends)
    standard = torch.linspace(-3, 3, 25, dtype=torch.float64)
    x_t = alpha(start) * MU + marginal_std(start) * standard
    exact = alpha(end) * MU + marginal_std(end) * standard

    def error(step: Step, steps: int) -> float:
        return float((walk(step, x_t, steps, torch.zeros_like, MU, ends) - exact).abs().max())

    second, first = ([error(step, n) for n in counts] for step in (dpm_2m(), ddim()))
    assert 1.9 < order_of(second, counts) < 2.1
    assert 0.9 < order_of(first, counts) < 1.1
    assert second[-1] < first[-1] / 50


def variance_error(step: Step, steps: int) -> float:
    """By how much the variance of x_s is off, without chance: around a mean of 0, x_s is a sum of its noises.

    A batch in which each sample has one of these noises, of size 1, shows their factors; the variance is the sum of
    their squares. The first "noise" is x_t itself.
    """
    ends = (-6.0, 4.0)
    calls = 0

    def one_each(like: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        noise = torch.zeros_like(like)
        noise[calls] = 1.0
        return noise

    x_t = torch.zeros(steps + 1, dtype=torch.float64)
    x_t[0] = marginal_std(scalar(ends[0]))
    x_s = walk(step, x_t, steps, one_each, 0.0, ends)
    return abs(float(x_s.square().sum()) - float(marginal_std(scalar(ends[1]))) ** 2)


@pytest.mark.parametrize("eta", [0.0, 0.3, 0.7, 1.0])
def test_the_variance_is_exact_to_second_order_for_every_eta(eta: float) -> None:
    counts = [40, 80, 160, 320]
    assert 1.85 < order_of([variance_error(dpm_2m(eta=eta), n) for n in counts], counts) < 2.15


@pytest.mark.parametrize("step", [ddim(), ddim(eta=0.5), ddpm()])
def test_without_memory_the_variance_is_exact_to_first_order_only(step: Step) -> None:
    counts = [40, 80, 160, 320]
    assert 0.9 < order_of([variance_error(step, n) for n in counts], counts) < 1.1


def test_on_the_uniform_time_grid_the_whole_run_gains_too() -> None:
    """At both ends of time the steps in log SNR do not shrink: the order there is 2 but for a logarithm."""
    x_1, schedule = torch.linspace(-3, 3, 25, dtype=torch.float64).view(1, 1, 5, 5), Schedule(input_scale=1.0)
    lam_1 = schedule(torch.tensor(1.0))
    exact = MU + S * (x_1 - alpha(lam_1) * MU) / marginal_std(lam_1)

    def error(step: Step, steps: int) -> float:
        states = trajectory(lambda x, t, lam: estimate(x, lam, MU), schedule, step, x_1, steps, torch.zeros_like)
        return float((list(states)[-1].x_t - exact).abs().max())

    counts = [200, 400, 800]
    errors = [error(dpm_2m(), n) for n in counts]
    assert order_of(errors, counts) > 1.5
    assert errors[-1] < error(ddim(), counts[-1]) / 10


def test_two_steps_are_ddims_and_three_are_not() -> None:
    """The first and the last step are of first order."""
    x_1 = torch.linspace(-3, 3, 25, dtype=torch.float64).view(1, 1, 5, 5)

    def drawn(step: Step, steps: int) -> Tensor:
        states = trajectory(lambda x, t, lam: estimate(x, lam, MU), Schedule(), step, x_1, steps, torch.zeros_like)
        return list(states)[-1].x_t

    assert torch.equal(drawn(dpm_2m(), 2), drawn(ddim(), 2))
    assert not torch.equal(drawn(dpm_2m(), 3), drawn(ddim(), 3))


def test_with_ten_steps_the_masks_are_nearer_to_those_of_the_exact_flow() -> None:
    """Two masks that contradict; the exact flow is taken from DDIM with 500 steps."""
    left = torch.where(torch.arange(6) < 2, 1.0, -1.0).expand(1, 6, 6).double()

    def denoise(x_t: Tensor, t: Tensor, lam: Tensor) -> Tensor:
        log_odds = alpha(lam) / sigma(lam) ** 2 * (x_t * left).sum(dim=(1, 2, 3), keepdim=True)
        return torch.tanh(log_odds) * left

    def drawn(step: Step, steps: int) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        x_1 = torch.randn((1000, 1, 6, 6), generator=generator, dtype=torch.float64)
        return list(trajectory(denoise, Schedule(), step, x_1, steps, torch.zeros_like))[-1].x_t

    exact = drawn(ddim(), 500)
    off = [float((drawn(step, 10) - exact).abs().mean()) for step in (ddim(), dpm_2m())]
    assert off[1] < 0.8 * off[0]

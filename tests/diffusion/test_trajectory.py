"""The generator of states: what it yields, what it leaves alone, what it refuses."""

import pytest
import torch
from torch import Tensor, nn

from napari_ambiseg.diffusion.sampling import (
    SAMPLERS,
    SeededNoise,
    State,
    make_step,
    time_grid,
    trajectory,
    usual_last_time,
)
from napari_ambiseg.diffusion.schedule import Schedule
from napari_ambiseg.errors import SettingsError
from napari_ambiseg.seeds import ANTITHETIC


def denoise(x_t: Tensor, t: Tensor, lam: Tensor) -> Tensor:
    return torch.tanh(3 * x_t + t)


def run(seeds: list[int], sampler: str = "ddim", eta: float = 0.5, steps: int = 5) -> list[State]:
    noise = SeededNoise(seeds)
    x_1 = noise(torch.zeros(len(seeds), 1, 4, 6))
    return list(trajectory(denoise, Schedule(), make_step(sampler, eta=eta), x_1, steps, noise))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_sample_depends_on_its_seed_and_not_on_its_neighbours(sampler: str) -> None:
    alone = run([7], sampler)
    for neighbours in ([7, 1, 2, 3, 4], [9, 8, 7, 6, 5], [7, 7]):
        place = neighbours.index(7)
        for one, many in zip(alone, run(neighbours, sampler), strict=True):
            assert torch.equal(one.x_t[0], many.x_t[place])
            assert torch.equal(one.x_hat[0], many.x_hat[place])


def test_seeds_differ_and_repeat() -> None:
    first, second = run([1, 2])[-1].x_t
    assert not torch.equal(first, second)
    assert torch.equal(run([1, 2])[-1].x_t[0], first)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_an_antithetic_seed_turns_all_noise_of_a_run_around(sampler: str) -> None:
    """Of an odd denoiser, and mean-free data, the whole trajectory is then the other one's opposite."""

    def odd(x_t: Tensor, t: Tensor, lam: Tensor) -> Tensor:
        return torch.tanh(3 * x_t)

    noise = SeededNoise([5, 5 | ANTITHETIC, 6])
    x_1 = noise(torch.zeros(3, 1, 4, 6))
    for state in trajectory(odd, Schedule(), make_step(sampler, eta=0.5), x_1, 5, noise):
        assert torch.equal(state.x_t[0], -state.x_t[1])
        assert torch.equal(state.x_hat[0], -state.x_hat[1])
        assert not torch.equal(state.x_t[0].abs(), state.x_t[2].abs())


def test_noise_is_fresh_at_every_step_and_the_same_numbers_in_every_precision() -> None:
    single, double = SeededNoise([3]), SeededNoise([3])
    shape = (1, 1, 50, 50)
    first = single(torch.zeros(shape))
    assert not torch.equal(first, single(torch.zeros(shape)))
    assert torch.equal(first.double(), double(torch.zeros(shape, dtype=torch.float64)))
    assert first.mean().abs() < 4 / 50
    assert abs(float(first.std()) - 1) < 4 / (50 * 2**0.5)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("steps", [1, 2, 5])
def test_states_count_up_and_end_with_the_estimate(sampler: str, steps: int) -> None:
    states = run([0, 1, 2], sampler, steps=steps)
    assert [state.step for state in states] == list(range(1, steps + 1))
    assert {state.total for state in states} == {steps}
    log_snrs = [state.log_snr for state in states]
    assert log_snrs == sorted(log_snrs)
    assert log_snrs[-1] == 20.0
    assert torch.equal(states[-1].x_t, states[-1].x_hat)
    assert states[-1].x_t.shape == (3, 1, 4, 6)
    assert states[-1].x_t.dtype == torch.float32


def test_one_step_is_one_look_at_pure_noise() -> None:
    x_1 = SeededNoise([5])(torch.zeros(1, 1, 4, 6))
    (state,) = run([5], steps=1)
    assert torch.equal(state.x_t, torch.tanh(3 * x_1 + 1.0))


def test_the_denoiser_is_asked_on_a_uniform_grid_from_noise_towards_data() -> None:
    asked: list[tuple[float, float]] = []

    def record(x_t: Tensor, t: Tensor, lam: Tensor) -> Tensor:
        asked.append((float(t), float(lam)))
        return x_t.clamp(-1, 1)

    noise = SeededNoise([0])
    list(trajectory(record, Schedule(), make_step("ddim"), noise(torch.zeros(1, 1, 2, 2)), 4, noise))
    times = torch.tensor([1.0, 0.75, 0.5, 0.25], dtype=torch.float64)
    assert asked == list(zip(times.tolist(), Schedule()(times).tolist(), strict=True))


def test_the_last_estimate_is_made_when_it_is_asked_for() -> None:
    asked: list[float] = []

    def record(x_t: Tensor, t: Tensor, lam: Tensor) -> Tensor:
        asked.append(float(t))
        return x_t.clamp(-1, 1)

    noise = SeededNoise([0])
    x_1 = noise(torch.zeros(1, 1, 2, 2))
    *_, last = trajectory(record, Schedule(), make_step("dpm++2m"), x_1, time_grid(4, last_time=0.1), noise)
    assert asked == pytest.approx([1.0, 0.7, 0.4, 0.1])
    assert last.log_snr == 20.0


def test_the_uniform_grid_makes_its_last_estimate_after_all_steps_but_one() -> None:
    for steps in (1, 2, 5, 10):
        torch.testing.assert_close(time_grid(steps, last_time=1 / steps if steps > 1 else None), time_grid(steps))


def test_a_single_estimate_is_made_of_pure_noise_whatever_the_last_time() -> None:
    assert time_grid(1, last_time=0.1).tolist() == [1.0, 0.0]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_only_the_new_samplers_leave_the_uniform_grid_and_only_to_look_later(sampler: str) -> None:
    for steps in (1, 5, 10, 19):
        assert usual_last_time(sampler, steps) == (0.05 if "dpm++" in sampler else None)
    for steps in (20, 50, 1000):
        assert usual_last_time(sampler, steps) is None


@pytest.mark.parametrize("last_time", [0.0, 1.0, -0.1, 2.0, float("nan")])
def test_a_last_time_that_is_noise_or_data_is_refused(last_time: float) -> None:
    with pytest.raises(SettingsError, match=f"last estimate is {last_time}; give a number between 0 and 1"):
        time_grid(5, last_time=last_time)


def test_whoever_stops_early_pays_for_no_further_step() -> None:
    calls: list[float] = []

    def count(x_t: Tensor, t: Tensor, lam: Tensor) -> Tensor:
        calls.append(float(t))
        return x_t

    noise = SeededNoise([0])
    states = trajectory(count, Schedule(), make_step("ddim"), noise(torch.zeros(1, 1, 2, 2)), 100, noise)
    assert [next(states).step, next(states).step] == [1, 2]
    assert len(calls) == 2


def test_the_caller_keeps_its_gradients_while_the_samples_carry_none() -> None:
    layer = nn.Conv2d(1, 1, 1)
    inside: list[bool] = []

    def network(x_t: Tensor, t: Tensor, lam: Tensor) -> Tensor:
        inside.append(torch.is_grad_enabled())
        return layer(x_t)

    noise = SeededNoise([0])
    states = trajectory(network, Schedule(), make_step("ddpm"), noise(torch.zeros(1, 1, 2, 2)), 3, noise)
    for state in states:
        assert torch.is_grad_enabled()
        assert not state.x_t.requires_grad
        assert not state.x_hat.requires_grad
    assert torch.is_grad_enabled()
    assert inside == [False] * 3


def test_the_state_that_was_yielded_is_not_written_to_afterwards() -> None:
    noise = SeededNoise([0, 1])
    x_1 = noise(torch.zeros(2, 1, 4, 4))
    before = x_1.clone()
    copies: list[tuple[Tensor, Tensor]] = []
    kept: list[State] = []
    for state in trajectory(denoise, Schedule(), make_step("ddpm"), x_1, 5, noise):
        kept.append(state)
        copies.append((state.x_t.clone(), state.x_hat.clone()))
    assert torch.equal(x_1, before)
    assert all(torch.equal(s.x_t, x) and torch.equal(s.x_hat, h) for s, (x, h) in zip(kept, copies, strict=True))


@pytest.mark.parametrize("steps", [0, -3])
def test_fewer_than_one_step_is_refused(steps: int) -> None:
    with pytest.raises(SettingsError, match=f"steps is {steps}"):
        run([0], steps=steps)


def test_no_seeds_are_refused() -> None:
    with pytest.raises(SettingsError, match="there are no seeds"):
        SeededNoise([])


@pytest.mark.parametrize("seed", [2**64, -1])
def test_negative_seeds_and_those_beyond_64_bits_are_refused_by_value(seed: int) -> None:
    with pytest.raises(SettingsError, match=f"seed {seed} "):
        SeededNoise([0, seed])


@pytest.mark.parametrize("seed", [2**64 - 1, 2**63, 2**63 - 1, 0])
def test_every_seed_of_64_bits_is_taken(seed: int) -> None:
    assert torch.isfinite(SeededNoise([seed])(torch.zeros(1, 3))).all()


def test_noise_for_another_number_of_samples_is_refused() -> None:
    with pytest.raises(SettingsError, match="noise for 3 samples was asked of 2 seeds"):
        SeededNoise([0, 1])(torch.zeros(3, 1, 2, 2))

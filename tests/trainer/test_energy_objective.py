"""The energy loss against the metric it is made of, its propriety on a case worked by hand, and its gradient."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from napari_ambiseg.errors import SettingsError
from napari_ambiseg.models.diffusion_segmenter import DiffusionSegmenter
from napari_ambiseg.models.segmenter import SamplingOptions
from napari_ambiseg.readings.agreement import ged
from tests.trainer.conftest import disc_collection
from trainer.config import FitConfig, with_overrides
from trainer.data.batches import Batch, BatchSource, Shard
from trainer.kinds import make_objective
from trainer.objectives.energy import SLOPE, EnergyObjective, distances, drawn, energy

CONFIG = FitConfig(
    recipe="test", size="tiny", grid_px=16, loss="energy", experts="all", batch_size=8, weighting="uniform",
    warmup_steps=0, decay_steps=0, holdout=0.0,
)  # fmt: skip
SAMPLER = ("ddim", "ddpm", "dpm++2m", "sde-dpm++2m")


def signed_masks(*shape: int, seed: int = 0) -> Tensor:
    """Random masks in {-1, +1}, of all sizes, some of them empty."""
    generator = torch.Generator().manual_seed(seed)
    filled = torch.rand(*shape[:-1], 1, generator=generator)
    marked = (torch.rand(shape, generator=generator) < filled) & (filled > 0.2)
    return torch.where(marked, 1.0, -1.0).double()


def objective_of(**overrides: object) -> EnergyObjective:
    torch.manual_seed(0)
    objective = make_objective(with_overrides(CONFIG, overrides))
    assert isinstance(objective, EnergyObjective)
    with torch.no_grad():  # a fresh network answers 0 everywhere
        for parameter in objective.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return objective


def batch_of(config: FitConfig = CONFIG) -> Batch:
    return BatchSource(disc_collection(), config).batch(0)


def test_less_the_experts_own_distance_it_is_the_unbiased_ged() -> None:
    x_hat, x = signed_masks(20, 6, 40), signed_masks(20, 4, 40, seed=1)
    readings, experts = drawn(x_hat), drawn(x)
    assert 0 < readings.present.sum() < readings.present.numel()
    own = distances(experts, experts).sum(dim=(1, 2)) / 12
    expected = [
        ged(samples=s.reshape(-1, 5, 8).numpy() > 0, experts=y.reshape(-1, 5, 8).numpy() > 0, unbiased=True)
        for s, y in zip(x_hat, x, strict=True)
    ]
    np.testing.assert_allclose(energy(readings, experts) - own, expected, atol=1e-12)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
def test_it_is_smallest_for_a_model_that_draws_as_often_as_the_experts(share: float) -> None:
    """Readings with a lesion: q. Experts: p = ``share``. L = 2 (q + p - 2 p q) - 2 q (1 - q), least at q = p."""
    experts = drawn(torch.where(torch.arange(4) < 4 * share, 1.0, -1.0)[None, :, None] * torch.ones(3))
    pairs = list(itertools.product((0.0, 1.0), repeat=2))
    values = [
        energy(drawn((2 * torch.tensor(pair) - 1)[None, :, None] * torch.ones(3)), experts).item() for pair in pairs
    ]
    expected: dict[float, float] = {}
    for q in (0.0, 0.25, 0.5, 0.75, 1.0):
        weights = [float(np.prod([q if one else 1 - q for one in pair])) for pair in pairs]
        expected[q] = float(np.dot(weights, values))
        assert expected[q] == pytest.approx(2 * (q + share - 2 * share * q) - 2 * q * (1 - q), abs=1e-6)
    assert min(expected, key=lambda q: expected[q]) == share


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_its_gradient_finds_how_often_the_experts_see_a_lesion(share: float) -> None:
    """A model of one number, which marks a lesion where number plus noise is positive, and else falls just short."""
    lesion = torch.tensor([1.0] * 6 + [0.0] * 10)
    experts = drawn(
        torch.where((torch.arange(4) < 4 * share)[None, :, None] & (lesion > 0), 1.0, -1.0).expand(64, -1, -1)
    )
    number = torch.zeros((), requires_grad=True)
    optimizer = torch.optim.Adam([number], lr=0.05)
    generator = torch.Generator().manual_seed(0)
    found: list[float] = []
    for _ in range(200):
        noise = torch.randn(64, 4, 1, generator=generator)
        x_hat = torch.where(lesion > 0, torch.tanh(3 * (number + noise)), torch.tensor(-1.0))
        optimizer.zero_grad()
        energy(drawn(x_hat), experts).mean().backward()
        optimizer.step()
        found.append(float((number.detach() + noise > 0).float().mean()))
    assert np.mean(found[-50:]) == pytest.approx(share, abs=0.03)


def test_a_mask_is_what_lies_above_zero_and_its_slope_the_sigmoids() -> None:
    x_hat = torch.linspace(-1, 0.9, 20)[None, None].requires_grad_()
    masks = drawn(x_hat)
    assert torch.equal(masks.shape.detach(), (x_hat > 0).float())
    (slope,) = torch.autograd.grad(masks.shape.sum(), x_hat, retain_graph=True)
    soft = torch.sigmoid(SLOPE * x_hat.detach())
    torch.testing.assert_close(slope, SLOPE * soft * (1 - soft))
    (slope,) = torch.autograd.grad(masks.present.sum(), x_hat)
    assert slope.count_nonzero() == 1
    assert slope[0, 0, -1] == pytest.approx(SLOPE * float(soft[0, 0, -1] * (1 - soft[0, 0, -1])))


def test_an_empty_mask_has_the_lesion_that_it_nearly_had() -> None:
    """Half of the way from the background to -0.2 is -0.6; the rule must not make it present."""
    masks = drawn(torch.tensor([[[-1.0, -0.9, -0.65, -0.5, -0.2]]]))
    assert masks.present.item() == 0
    assert masks.shape.tolist() == [[[0, 0, 0, 1, 1]]]
    expert = drawn(torch.tensor([[[-1.0, -1.0, -1.0, 1.0, 1.0]]]))
    assert distances(masks, expert).item() == 1
    assert distances(masks, drawn(-torch.ones(1, 1, 5))).item() == 0


@pytest.mark.parametrize("sampler", SAMPLER)
def test_what_it_judges_is_what_the_model_draws(sampler: str) -> None:
    """Each example's answer is the last state of ``sample`` with its seed."""
    objective, batch = objective_of(), batch_of()
    options = SamplingOptions(steps=3, sampler=sampler)
    answers = objective.model.answer(batch.image, seeds=batch.seeds, options=options)
    assert answers.requires_grad
    for image, seed, answer in zip(batch.image, batch.seeds, answers, strict=True):
        *_, last = objective.model.sample(image, seeds=[seed], options=options)
        assert not last.x_hat.requires_grad
        torch.testing.assert_close(answer, last.x_hat[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize("sampler", SAMPLER)
def test_the_gradient_passes_through_every_step(sampler: str) -> None:
    """Against a difference quotient, of the sum of what is drawn, in double precision."""
    model = objective_of().model.double()
    assert isinstance(model, DiffusionSegmenter)
    image, options = torch.randn(2, 1, 16, 16, dtype=torch.float64), SamplingOptions(steps=4, sampler=sampler)
    weight, direction = next(model.parameters()), torch.randn_like(next(model.parameters()))

    def drawn() -> Tensor:
        return model.answer(image, seeds=[1, 2], options=options).sum()

    (gradient,) = torch.autograd.grad(drawn(), weight)
    with torch.no_grad():
        weight += 1e-5 * direction
        above = drawn()
        weight -= 2e-5 * direction
        below = drawn()
    assert float((gradient * direction).sum()) == pytest.approx(float(above - below) / 2e-5, rel=1e-4)


def test_a_batch_draws_one_of_the_numbers_of_steps_from_its_first_seed() -> None:
    objective, batch = objective_of(drawn={"steps": [2, 3]}), batch_of()
    calls: list[int] = []
    objective.model.unet.register_forward_pre_hook(lambda _, inputs: calls.append(len(inputs[0])))
    counts: list[int] = []
    for seed in range(40):
        calls.clear()
        objective(replace(batch, seeds=(seed, *batch.seeds[1:])))
        counts.append(len(calls))
    assert set(counts) == {2, 3}
    assert 10 < counts.count(2) < 30


def test_16_bits_leave_the_sums_over_pixels_alone() -> None:
    objective, batch = objective_of(), batch_of()
    exact = objective(batch)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = objective(batch)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(exact.item(), abs=0.1)
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in objective.parameters())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"experts": "random"}, "experts is 'random'; give experts=all"),
        ({"image_dropout": 0.1}, "give image_dropout=0"),
        ({"kind": "prob-unet"}, "a model of kind prob-unet has a loss of its own"),
        ({"drawn": {"sampler": "euler"}}, "unknown sampler 'euler'"),
        ({"drawn": {"steps": []}}, "drawn.steps"),
        ({"drawn": {"steps": [0]}}, "drawn.steps"),
    ],
)
def test_settings_that_contradict_it_are_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        make_objective(with_overrides(CONFIG, changes))


def test_a_batch_that_would_tear_a_slice_apart_is_refused() -> None:
    with pytest.raises(SettingsError, match="multiple of 4 times the number of processes"):
        BatchSource(disc_collection(), CONFIG, shard=Shard(0, 4))
    with pytest.raises(SettingsError, match="give data with at least two"):
        BatchSource(disc_collection(readers=1), CONFIG)
    whole = BatchSource(disc_collection(), CONFIG, shard=Shard(1, 2)).batch(0)
    assert (len(whole.x), whole.neighbours) == (4, 4)

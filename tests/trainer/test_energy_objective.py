"""The energy loss against the metric it is made of, its propriety on a case worked by hand, and its gradient."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from napari_ambiseg.errors import SettingsError
from napari_ambiseg.models.diffusion_segmenter import DiffusionSegmenter
from napari_ambiseg.models.segmenter import SamplingOptions
from napari_ambiseg.readings.agreement import ged
from tests.trainer.conftest import disc_collection, run_weights, same_weights
from trainer.config import DataSource, EnergyConfig, FitConfig, with_overrides
from trainer.data.batches import Batch, BatchSource, Shard
from trainer.fine_tuning import read_start
from trainer.fit import check_settings, fit, resume
from trainer.kinds import make_objective
from trainer.objectives.energy import SLOPE, EnergyObjective, distances, energy, masks_of

CONFIG = FitConfig(
    recipe="test", size="tiny", grid_px=16, energy=EnergyConfig(), experts="all", batch_size=8, weighting="uniform",
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
    readings, experts = masks_of(x_hat), masks_of(x)
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
    experts = masks_of(torch.where(torch.arange(4) < 4 * share, 1.0, -1.0)[None, :, None] * torch.ones(3))
    pairs = list(itertools.product((0.0, 1.0), repeat=2))
    values = [
        energy(masks_of((2 * torch.tensor(pair) - 1)[None, :, None] * torch.ones(3)), experts).item() for pair in pairs
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
    experts = masks_of(
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
        energy(masks_of(x_hat), experts).mean().backward()
        optimizer.step()
        found.append(float((number.detach() + noise > 0).float().mean()))
    assert np.mean(found[-50:]) == pytest.approx(share, abs=0.03)


def test_a_mask_is_what_lies_above_zero_and_its_slope_the_sigmoids() -> None:
    x_hat = torch.linspace(-1, 0.9, 20)[None, None].requires_grad_()
    masks = masks_of(x_hat)
    assert torch.equal(masks.shape.detach(), (x_hat > 0).float())
    (slope,) = torch.autograd.grad(masks.shape.sum(), x_hat, retain_graph=True)
    soft = torch.sigmoid(SLOPE * x_hat.detach())
    torch.testing.assert_close(slope, SLOPE * soft * (1 - soft))
    (slope,) = torch.autograd.grad(masks.present.sum(), x_hat)
    assert slope.count_nonzero() == 1
    assert slope[0, 0, -1] == pytest.approx(SLOPE * float(soft[0, 0, -1] * (1 - soft[0, 0, -1])))


def test_an_empty_mask_has_the_lesion_that_it_nearly_had() -> None:
    """Half of the way from the background to -0.2 is -0.6; the rule must not make it present."""
    masks = masks_of(torch.tensor([[[-1.0, -0.9, -0.65, -0.5, -0.2]]]))
    assert masks.present.item() == 0
    assert masks.shape.tolist() == [[[0, 0, 0, 1, 1]]]
    expert = masks_of(torch.tensor([[[-1.0, -1.0, -1.0, 1.0, 1.0]]]))
    assert distances(masks, expert).item() == 1
    assert distances(masks, masks_of(-torch.ones(1, 1, 5))).item() == 0


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


def test_a_batch_draws_one_of_the_numbers_of_steps_and_all_its_parts_the_same() -> None:
    config = with_overrides(CONFIG, {"energy.steps": [2, 3]})
    objective = objective_of(energy={"steps": [2, 3]})
    calls: list[int] = []
    objective.model.unet.register_forward_pre_hook(lambda _, inputs: calls.append(len(inputs[0])))

    def steps_of(shard: Shard, step: int) -> int:
        calls.clear()
        objective(BatchSource(disc_collection(), config, shard=shard).batch(step))
        return len(calls)

    counts = [steps_of(Shard(0, 2), step) for step in range(20)]
    assert 4 < counts.count(2) < 16
    assert set(counts) == {2, 3}
    assert counts == [steps_of(Shard(1, 2), step) for step in range(20)]
    assert counts[:6] == [steps_of(Shard(), step) for step in range(6)]


def test_16_bits_leave_the_sums_over_pixels_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Areas of some thousand pixels, none of which 16 bits could count."""
    objective = objective_of(grid_px=64)
    answers = torch.full((8, 1, 64, 64), -1.0)
    for i, answer in enumerate(answers):
        answer[:, : 2 * i + 33, : 57 - i] = 1.0
    batch = replace(batch_of(), x=answers.flip(0), per_slice=4)
    monkeypatch.setattr(DiffusionSegmenter, "answer", lambda *_, **__: answers)
    exact = objective(batch)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert objective(batch).item() == pytest.approx(exact.item(), abs=1e-6)


def test_in_16_bits_every_weight_has_a_gradient() -> None:
    objective = objective_of()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        objective(batch_of()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in objective.parameters())
    assert sum(bool(p.grad.any()) for p in objective.parameters() if p.grad is not None) > 40


@pytest.mark.parametrize("readers", [2, 5])
def test_any_number_of_readers_some_of_them_missing(readers: int) -> None:
    """Whoever is missing is never shown: the readers who are there fill the places."""
    discs = disc_collection(readers=readers)
    masks, present = discs.readings.copy(), np.ones((len(discs), readers), bool)
    masks[:, -1] = present[:, -1] = False
    config = with_overrides(CONFIG, {"batch_size": 4 * readers})
    source = BatchSource(replace(discs, readings=masks, present=present), config)
    batch = source.batch(0)
    assert (batch.per_slice, len(batch.x)) == (readers, 4 * readers)
    assert objective_of(self_conditioning=True)(batch).isfinite()


def test_as_published_readings_count_their_distance_from_themselves() -> None:
    """The mean published GED of all sets of N draws from a few equally likely readings, enumerated."""
    x_hat, experts = signed_masks(1, 3, 12, seed=3), masks_of(signed_masks(1, 4, 12, seed=4))
    n, readings = 2, masks_of(x_hat)
    apart = distances(readings, readings)[0]
    published = [
        2 * distances(masks_of(x_hat[:, list(chosen)]), experts).mean() - apart[list(chosen)][:, list(chosen)].mean()
        for chosen in itertools.product(range(3), repeat=n)
    ]
    pairs = [
        energy(masks_of(x_hat[:, list(pair)]), experts, self_weight=1 - 1 / n)
        for pair in itertools.product(range(3), repeat=2)
    ]
    torch.testing.assert_close(torch.stack(pairs).mean(), torch.stack(published).mean())
    assert objective_of(energy={"published": n}).self_weight == 1 - 1 / n
    assert objective_of().self_weight == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"experts": "random"}, "experts is 'random'; give experts=all"),
        ({"image_dropout": 0.1}, "a model that can be guided cannot go on"),
        ({"kind": "prob-unet"}, "a prob-unet model has one of its own; leave energy out"),
        ({"energy": {"sampler": "euler"}}, "unknown sampler 'euler'"),
        ({"energy.steps": []}, "energy.steps"),
        ({"energy.steps": [0]}, "energy.steps"),
    ],
)
def test_settings_that_contradict_it_are_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        make_objective(with_overrides(CONFIG, changes))


def test_a_batch_that_would_tear_a_slice_apart_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"multiple of 16, e\.g\. --set batch_size=16"):
        BatchSource(disc_collection(), CONFIG, shard=Shard(0, 4))
    with pytest.raises(SettingsError, match="the data have 1; give data with at least two"):
        BatchSource(disc_collection(readers=1), CONFIG)
    whole = BatchSource(disc_collection(), CONFIG, shard=Shard(1, 2)).batch(0)
    assert (len(whole.x), whole.per_slice) == (4, 4)


def test_a_fresh_model_cannot_go_on(tmp_path: Path) -> None:
    source = DataSource(names=("discs",))
    with pytest.raises(SettingsError, match="--start-from"):
        fit(CONFIG, disc_collection(), tmp_path / "run", device=torch.device("cpu"), source=source)
    with pytest.raises(SettingsError, match="--start-from"):
        check_settings(CONFIG, disc_collection(), device=torch.device("cpu"))
    assert not list(tmp_path.iterdir())


def test_it_goes_on_from_a_model_and_a_resumed_run_is_bit_identical(tmp_path: Path) -> None:
    discs, source, cpu = disc_collection(), DataSource(names=("discs",)), torch.device("cpu")
    first = with_overrides(CONFIG, {"energy": None, "steps": 4, "holdout": 0.2})
    fit(first, discs, tmp_path / "first", device=cpu, source=source)
    config = with_overrides(first, {"energy.steps": [2, 3], "checkpoint_steps": 1})
    start = read_start(str(tmp_path / "first"))
    fit(config, discs, tmp_path / "whole", device=cpu, source=source, start=start)
    fit(with_overrides(config, {"steps": 2}), discs, tmp_path / "parts", device=cpu, source=source, start=start)
    resume(config, discs, tmp_path / "parts", device=cpu, source=source)
    assert same_weights(run_weights(tmp_path / "whole"), run_weights(tmp_path / "parts"))
    assert not same_weights(run_weights(tmp_path / "first"), run_weights(tmp_path / "whole"))


def test_a_field_of_it_switches_it_on() -> None:
    plain = with_overrides(CONFIG, {"energy": None})
    assert with_overrides(plain, {"energy.steps": [3]}).energy == EnergyConfig(steps=(3,))
    assert with_overrides(CONFIG, {"energy.sampler": "ddim"}).energy == EnergyConfig(sampler="ddim")

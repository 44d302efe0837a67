"""PHiSeg's loss: its terms by hand and by independent implementations, what it trains, and where its noise is from."""

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from napari_ambiseg.errors import SettingsError
from napari_ambiseg.models.phiseg import MIN_STD, Gaussian, PHiSeg
from napari_ambiseg.readings.collection import SliceCollection
from trainer.config import FitConfig, with_overrides
from trainer.data.batches import Batch, BatchSource
from trainer.kinds import make_objective
from trainer.objectives.phiseg import (
    PHiSegObjective,
    divergence,
    phiseg_config,
    reconstruction,
    weighted_divergence,
)
from trainer.paper_sizes import PAPER_MODELS
from trainer.recipes import named_recipe

CONFIG = FitConfig(recipe="test", kind="phiseg", size="tiny", grid_px=16, batch_size=4)


def constant(mean: float, std: float, *shape: int) -> Gaussian:
    return Gaussian(torch.full(shape, mean), torch.full(shape, std))


def objective(config: FitConfig = CONFIG) -> PHiSegObjective:
    torch.manual_seed(0)
    made = make_objective(config)
    assert isinstance(made, PHiSegObjective)
    return made.train()


@pytest.fixture
def batch(discs: SliceCollection) -> Batch:
    return BatchSource(discs, CONFIG).batch(0)


def test_the_paper_size_has_the_published_number_of_parameters_posterior_included() -> None:
    paper = make_objective(with_overrides(named_recipe("central"), PAPER_MODELS["phiseg"]))
    assert sum(parameter.numel() for parameter in paper.parameters()) == 7_322_210


def test_the_posterior_is_trained_but_not_part_of_the_model() -> None:
    trained = objective()
    assert {name.split(".")[0] for name, _ in trained.named_parameters()} == {"model", "posterior"}
    assert {name.split(".")[0] for name in trained.model.state_dict()} == {"prior", "likelihood"}


def test_a_mean_one_standard_deviation_off_costs_half_a_nat_a_pixel() -> None:
    q, p = constant(1.0, 1.0, 3, 2, 4, 4), constant(0.0, 1.0, 3, 2, 4, 4)
    torch.testing.assert_close(divergence(q, p), torch.full((3,), 0.5 * 2 * 16))
    torch.testing.assert_close(divergence(p, p), torch.zeros(3))


def test_the_divergence_is_that_of_independent_normal_distributions() -> None:
    torch.manual_seed(0)
    q, p = (Gaussian(torch.randn(3, 2, 4, 4), torch.rand(3, 2, 4, 4) + 0.1) for _ in range(2))
    expected = kl_divergence(Normal(q.mean, q.std), Normal(p.mean, p.std)).sum(dim=(1, 2, 3))
    torch.testing.assert_close(divergence(q, p), expected)


def test_a_coarse_level_weighs_four_times_the_next_finer_one() -> None:
    """Of constant maps with a quarter of the pixels each, all levels then cost the same."""
    sides = (8, 4, 2)
    q = [constant(1.0, 1.0, 2, 2, side, side) for side in sides]
    p = [constant(0.0, 1.0, 2, 2, side, side) for side in sides]
    torch.testing.assert_close(weighted_divergence(q, p), torch.full((2,), 3 * 0.5 * 2 * 64))


@pytest.mark.parametrize("q", [(0.0, MIN_STD), (1e6, MIN_STD), (-1e6, 1e6)])
@pytest.mark.parametrize("p", [(0.0, MIN_STD), (1e6, 1e6)])
def test_extreme_distributions_have_a_finite_divergence_and_gradient(
    q: tuple[float, float], p: tuple[float, float]
) -> None:
    values = [torch.full((1, 2, 2, 2), value, requires_grad=True) for value in (*q, *p)]
    found = divergence(Gaussian(values[0], values[1]), Gaussian(values[2], values[3]))
    found.sum().backward()
    assert found.isfinite().all()
    assert found >= 0
    assert all(value.grad is not None and value.grad.isfinite().all() for value in values)


def test_logits_of_zero_cost_log_two_a_pixel_and_level() -> None:
    x = torch.where(torch.rand(3, 1, 4, 4) > 0.5, 1.0, -1.0)
    torch.testing.assert_close(reconstruction([torch.zeros(3, 2, 4, 4)] * 5, x), torch.full((3,), 5 * 16 * math.log(2)))


def test_the_second_label_is_the_foreground() -> None:
    """One foreground pixel of four, whose logit is 2: log(1 + e^-2) there, and log(1 + e^2) of a background one."""
    x = torch.tensor([1.0, -1.0, -1.0, -1.0]).view(1, 1, 2, 2)
    logits = torch.zeros(1, 2, 2, 2)
    logits[0, 1, 0] = 2.0
    expected = math.log1p(math.exp(-2)) + math.log1p(math.exp(2)) + 2 * math.log(2)
    assert reconstruction([logits], x).item() == pytest.approx(expected, rel=1e-6)


def test_the_loss_is_linear_in_beta_and_the_divergence_is_what_it_weighs(batch: Batch) -> None:
    losses = [objective(with_overrides(CONFIG, {"beta": beta}))(batch) for beta in (0.0, 1.0, 2.0)]
    assert losses[1] > losses[0]
    torch.testing.assert_close(losses[2] - losses[1], losses[1] - losses[0], rtol=1e-3, atol=1e-2)


def test_a_posterior_that_knows_what_the_prior_knows_costs_nothing(batch: Batch) -> None:
    """With the prior's weights and none for the mask, q equals p at every level, whatever is drawn."""
    trained = objective()
    state = trained.model.prior.state_dict()
    first = "encoder.0.0.weight"
    state[first] = torch.cat([state[first], torch.zeros_like(state[first]), torch.zeros_like(state[first])], dim=1)
    trained.posterior.load_state_dict(state)
    with_kl = trained(batch)
    trained.beta = 0.0
    torch.testing.assert_close(trained(batch), with_kl)


def test_the_mask_reaches_the_posterior_and_the_prior_sees_the_posteriors_latents(batch: Batch) -> None:
    trained = objective()
    seen: dict[str, Tensor] = {}
    trained.posterior.register_forward_hook(lambda _, inputs, output: seen.update(posterior=output[1][0]))
    trained.model.prior.register_forward_hook(lambda _, inputs, output: seen.update(prior=output[1][0]))
    trained(batch)
    first = seen["posterior"]
    assert torch.equal(seen["prior"], first)
    trained(Batch(batch.image, -batch.x, batch.t, batch.eps, batch.seeds))
    assert not torch.allclose(seen["posterior"], first)


def test_noise_comes_from_the_batchs_seeds_alone(batch: Batch) -> None:
    trained = objective()
    loss = trained(batch)
    torch.manual_seed(99)
    assert torch.equal(trained(batch), loss)
    others = Batch(batch.image, batch.x, batch.t, batch.eps, tuple(seed + 1 for seed in batch.seeds))
    assert not torch.equal(trained(others), loss)


def test_every_parameter_is_trained(batch: Batch) -> None:
    trained = objective()
    trained(batch).backward()
    silent = [name for name, p in trained.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"grid_px": 20}, "grid_px is 20, but PHiSeg of size 'tiny' reads multiples of 8"),
        ({"size": "huge"}, "unknown size 'huge'"),
        ({"backbone": "unet"}, "backbone is 'unet', but PHiSeg has a network of its own"),
        ({"size": "paper", "grid_px": 64, "batch_size": 1}, "batch_size is 1.*give at least 2"),
    ],
)
def test_runs_that_cannot_be_are_refused_before_the_first_step(overrides: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        phiseg_config(with_overrides(CONFIG, overrides))


def test_the_model_that_is_built_is_the_configured_one() -> None:
    model = objective(with_overrides(CONFIG, {"size": "small", "grid_px": 32})).model
    assert isinstance(model, PHiSeg)
    assert model.config.multiple == 16

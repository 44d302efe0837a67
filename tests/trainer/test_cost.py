"""What a line of a study costs: counted again another way."""

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from napari_ambiseg.models.segmenter import SamplingOptions
from trainer.ablation.cost import cost_of
from trainer.config import FitConfig
from trainer.kinds import make_objective
from trainer.recipes import named_recipe

FIVE = SamplingOptions(steps=5, sampler="ddim")


def _toy(kind: str, **changes: object) -> FitConfig:
    return FitConfig.model_validate({"recipe": "test", "kind": kind, "size": "tiny", "grid_px": 32, **changes})


@pytest.mark.parametrize("kind", ["diffusion", "prob-unet", "phiseg", "deterministic", "mc-dropout"])
def test_operations_of_readings_are_those_that_torch_counts_when_all_are_drawn(kind: str) -> None:
    config = _toy(kind)
    model = make_objective(config).eval().model
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        list(model.sample(torch.zeros(1, 32, 32), seeds=range(5), options=FIVE))  # type: ignore[operator]
    assert cost_of(config, FIVE, readings=5).readings_gflop == pytest.approx(counter.get_total_flops() / 1e9)


def test_a_diffusion_reading_costs_its_steps_and_guidance_asks_twice() -> None:
    config = _toy("diffusion", image_dropout=0.1)
    one, five = (cost_of(config, SamplingOptions(steps=n, sampler="ddim"), 2).readings_gflop for n in (1, 5))
    guided = cost_of(config, SamplingOptions(steps=1, sampler="ddim", guidance=1.0), 2).readings_gflop
    assert five == pytest.approx(5 * one)
    assert guided == pytest.approx(2 * one)


def test_an_example_costs_about_three_forward_passes_to_train_whatever_the_batch() -> None:
    config = _toy("deterministic")
    cost = cost_of(config, FIVE, readings=1)
    assert 2.5 * cost.readings_gflop < cost.training_gflop <= 3 * cost.readings_gflop
    assert cost_of(config.model_copy(update={"batch_size": 7}), FIVE, readings=1) == cost


def test_an_example_that_is_drawn_in_three_steps_costs_three_times_as_much_to_train() -> None:
    energy = _toy("diffusion", energy={"steps": (3,)}, experts="all")
    drawn, denoised = (cost_of(config, FIVE, readings=1).training_gflop for config in (energy, _toy("diffusion")))
    assert drawn == pytest.approx(3 * denoised, rel=0.1)


def test_parameters_are_those_of_the_paper() -> None:
    assert cost_of(named_recipe("central").model_copy(update={"grid_px": 32}), FIVE, 1).parameters == 6_891_905


def test_counting_draws_nothing_from_the_global_generator() -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    cost_of(_toy("prob-unet"), FIVE, 1)
    assert torch.equal(torch.rand(1), expected)

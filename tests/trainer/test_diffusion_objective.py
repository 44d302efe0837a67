"""The denoising loss on hand-worked cases, and its options: time factor, self-conditioning, hidden images."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from napari_ambiseg.diffusion.prediction import diffuse
from napari_ambiseg.diffusion.schedule import alpha
from trainer.config import FitConfig, with_overrides
from trainer.data.batches import Batch
from trainer.kinds import make_objective
from trainer.objectives.diffusion import DiffusionObjective, draws

CONFIG = FitConfig(recipe="test", size="tiny", grid_px=16, input_scale=1.0)
EARLY, LATE = 3 + 2 * math.sqrt(2), 3 - 2 * math.sqrt(2)  # SNR = 1 / tan^2(pi t / 2) at t = 1/4 and t = 3/4
COS2 = (2 + math.sqrt(2)) / 4  # cos^2(pi / 8): the sigmoid of the log SNR at t = 1/4
WEIGHTS = {
    "snr": (EARLY, LATE),
    "truncated-snr": (EARLY, 1.0),
    "snr+1": (EARLY + 1, LATE + 1),
    "uniform": (1.0, 1.0),
    "sigmoid:0": (COS2, 1 - COS2),
    "sigmoid:-2": tuple(snr / (snr + math.exp(-2)) for snr in (EARLY, LATE)),
}


def batch_of(count: int, *, t: Tensor | None = None, seed: int = 0) -> Batch:
    """Random images, masks and noise."""
    generator = torch.Generator().manual_seed(seed)
    images, masks, eps = (torch.randn(count, 1, 16, 16, generator=generator) for _ in range(3))
    times = (torch.arange(count) + 0.5) / count if t is None else t
    x = torch.where(masks > 0, 1.0, -1.0)
    return Batch(image=images, x=x, t=times.double(), eps=eps, seeds=tuple(range(count)))


def objective_of(*, perturb: bool = True, **overrides: object) -> DiffusionObjective:
    """The objective of a run; with random weights everywhere, unless it is to answer 0 as a fresh one does."""
    torch.manual_seed(0)
    objective = make_objective(with_overrides(CONFIG, overrides))
    assert isinstance(objective, DiffusionObjective)
    with torch.no_grad():
        for parameter in objective.parameters():
            parameter += perturb * 0.05 * torch.randn_like(parameter)
    return objective


@pytest.mark.parametrize("time_factor", [False, True])
@pytest.mark.parametrize("weighting", WEIGHTS)
def test_the_loss_is_the_weighted_error_on_x(weighting: str, time_factor: bool) -> None:
    """A fresh network answers x_hat = 0: every squared error is 1, and the loss is the mean of the weights.

    At t = 1/4 and t = 3/4, -dlam/dt = 2 pi / sin(pi / 4) = 2 pi sqrt(2).
    """
    objective = objective_of(perturb=False, weighting=weighting, time_factor=time_factor)
    loss = objective(batch_of(2, t=torch.tensor([0.25, 0.75])))
    factor = 2 * math.pi * math.sqrt(2) if time_factor else 1.0
    assert loss.item() == pytest.approx(factor * sum(WEIGHTS[weighting]) / 2, rel=1e-5)


@pytest.mark.parametrize(("prediction", "weighting"), [("eps", "snr"), ("v", "snr+1")])
def test_the_matching_weight_is_the_plain_error_on_what_is_predicted(prediction: str, weighting: str) -> None:
    objective, batch = objective_of(prediction=prediction, weighting=weighting), batch_of(6)
    model = objective.model
    lam = model.schedule(batch.t)[:, None, None, None].float()
    output = model.unet(torch.cat([diffuse(batch.x, batch.eps, lam), batch.image], 1), batch.t.float())
    plain = (model.config.prediction.target(batch.x, batch.eps, lam) - output).square().mean()
    assert objective(batch).item() == pytest.approx(plain.item(), rel=1e-4)


def test_input_scale_lowers_the_signal_that_is_shown() -> None:
    lams = [objective_of(input_scale=b).model.schedule(torch.tensor([0.5])) for b in (1.0, 0.1)]
    assert alpha(lams[0]).item() == pytest.approx(math.sqrt(0.5))
    assert alpha(lams[1]).item() == pytest.approx(math.sqrt(0.01 / 1.01))  # Eq. 7 with gamma = 1/2


def test_without_options_nothing_more_is_asked_of_the_network() -> None:
    config = objective_of().model.config
    assert (config.unet.in_channels, config.self_conditioning, config.guidable) == (2, False, False)


def test_each_option_adds_one_input_channel_at_the_papers_size() -> None:
    config = objective_of(size="paper", self_conditioning=True, image_dropout=0.1).model.config
    assert (config.unet.in_channels, config.image_channels) == (6, 3)


def _previous_seen(objective: DiffusionObjective, batch: Batch) -> list[Tensor]:
    """What the network saw in its channel for the previous estimate, call by call."""
    seen: list[Tensor] = []
    objective.model.unet.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0][:, -1:]))
    objective(batch)
    return seen


def test_half_of_the_examples_see_the_networks_own_estimate() -> None:
    objective, batch = objective_of(self_conditioning=True), batch_of(200)
    first, second = _previous_seen(objective, batch)
    assert not first.any()
    assert not second.requires_grad
    sees = second.abs().amax(dim=(1, 2, 3)) > 0
    assert torch.equal(sees, draws(batch)[:, 1] < 0.5)
    assert abs(int(sees.sum()) - 100) < 4 * math.sqrt(50)
    lam = objective.model.schedule(batch.t)[:, None, None, None].float()
    x_t = diffuse(batch.x, batch.eps, lam)
    own = objective.model(x_t, batch.image, batch.t.float(), lam).clamp(-1, 1)
    torch.testing.assert_close(second[sees], own[sees])


@pytest.mark.parametrize("short", [torch.bfloat16, torch.float32])
def test_the_first_estimate_leaves_the_gradient_to_the_second(short: torch.dtype) -> None:
    """Autocast would keep the first pass's 16-bit weights, without gradient, for the second."""
    objective = objective_of(self_conditioning=True)
    with torch.autocast("cpu", dtype=short, enabled=short is not torch.float32):
        objective(batch_of(4)).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in objective.model.unet.parameters())


def test_what_an_example_draws_depends_on_its_seed_alone() -> None:
    batch = batch_of(6)
    alone = replace(batch, seeds=(4,), x=batch.x[4:5])
    assert torch.equal(draws(batch)[4:5], draws(alone))
    assert len(draws(batch).unique()) == 12


def test_the_image_is_hidden_from_its_share_of_the_examples() -> None:
    objective, batch = objective_of(image_dropout=0.2), batch_of(400)
    flags: list[Tensor] = []
    objective.model.unet.register_forward_pre_hook(lambda _, inputs: flags.append(inputs[0][:, 1:]))
    objective(batch)
    image, flag = flags[0][:, 0], flags[0][:, 1]
    hidden = flag.amax(dim=(1, 2)) == 1
    assert abs(int(hidden.sum()) - 80) < 4 * math.sqrt(400 * 0.2 * 0.8)
    assert not image[hidden].any()
    assert torch.equal(image[~hidden], batch.image[~hidden, 0])
    assert not flag[~hidden].any()


def test_hiding_and_conditioning_are_drawn_independently() -> None:
    hide, condition = (draws(batch_of(2000)) < 0.5).double().unbind(dim=1)
    assert abs(float((hide * condition).mean()) - 0.25) < 4 * math.sqrt(0.25 * 0.75 / 2000)

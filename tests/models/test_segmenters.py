"""What every kind of model promises, and what the two built-in kinds compute."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from napari_ambiseg.diffusion.prediction import Prediction, diffuse
from napari_ambiseg.diffusion.sampling import SAMPLERS
from napari_ambiseg.diffusion.schedule import alpha
from napari_ambiseg.errors import CheckpointError, InputImageError, SettingsError
from napari_ambiseg.models.deterministic import DeterministicConfig, DeterministicSegmenter
from napari_ambiseg.models.diffusion_segmenter import DiffusionConfig, DiffusionSegmenter
from napari_ambiseg.models.segmenter import SamplingOptions, Segmenter, brief, build
from napari_ambiseg.models.unet_config import named_size

IMAGE = torch.linspace(-0.5, 2, 256).view(1, 16, 16)


def perturbed(model: nn.Module) -> Any:
    """The model with random weights everywhere, also where training starts from zero."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    return model.eval()


def diffusion(prediction: Prediction = Prediction.X, in_channels: int = 2) -> DiffusionSegmenter:
    torch.manual_seed(0)
    return DiffusionSegmenter(DiffusionConfig(named_size("tiny", in_channels=in_channels), prediction=prediction))


def deterministic() -> DeterministicSegmenter:
    torch.manual_seed(0)
    return DeterministicSegmenter(DeterministicConfig(named_size("tiny", in_channels=1, time_embedding=0)))


def test_both_kinds_keep_the_contract() -> None:
    for model in (diffusion(), deterministic()):
        assert isinstance(model, Segmenter)
        states = list(perturbed(model).sample(IMAGE, seeds=[0, 1, 2], options=SamplingOptions(steps=3)))
        assert states[-1].step == states[-1].total == len(states)
        for state in states:
            assert state.x_t.shape == state.x_hat.shape == (3, 1, 16, 16)
            assert not state.x_hat.requires_grad
            assert state.x_hat.abs().max() <= 1


@pytest.mark.parametrize("prediction", Prediction)
def test_estimates_stay_between_background_and_foreground_while_sampling(prediction: Prediction) -> None:
    """Even where noise is divided by an alpha of 4.5e-5, as in the first step of eps-prediction."""
    states = list(perturbed(diffusion(prediction)).sample(IMAGE, seeds=[0, 1], options=SamplingOptions(steps=3)))
    assert all(state.x_hat.abs().max() <= 1 for state in states)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("prediction", Prediction)
def test_a_reading_depends_on_its_seed_and_not_on_its_neighbours(prediction: Prediction, sampler: str) -> None:
    model = perturbed(diffusion(prediction))
    options = SamplingOptions(steps=4, sampler=sampler, eta=0.5)

    def sample(seeds: list[int]) -> Tensor:
        return list(model.sample(IMAGE, seeds=seeds, options=options))[-1].x_hat

    alone = sample([7])[0]
    together = sample([5, 6, 7, 8, 9])
    torch.testing.assert_close(together[2], alone, rtol=1e-3, atol=1e-4)
    assert (together[3] - alone).abs().max() > 1e-2


def test_a_fresh_network_says_zero_and_the_estimate_follows_from_the_prediction_type() -> None:
    """Its output is 0: as x that is x_hat = 0, as eps it is x_t / alpha, as v it is alpha x_t."""
    x_t, lam = torch.randn(2, 1, 16, 16), torch.full((2, 1, 1, 1), 0.7)
    expected = {Prediction.X: 0 * x_t, Prediction.EPS: x_t / alpha(lam), Prediction.V: alpha(lam) * x_t}
    for prediction, x_hat in expected.items():
        answer = diffusion(prediction)(x_t, IMAGE.expand(2, 1, 16, 16), torch.full((2,), 0.4), lam)
        torch.testing.assert_close(answer, x_hat)


def test_a_grey_image_is_repeated_over_the_networks_image_channels() -> None:
    model = perturbed(diffusion(in_channels=4))
    x_t, t, lam = torch.randn(1, 1, 16, 16), torch.tensor([0.4]), torch.zeros(1, 1, 1, 1)
    image = IMAGE[None]
    by_hand = torch.tanh(model.unet(torch.cat([x_t, image, image, image], dim=1), t))
    assert torch.equal(model(x_t, image, t, lam), by_hand)


def test_a_slice_that_the_network_cannot_halve_is_refused() -> None:
    for model in (diffusion(), deterministic()):
        with pytest.raises(InputImageError, match=r"16 x 18 pixels.*multiples of 4"):
            list(model.sample(torch.zeros(1, 16, 18), seeds=[0], options=SamplingOptions()))


def test_the_deterministic_model_gives_every_seed_the_same_probabilities() -> None:
    model = perturbed(deterministic())
    (state,) = model.sample(IMAGE, seeds=[3, 4], options=SamplingOptions())
    logits = model(IMAGE[None])[0]
    probability = 1 / (1 + torch.exp(-logits))
    for reading in state.x_hat:
        torch.testing.assert_close((reading + 1) / 2, probability)
        assert torch.equal(reading > 0, logits > 0)
    assert state.log_snr == math.inf


def overfit(model: DiffusionSegmenter, image: Tensor, readings: Tensor, steps: int = 200) -> None:
    """Train on one image with readings (B, 1, H, W) in {-1, +1}, all of them in every batch."""
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    count = len(readings)
    for _ in range(steps):
        t = ((torch.randperm(count) + torch.rand(count)) / count).float()
        lam = model.schedule(t).float().view(-1, 1, 1, 1)
        x_t = diffuse(readings, torch.randn_like(readings), lam)
        squared = (readings - model(x_t, image.expand(count, -1, -1, -1), t, lam)) ** 2
        optimizer.zero_grad()
        (lam.exp().clamp(1, 20) * squared).mean().backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        decay.step()


def test_a_model_that_saw_two_contradicting_readers_draws_both_in_proportion() -> None:
    """Two of three readings outline the lesion, the third is empty; the count may be off by 4 standard deviations."""
    rows, columns = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
    lesion = (rows - 4) ** 2 + (columns - 4) ** 2 < 8
    masks = torch.stack([lesion, torch.zeros_like(lesion)])[:, None]
    model = diffusion()
    overfit(model, lesion.float()[None], masks[[0, 0, 1] * 20].float() * 2 - 1)
    for sampler in ("ddim", "ddpm", "dpm++2m"):
        options = SamplingOptions(steps=20, sampler=sampler)
        samples = list(model.eval().sample(lesion.float()[None], seeds=range(64), options=options))[-1].x_hat > 0
        wrong = (samples[:, None] != masks[None]).double().mean(dim=(2, 3, 4))  # (samples, masks): share of pixels
        assert (wrong.min(dim=1).values < 0.02).double().mean() > 0.9
        lesions = int((wrong[:, 0] < wrong[:, 1]).sum())
        assert abs(lesions - 64 * 2 / 3) < 4 * math.sqrt(64 * 2 / 9)


def test_the_last_time_reaches_the_network() -> None:
    model = perturbed(diffusion())
    asked: list[float] = []
    model.unet.register_forward_pre_hook(lambda _, inputs: asked.append(float(inputs[1][0])))
    for sampler, last_time in (("ddim", None), ("ddim", 0.1), ("dpm++2m", None), ("dpm++2m", 0.1)):
        list(model.sample(IMAGE, seeds=[0], options=SamplingOptions(steps=4, sampler=sampler, last_time=last_time)))
    assert asked[::4] == [1.0] * 4
    assert asked[3::4] == pytest.approx([0.25, 0.1, 0.05, 0.1])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"steps": 0}, "steps is 0; give a number from 1 to 1000"),
        ({"steps": 1001}, "steps is 1001"),
        ({"sampler": "euler"}, "unknown sampler 'euler'; choose one of ddim, ddpm, ddpm-large"),
        ({"eta": 1.5}, "eta is 1.5; give a number from 0 to 1"),
        ({"eta": math.nan}, "eta is nan"),
        ({"last_time": 1.0}, "the time of the last estimate is 1.0; give a number between 0 and 1"),
    ],
)
def test_impossible_sampling_options_are_refused_by_value(options: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        SamplingOptions(**options)


def test_configurations_build_the_models_they_describe() -> None:
    built = build("diffusion", {"unet": {"in_channels": 2, "channels": [32], "blocks": [1]}, "prediction": "v"})
    assert isinstance(built, DiffusionSegmenter)
    assert built.config.prediction is Prediction.V
    assert built.config.unet.channels == (32,)
    assert isinstance(build("deterministic", {"unet": {"in_channels": 1, "time_embedding": 0}}), DeterministicSegmenter)


@pytest.mark.parametrize(
    ("kind", "config", "said"),
    [
        ("oracle", {}, "unknown kind of model 'oracle'; this version knows deterministic, diffusion"),
        ("diffusion", {}, "unet: Field required"),
        ("diffusion", {"unet": {"in_channels": 2}, "prediction": "z"}, "prediction: Input should be 'x', 'eps' or 'v'"),
        ("diffusion", {"unet": {"in_channels": 2, "dropout": 0.1}}, "unet.dropout: Unexpected keyword"),
        ("diffusion", {"unet": {"in_channels": 2}, "input_scale": 0.0}, "input scale is 0.0"),
        ("deterministic", {"unet": {"in_channels": 1, "norm_groups": 0}}, "norm_groups=0"),
    ],
)
def test_configurations_that_build_nothing_are_refused_in_one_line(
    kind: str, config: dict[str, Any], said: str
) -> None:
    with pytest.raises(CheckpointError, match=said) as refusal:
        build(kind, config)
    assert "\n" not in str(refusal.value)


def test_a_long_error_is_cut_to_fit_a_sentence() -> None:
    text = brief(RuntimeError("first line\n\tsecond line " + "x " * 500))
    assert text.startswith("first line second line x")
    assert len(text) <= 200
    assert "\n" not in text

"""Self-conditioning and guidance in the diffusion model, and that models without them answer as they always did."""

import hashlib
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from napari_ambiseg.diffusion.prediction import Prediction, guided
from napari_ambiseg.diffusion.sampling import SAMPLERS
from napari_ambiseg.diffusion.schedule import alpha, sigma
from napari_ambiseg.engine import SliceInput, load_model, sample
from napari_ambiseg.errors import SettingsError
from napari_ambiseg.models.checkpoint import Grid, Header, Model
from napari_ambiseg.models.deterministic import DeterministicConfig, DeterministicSegmenter
from napari_ambiseg.models.diffusion_segmenter import DiffusionConfig, DiffusionSegmenter
from napari_ambiseg.models.segmenter import SamplingOptions
from napari_ambiseg.models.unet_config import named_size
from napari_ambiseg.phantom import bundled_slices

IMAGE = torch.linspace(-0.5, 2, 256).view(1, 16, 16)
SHIPPED = {  # SHA-256 of the masks that the shipped model drew when it was bundled
    "ddim": "09a54d1b3748facd2c1e584d37750bdf8095572548e3ad2b20fa61a03cc48722",
    "ddpm": "8e034fe151021a121e0d6023062e02823790c6b318f7fdcd7da8419469209520",
}


def make(*, in_channels: int = 2, prediction: Prediction = Prediction.X, **options: bool) -> DiffusionSegmenter:
    """A tiny model with random weights everywhere, also where training starts from zero."""
    torch.manual_seed(0)
    unet = named_size("tiny", in_channels=in_channels + sum(options.values()))
    model = DiffusionSegmenter(DiffusionConfig(unet, prediction=prediction, **options))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    return model.eval()


class Recorded(nn.Module):
    """A network that writes down what it sees."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        self.seen.append(x)
        return self.network(x, t)


def record(model: DiffusionSegmenter) -> Recorded:
    recorded = Recorded(model.unet)
    model.unet = recorded  # type: ignore[assignment]
    return recorded


def final(model: DiffusionSegmenter, seeds: list[int], **options: Any) -> Tensor:
    """x_hat (S, 1, H, W) of the last of four steps."""
    *_, last = model.sample(IMAGE, seeds=seeds, options=SamplingOptions(steps=4, **options))
    return last.x_hat


@pytest.mark.parametrize("sampler", SHIPPED)
def test_the_shipped_model_draws_the_masks_that_it_always_drew(sampler: str) -> None:
    image = torch.from_numpy(bundled_slices()[0].image[:, 32:96, 32:96].copy())
    options = SamplingOptions(steps=3, sampler=sampler)
    *_, last = load_model("lidc-small-64").segmenter.sample(image, seeds=[0, 7], options=options)
    assert hashlib.sha256((last.x_hat > 0).numpy().tobytes()).hexdigest() == SHIPPED[sampler]


def test_a_self_conditioned_network_sees_zeros_first_and_then_its_last_estimate() -> None:
    model = make(self_conditioning=True)
    network = record(model)
    states = list(model.sample(IMAGE, seeds=[0, 1], options=SamplingOptions(steps=4)))
    previous = [seen[:, 2:] for seen in network.seen]
    assert not previous[0].any()
    for seen, state in zip(previous[1:], states[:-1], strict=True):
        assert torch.equal(seen, state.x_hat)


def test_each_trajectory_starts_without_an_estimate() -> None:
    model = make(self_conditioning=True)
    assert torch.equal(final(model, [3]), final(model, [3]))


def test_the_previous_estimate_matters() -> None:
    model = make(self_conditioning=True)
    x_t, t, lam = torch.randn(1, 1, 16, 16), torch.tensor([0.4]), torch.zeros(1, 1, 1, 1)
    blank, given = (model(x_t, IMAGE[None], t, lam, previous=p) for p in (None, torch.ones(1, 1, 16, 16)))
    assert (blank - given).abs().max() > 1e-3


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("prediction", Prediction)
def test_a_self_conditioned_and_guided_reading_depends_on_its_seed_alone(prediction: Prediction, sampler: str) -> None:
    model = make(self_conditioning=True, guidable=True, prediction=prediction)
    options: dict[str, Any] = {"sampler": sampler, "eta": 0.5, "guidance": 1.0}
    alone, together = final(model, [7], **options)[0], final(model, [5, 6, 7, 8], **options)
    torch.testing.assert_close(together[2], alone, rtol=1e-3, atol=1e-4)
    assert (together[3] - alone).abs().max() > 1e-2


def test_a_hidden_image_is_not_seen() -> None:
    model = make(guidable=True)
    network = record(model)
    x_t, t, lam = torch.randn(2, 1, 16, 16), torch.full((2,), 0.4), torch.zeros(2, 1, 1, 1)
    hidden = torch.tensor([True, False])
    images = [image.expand(2, 1, 16, 16) for image in (IMAGE, 1 - IMAGE)]
    first, second = (model(x_t, image, t, lam, hidden=hidden) for image in images)
    assert torch.equal(first[0], second[0])
    assert (first[1] - second[1]).abs().max() > 1e-3
    assert [network.seen[0][i, 2].unique().tolist() for i in (0, 1)] == [[1.0], [0.0]]  # the channel that says so


def test_guidance_zero_is_plain_sampling() -> None:
    """As the same weights draw with the flag left at 0 and no second look."""
    model = make(guidable=True)
    network = record(model)
    readings = final(model, [0, 1], guidance=0.0)
    assert len(network.seen) == 4
    assert torch.equal(readings, final(model, [0, 1]))
    assert (readings - final(model, [0, 1], guidance=2.0)).abs().max() > 1e-2


def test_a_guided_step_combines_both_answers_before_it_clamps() -> None:
    model = make(guidable=True, prediction=Prediction.V)
    state = next(iter(model.sample(IMAGE, seeds=[0], options=SamplingOptions(steps=4, guidance=3.0))))
    x_1 = torch.randn(1, 16, 16, generator=torch.Generator().manual_seed(0))[None]
    t, lam = torch.ones(1), model.schedule(torch.tensor(1.0))
    with torch.no_grad():
        answers = [model(x_1, IMAGE[None], t, lam, hidden=torch.tensor([hide])) for hide in (False, True)]
    torch.testing.assert_close(state.x_hat, guided(answers[0], answers[1], 3.0).clamp(-1, 1))


class Oracle(nn.Module):
    """The exact network of a toy: half of the readers draw the left side, the others the right.

    ``x_hat`` is the posterior mean, in closed form; the output is what the prediction makes of it.
    """

    def __init__(self, model: DiffusionSegmenter) -> None:
        super().__init__()
        self.schedule, self.prediction = model.schedule, model.config.prediction

    def forward(self, inputs: Tensor, t: Tensor) -> Tensor:
        x_t, lam = inputs[:, :1].double(), self.schedule(t)[:, None, None, None]
        left = torch.where(torch.arange(16) < 8, 1.0, -1.0).expand(1, 16, 16).double()
        log_odds = 2 * alpha(lam) / sigma(lam) ** 2 * (x_t * left).sum(dim=(1, 2, 3), keepdim=True)
        x_hat = torch.tanh(log_odds / 2) * left
        if self.prediction is Prediction.X:
            return torch.atanh(x_hat.clamp(-1 + 1e-7, 1 - 1e-7)).float()
        return self.prediction.target(x_hat, (x_t - alpha(lam) * x_hat) / sigma(lam), lam).float()


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("prediction", Prediction)
def test_with_an_exact_network_both_opinions_are_drawn_as_often_as_held(prediction: Prediction, sampler: str) -> None:
    """Whatever is predicted, the estimate that it stands for is the same."""
    model, count = make(prediction=prediction), 1000
    model.unet = Oracle(model)  # type: ignore[assignment]
    options = SamplingOptions(steps=32, sampler=sampler)
    *_, last = model.sample(IMAGE, seeds=range(count), options=options)
    left = (last.x_hat[..., :8] > 0).all(dim=(1, 2, 3)) & (last.x_hat[..., 8:] < 0).all(dim=(1, 2, 3))
    right = (last.x_hat[..., :8] < 0).all(dim=(1, 2, 3)) & (last.x_hat[..., 8:] > 0).all(dim=(1, 2, 3))
    assert int((left | right).sum()) > 0.995 * count
    assert abs(int(left.sum()) - count / 2) < 4 * math.sqrt(count / 4)


@pytest.mark.parametrize(
    "segmenter", [make(), DeterministicSegmenter(DeterministicConfig(named_size("tiny", in_channels=1)))]
)
def test_guidance_is_refused_by_a_model_that_was_not_trained_for_it(segmenter: Any) -> None:
    model = Model(segmenter, Header(kind=segmenter.kind, config={}, grid=Grid((16, 16), (1.0, 1.0))))
    pixels = SliceInput(pixels=IMAGE[0].numpy(), spacing_mm=(1.0, 1.0))
    with pytest.raises(SettingsError, match=r"guidance is 1.5, but this .* was not trained for it.*image_dropout"):
        sample(model, pixels, seeds=[0], options=SamplingOptions(guidance=1.5), device="cpu")


@pytest.mark.parametrize("guidance", [-0.1, 101.0, math.nan, math.inf])
def test_impossible_guidance_is_refused_by_value(guidance: float) -> None:
    with pytest.raises(SettingsError, match=f"guidance is {guidance}; give a number from 0"):
        SamplingOptions(guidance=guidance)


def test_a_network_without_a_channel_for_the_image_is_refused() -> None:
    with pytest.raises(SettingsError, match="3 input channels has none left for the image"):
        make(in_channels=1, self_conditioning=True, guidable=True)

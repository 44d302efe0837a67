"""The Probabilistic UNet: its parameters, what a reading depends on, and that it refuses what it cannot be."""

import math
from dataclasses import asdict
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from napari_ambiseg.errors import CheckpointError, InputImageError
from napari_ambiseg.models.latent import NAMED_LATENTS, LatentNoise
from napari_ambiseg.models.networks import named_network
from napari_ambiseg.models.prob_unet import Combiner, EncoderConfig, ProbUNetConfig, ProbUNetSegmenter
from napari_ambiseg.models.segmenter import SamplingOptions, Segmenter, build

IMAGE = torch.linspace(-0.5, 2, 256).view(1, 16, 16)
TINY = EncoderConfig(channels=(8, 16, 32), norm_groups=4)


def config(latent: str = "aa", backbone: str = "prob-unet") -> ProbUNetConfig:
    unet = named_network(backbone, "tiny", in_channels=1, out_channels=0, time_embedding=0)
    return ProbUNetConfig(unet=unet, latent=NAMED_LATENTS[latent], encoder=TINY)


def segmenter(latent: str = "aa", backbone: str = "prob-unet") -> ProbUNetSegmenter:
    """A model whose readings differ visibly: random weights in place of those that start at zero."""
    torch.manual_seed(0)
    model = ProbUNetSegmenter(config(latent, backbone))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return model.eval()


def sampled(model: ProbUNetSegmenter, seeds: list[int]) -> Tensor:
    (state,) = model.sample(IMAGE, seeds=seeds, options=SamplingOptions())
    return state.x_hat


@pytest.mark.parametrize("backbone", ["prob-unet", "unet"])
@pytest.mark.parametrize("latent", NAMED_LATENTS)
def test_it_keeps_the_contract_on_either_network(latent: str, backbone: str) -> None:
    model = segmenter(latent, backbone)
    assert isinstance(model, Segmenter)
    (state,) = model.sample(IMAGE, seeds=[0, 1, 2], options=SamplingOptions())
    assert state.step == state.total == 1
    assert state.log_snr == math.inf
    assert state.x_t.shape == state.x_hat.shape == (3, 1, 16, 16)
    assert state.x_hat.abs().max() <= 1
    assert not state.x_hat.requires_grad


@pytest.mark.parametrize("latent", NAMED_LATENTS)
def test_a_reading_depends_on_its_seed_and_not_on_its_neighbours(latent: str) -> None:
    model = segmenter(latent)
    together = sampled(model, [5, 6, 7, 8])
    torch.testing.assert_close(sampled(model, [7])[0], together[2], rtol=1e-4, atol=1e-5)
    assert len({round(reading.mean().item(), 6) for reading in together}) == 4


def test_the_global_generator_decides_nothing() -> None:
    model = segmenter("fc-mix")
    torch.manual_seed(1)
    first = sampled(model, [0, 1])
    torch.manual_seed(2)
    assert torch.equal(first, sampled(model, [0, 1]))


def test_a_sample_is_the_decoded_draw_from_the_prior() -> None:
    model = segmenter("aa-mix")
    generator = torch.Generator().manual_seed(11)
    drawn = LatentNoise.from_normals(torch.randn(4 + 5, generator=generator), 4)
    image = IMAGE[None]
    logits = model.decode(model.features(image), model.prior(image).rsample(drawn))
    torch.testing.assert_close(sampled(model, [11]), torch.tanh(logits / 2))


def test_the_combiner_is_a_network_of_each_pixel_and_z() -> None:
    torch.manual_seed(0)
    combiner = Combiner(3, 2, convs=4, patch=1)
    features, z = torch.randn(2, 3, 4, 4), torch.randn(2, 2)
    layers = [nn.Linear(conv.in_channels, conv.out_channels) for conv in combiner.convs]  # type: ignore[arg-type]
    with torch.no_grad():
        for layer, conv in zip(layers, combiner.convs, strict=True):
            layer.weight.copy_(conv.weight[:, :, 0, 0])  # type: ignore[index]
            layer.bias.copy_(conv.bias)  # type: ignore[arg-type]
    h = torch.cat([features[1, :, 2, 3], z[1]])
    for layer in layers[:-1]:
        h = torch.relu(layer(h))
    torch.testing.assert_close(combiner(features, z)[1, :, 2, 3], layers[-1](h))
    assert len(layers) == 4


def test_a_network_of_patches_is_decoded_to_all_pixels() -> None:
    model = segmenter(backbone="unet")
    assert model.config.unet.patch == 2
    assert model.features(IMAGE[None]).shape == (1, 16, 8, 8)
    assert sampled(model, [0]).shape == (1, 1, 16, 16)


def test_a_slice_that_cannot_be_halved_is_refused() -> None:
    for backbone, multiple in (("prob-unet", 4), ("unet", 4)):
        model = segmenter(backbone=backbone)
        with pytest.raises(InputImageError, match=rf"16 x 18 pixels.*multiples of {multiple}"):
            list(model.sample(torch.zeros(1, 16, 18), seeds=[0], options=SamplingOptions()))


@pytest.mark.parametrize("backbone", ["prob-unet", "unet"])
def test_a_checkpoint_s_configuration_builds_the_same_model(backbone: str) -> None:
    described = asdict(config("fc-mix", backbone))
    built = build("prob-unet", described)
    assert isinstance(built, ProbUNetSegmenter)
    assert built.config == config("fc-mix", backbone)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"combiner_convs": 1}, "1 convolutions do not combine"),
        ({"latent": {"dim": 0}}, "both start at 1"),
        ({"latent": {"dim": 2, "covariance": "banded"}}, "latent.covariance: Input should be 'diagonal' or 'full'"),
        ({"unet": {"architecture": "prob-unet", "in_channels": 1}}, "give 0 for both"),
        ({"unet": {"architecture": "vit"}}, "'unet', 'prob-unet'"),
        ({"encoder": {"channels": [6], "norm_groups": 4}}, r"widths \(?\[6\]"),
        ({"encoder": {"channels": []}}, "no network"),
        ({"posterior": {}}, "posterior: Unexpected keyword"),
    ],
)
def test_configurations_that_build_nothing_are_refused_in_one_line(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(CheckpointError, match=said) as refusal:
        build("prob-unet", {**asdict(config()), **changes})
    assert "\n" not in str(refusal.value)

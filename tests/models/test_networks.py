"""The Probabilistic UNet's own network, and which network a configuration means."""

from dataclasses import asdict, replace

import pytest
import torch
from torch import nn

from napari_ambiseg.errors import InputImageError, SettingsError
from napari_ambiseg.models.diffusion_segmenter import DiffusionConfig, DiffusionSegmenter
from napari_ambiseg.models.networks import build_network, named_network
from napari_ambiseg.models.prob_backbone import ConvBlock, ProbBackbone, ProbBackboneConfig
from napari_ambiseg.models.segmenter import build
from napari_ambiseg.models.unet import UNet
from napari_ambiseg.models.unet_config import UNetConfig

TINY = ProbBackboneConfig(in_channels=2, channels=(8, 16), norm_groups=4, time_embedding=8)


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def counted_by_hand(config: ProbBackboneConfig) -> int:
    """Blocks of convolutions and one affine normalisation; time: two maps, and one a block; a normalised head."""
    time = 4 * config.time_embedding
    pairs = list(zip([config.in_channels, *config.channels], config.channels, strict=False))
    pairs += [(low + high, high) for high, low in zip(config.channels, config.channels[1:], strict=False)]
    total = 2 * config.channels[0] + config.channels[0] * config.out_channels + config.out_channels
    if time:
        total += config.time_embedding * time + time + time * time + time
    for inputs, width in pairs:
        total += 9 * inputs * width + (config.convs - 1) * 9 * width**2 + config.convs * width
        total += 2 * width + (time * width + width if time else 0)
    return total


@pytest.mark.parametrize("size", ["paper", "small", "mini", "tiny"])
@pytest.mark.parametrize("time_embedding", [0, 32])
def test_its_parameters_are_those_counted_by_hand(size: str, time_embedding: int) -> None:
    config = named_network("prob-unet", size, time_embedding=time_embedding)
    assert isinstance(config, ProbBackboneConfig)
    assert parameters(build_network(config)) == counted_by_hand(config)


@pytest.mark.parametrize("size", ["paper", "small", "mini"])
@pytest.mark.parametrize("architecture", ["unet", "prob-unet"])
def test_a_crossed_network_makes_up_for_the_encoders_of_z(architecture: str, size: str) -> None:
    """Within a tenth, each network has as many parameters as the one that it replaces."""
    other = {"unet": "prob-unet", "prob-unet": "unet"}[architecture]
    crossed = parameters(build_network(named_network(architecture, size, crossed=True)))
    replaced = parameters(build_network(named_network(other, size)))
    assert crossed / replaced == pytest.approx(1, abs=0.1)


def test_answer_and_features_have_the_shape_of_the_input() -> None:
    network = ProbBackbone(TINY)
    x, t = torch.randn(3, 2, 12, 8), torch.rand(3)
    assert network(x, t).shape == (3, 1, 12, 8)
    assert network.features(x, t).shape == (3, 8, 12, 8)


def test_a_fresh_network_says_zero() -> None:
    assert not ProbBackbone(TINY)(torch.randn(2, 2, 8, 8), torch.rand(2)).any()


def test_a_network_with_time_reads_it_and_one_without_does_not() -> None:
    x = torch.randn(1, 2, 8, 8)
    early, late = torch.tensor([0.1]), torch.tensor([0.9])
    with_time = ProbBackbone(TINY)
    assert not torch.allclose(with_time.features(x, early), with_time.features(x, late))
    without = ProbBackbone(replace(TINY, time_embedding=0))
    assert torch.equal(without.features(x, early), without.features(x))


def test_an_example_s_features_do_not_depend_on_its_batch() -> None:
    network = ProbBackbone(TINY)
    x, t = torch.randn(4, 2, 8, 8), torch.rand(4)
    alone = network.features(x[2:3], t[2:3])
    torch.testing.assert_close(network.features(x, t)[2:3], alone, rtol=1e-4, atol=1e-5)


def test_a_block_without_normalisation_keeps_the_variance() -> None:
    """He's weights: twelve convolutions deep, the signal neither dies nor explodes."""
    torch.manual_seed(0)
    block = ConvBlock(64, 64, convs=12, norm_groups=0)
    h = block(torch.randn(4, 64, 16, 16))
    assert 0.2 < h.square().mean().item() < 5


@pytest.mark.parametrize(("architecture", "network"), [("unet", UNet), ("prob-unet", ProbBackbone)])
def test_the_architecture_is_read_from_the_configuration(architecture: str, network: type[nn.Module]) -> None:
    config = DiffusionConfig(unet=named_network(architecture, "tiny"))
    built = build("diffusion", asdict(config))
    assert isinstance(built, DiffusionSegmenter)
    assert isinstance(built.unet, network)
    assert built.config == config


def test_a_configuration_from_before_there_were_two_means_the_unet() -> None:
    described = asdict(named_network("unet", "tiny"))
    del described["architecture"]
    built = build("diffusion", {"unet": described})
    assert isinstance(built, DiffusionSegmenter)
    assert built.config.unet == named_network("unet", "tiny")


def test_a_network_without_a_head_has_no_parameters_of_one() -> None:
    for architecture in ("unet", "prob-unet"):
        network = build_network(named_network(architecture, "tiny", out_channels=0))
        assert not [name for name, _ in network.named_parameters() if name.startswith("head")]


def test_an_input_that_cannot_be_halved_is_refused() -> None:
    with pytest.raises(InputImageError, match=r"12 x 9 pixels.*multiples of 2"):
        ProbBackbone(TINY)(torch.zeros(1, 2, 12, 9), torch.rand(1))


def test_unknown_names_are_refused_with_the_known_ones() -> None:
    with pytest.raises(SettingsError, match="unknown network 'vit'; choose one of unet, prob-unet"):
        named_network("vit", "tiny")
    with pytest.raises(SettingsError, match="unknown network size 'huge'; choose one of paper, small, mini, tiny"):
        named_network("prob-unet", "huge")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"channels": ()}, "no network"),
        ({"convs": 0}, "no network"),
        ({"out_channels": -1}, "-1 outputs"),
        ({"time_embedding": 7}, "7 wide"),
        ({"norm_groups": 3}, r"not multiples of the 3"),
    ],
)
def test_impossible_sizes_are_refused_by_value(changes: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        ProbBackboneConfig(**{"in_channels": 2, "channels": (8, 16), **changes})  # type: ignore[arg-type]


def test_the_diffusion_unet_may_have_no_head_but_not_a_negative_one() -> None:
    with pytest.raises(SettingsError, match="no network"):
        UNetConfig(in_channels=1, out_channels=-1)

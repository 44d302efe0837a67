"""A prepared network against the network itself: the same numbers, from the same weights, left as they were."""

import copy
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from napari_ambiseg.engine.backends import prepared as prepared_module
from napari_ambiseg.engine.backends.prepared import prepared
from napari_ambiseg.errors import InputImageError
from napari_ambiseg.models.mc_dropout import MCDropoutConfig, MCDropoutSegmenter
from napari_ambiseg.models.networks import build_network, named_network
from napari_ambiseg.models.unet import UNet
from napari_ambiseg.models.unet_config import UNetConfig, named_size

SIZES = [
    named_size("tiny"),
    named_size("small"),
    named_size("paper", channels=(8, 8, 16, 32), norm_groups=8),  # its depth, at an eighth of its arithmetic
    named_size("tiny", attention=False),
    named_size("tiny", attention_window=3),
    named_size("tiny", time_embedding=0),
    named_size("tiny", in_channels=3, out_channels=2, patch=1),
    named_size("tiny", middle_blocks=0),
    named_size("tiny", channels=(16,), blocks=(0,), middle_blocks=1),
]


def network_of(config: UNetConfig, *, seed: int = 0) -> UNet:
    """Random weights everywhere, also where training starts from zero."""
    torch.manual_seed(seed)
    network = UNet(config)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    return network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def inputs(config: UNetConfig, batch: int = 2, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(batch, config.in_channels, 16, 24, generator=generator)
    return x, torch.rand(batch, generator=generator)


@torch.no_grad()
def answer(network: nn.Module, x: Tensor, t: Tensor) -> Tensor:
    return network(x, t)


@pytest.mark.parametrize("config", SIZES)
@pytest.mark.parametrize("batch", [1, 3])
def test_the_answer_is_the_networks_own(config: UNetConfig, batch: int) -> None:
    network = network_of(config)
    quick = prepared(network)
    assert quick is not network
    x, t = inputs(config, batch)
    expected = answer(network, x, t)
    assert expected.std() > 0.01
    torch.testing.assert_close(quick(x, t), expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("size", [(64, 64), (128, 128), (104, 72), (256, 256), (16, 24)])
@pytest.mark.parametrize(("samples", "groups"), [(1, 8), (3, 4)])
@torch.no_grad()
def test_normalisation_is_exact_however_large_the_map(size: tuple[int, int], samples: int, groups: int) -> None:
    generator = torch.Generator().manual_seed(0)
    norm = nn.GroupNorm(groups, 8)
    for parameter in norm.parameters():
        torch.nn.init.normal_(parameter, generator=generator)
    x = torch.randn(samples, 8, *size, generator=generator) + torch.randn(samples, 8, 1, 1, generator=generator)
    expected = copy.deepcopy(norm).double()(x.double())
    for layout in (torch.channels_last, torch.contiguous_format):
        found = prepared_module._norm(norm)(x.to(memory_format=layout))
        assert found.is_contiguous(memory_format=layout)
        assert (found - expected).abs().max() < 4e-6


def test_a_layout_of_the_weights_changes_rounding_only() -> None:
    network = network_of(named_size("small")).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    x, t = inputs(network.config)
    torch.testing.assert_close(prepared(network)(x, t), answer(network, x, t), rtol=0, atol=2e-6)


def test_neither_weights_nor_inputs_are_written_to() -> None:
    network = network_of(named_size("small"))
    before = copy.deepcopy(network.state_dict())
    x, t = inputs(network.config)
    kept_x, kept_t = x.clone(), t.clone()
    prepared(network)(x, t)
    torch.testing.assert_close(network.state_dict(), before, rtol=0, atol=0)
    torch.testing.assert_close((x, t), (kept_x, kept_t), rtol=0, atol=0)


def test_the_network_can_still_be_trained_and_the_answer_needs_no_gradient() -> None:
    network = network_of(named_size("tiny"))
    x, t = inputs(network.config)
    assert not prepared(network)(x, t).requires_grad
    network(x, t).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in network.parameters())


def test_an_answer_is_not_changed_by_the_next_call() -> None:
    network = network_of(named_size("tiny"))
    quick = prepared(network)
    first = quick(*inputs(network.config))
    kept = first.clone()
    quick(*inputs(network.config, seed=1))
    assert torch.equal(first, kept)


def test_threads_may_share_it() -> None:
    network = network_of(named_size("tiny"))
    quick = prepared(network)
    asked = [inputs(network.config, seed=seed) for seed in range(16)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda one: quick(*one), asked))
    for (x, t), one in zip(asked, found, strict=True):
        torch.testing.assert_close(one, answer(network, x, t), rtol=0, atol=2e-6)


def test_an_input_that_cannot_be_halved_is_refused_as_before() -> None:
    quick = prepared(network_of(named_size("tiny")))
    with pytest.raises(InputImageError, match="18 x 16 pixels"):
        quick(torch.zeros(1, 2, 18, 16), torch.zeros(1))


def hooked() -> UNet:
    network = network_of(named_size("tiny"))
    network.stem.register_forward_pre_hook(lambda module, x: None)
    return network


@pytest.mark.parametrize(
    "network",
    [
        nn.Conv2d(2, 1, 1),
        build_network(named_network("prob-unet", "tiny", in_channels=2)),
        UNet(named_size("tiny", out_channels=0)),
        MCDropoutSegmenter(MCDropoutConfig(named_size("tiny", time_embedding=0))).unet,
        hooked(),
    ],
    ids=["a convolution", "another architecture", "without a head", "with dropout", "with a hook"],
)
def test_what_is_not_the_unet_as_it_is_built_stays_as_it_is(network: Any) -> None:
    assert prepared(network) is network

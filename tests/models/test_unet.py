"""The network: its size to the last parameter, and each part against what it is meant to compute."""

import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import nn

from napari_ambiseg.errors import InputImageError, SettingsError
from napari_ambiseg.models.blocks import SelfAttention, attend, sinusoids, window_side
from napari_ambiseg.models.unet import UNet
from napari_ambiseg.models.unet_config import NAMED_SIZES, UNetConfig, named_size

TINY = {"channels": (8, 16), "blocks": (1, 1), "middle_blocks": 2, "norm_groups": 4, "time_embedding": 8}


def tiny(**changes: Any) -> UNet:
    """A small network with random weights everywhere, also where training starts from zero."""
    torch.manual_seed(0)
    network = UNet(UNetConfig(**{"in_channels": 2, **TINY, **changes}))
    perturb(network)
    return network.eval()


def perturb(module: nn.Module) -> None:
    """One step away from the initial weights, in every parameter."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += 0.05 * torch.randn_like(parameter)


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def counted_by_hand(config: UNetConfig) -> int:
    """The number of parameters from the description of the architecture alone, layer by layer."""
    wide = 4 * config.time_embedding
    lowest = config.channels[-1]

    def conv(fan_in: int, fan_out: int, side: int = 3) -> int:
        return fan_in * fan_out * side * side + fan_out

    def block(fan_in: int, fan_out: int) -> int:
        norms, convs = 2 * fan_in + 2 * fan_out, conv(fan_in, fan_out) + conv(fan_out, fan_out)
        time = wide * fan_out + fan_out if wide else 0
        return norms + convs + time + (conv(fan_in, fan_out, 1) if fan_in != fan_out else 0)

    attention = 2 * lowest + conv(lowest, 3 * lowest, 1) + conv(lowest, lowest, 1) if config.attention else 0
    total = config.time_embedding * wide + wide + wide * wide + wide if wide else 0
    total += conv(config.in_channels * config.patch**2, config.channels[0])
    # Encoder: the widths of its outputs, which the decoder takes back in reverse.
    outputs = [config.channels[0]]
    for level, (width, count) in enumerate(zip(config.channels, config.blocks, strict=True)):
        outputs += [width] * count
        if level < len(config.channels) - 1:
            outputs.append(width)
            total += conv(width, width)  # downsample
    downsamples = [1 + sum(config.blocks[: i + 1]) + i for i in range(len(config.blocks) - 1)]
    total += sum(block(a, b) for i, (a, b) in enumerate(pairwise(outputs), start=1) if i not in downsamples)
    total += config.blocks[-1] * attention
    total += config.middle_blocks * block(lowest, lowest) + max(0, config.middle_blocks - 1) * attention
    width = lowest
    for level in reversed(range(len(config.channels))):
        for _ in range(config.blocks[level] + 1):
            total += block(width + outputs.pop(), config.channels[level])
            width = config.channels[level]
        total += conv(width, width) if level > 0 else 0  # upsample
    total += (config.blocks[-1] + 1) * attention
    return total + 2 * width + conv(width, config.out_channels * config.patch**2)


def test_the_papers_network_has_6891905_parameters() -> None:
    assert parameters(UNet(named_size("paper"))) == 6_891_905


@pytest.mark.parametrize("name", NAMED_SIZES)
def test_parameters_agree_with_a_count_by_hand(name: str) -> None:
    assert parameters(UNet(named_size(name))) == counted_by_hand(named_size(name))


@pytest.mark.parametrize(
    "changes", [{"time_embedding": 0}, {"attention": False}, {"in_channels": 1, "out_channels": 3}]
)
def test_a_changed_size_agrees_with_a_count_by_hand(changes: dict[str, Any]) -> None:
    config = named_size("tiny", **changes)
    assert parameters(UNet(config)) == counted_by_hand(config)


def test_attention_stands_at_the_lowest_level_four_three_five() -> None:
    network = UNet(named_size("paper"))

    def widths(module: nn.Module) -> list[int]:
        return [m.project.out_channels for m in module.modules() if isinstance(m, SelfAttention)]

    assert widths(network.encoder) == [128] * 4
    assert widths(network.middle) == [128] * 3
    assert widths(network.middle[-1]) == []
    assert widths(network.decoder[0]) == widths(network.decoder) == [128] * 5
    assert len(widths(network)) == 12


@pytest.mark.parametrize("name", NAMED_SIZES)
def test_a_fresh_network_answers_zero(name: str) -> None:
    config = named_size(name)
    x = torch.randn(2, config.in_channels, 16, 24)
    assert torch.equal(UNet(config)(x, torch.rand(2)), torch.zeros(2, 1, 16, 24))


def test_a_fresh_residual_block_is_its_shortcut() -> None:
    network = UNet(named_size("paper"))
    stage = network.middle[0]
    x = torch.randn(1, 128, 4, 4)
    assert torch.equal(stage(x, torch.randn(1, 128)), x)


def test_every_parameter_is_learned_once_the_zeros_have_moved() -> None:
    network = tiny()
    network(torch.randn(2, 2, 8, 8), torch.rand(2)).square().sum().backward()
    still = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert still == []


@pytest.mark.parametrize("patch", [1, 2, 4])
@pytest.mark.parametrize("out_channels", [1, 3])
def test_output_has_the_inputs_height_and_width(patch: int, out_channels: int) -> None:
    network = tiny(patch=patch, out_channels=out_channels)
    x = torch.randn(2, 2, 16, 24)
    assert network(x, torch.rand(2)).shape == (2, out_channels, 16, 24)
    assert network.features(x, torch.rand(2)).shape == (2, 8, 16 // patch, 24 // patch)


def test_patches_are_put_back_where_they_came_from() -> None:
    """A network of which only folding and unfolding are left answers its input."""
    network = tiny(patch=2, in_channels=1, channels=(8,), blocks=(0,), middle_blocks=0, attention=False)
    network.decoder = nn.ModuleList()
    network.register_module("stem", nn.Identity())
    network.register_module("head", nn.Identity())
    x = torch.arange(64.0).view(1, 1, 8, 8)
    assert torch.equal(network(x), x)


@pytest.mark.parametrize(("size", "multiple"), [((15, 16), 2), ((16, 17), 2), ((0, 16), 2), ((18, 16), 4)])
def test_sizes_that_cannot_be_halved_are_refused(size: tuple[int, int], multiple: int) -> None:
    network = tiny(patch=multiple // 2)
    assert network.config.multiple == multiple
    with pytest.raises(InputImageError, match=rf"{size[0]} x {size[1]} pixels.*multiples of {multiple}:"):
        network(torch.zeros(1, 2, *size), torch.zeros(1))


def test_attention_is_softmax_of_scaled_products_over_all_pixels() -> None:
    torch.manual_seed(0)
    layer = SelfAttention(8, groups=4, window=0).double()
    perturb(layer)
    x = torch.randn(2, 8, 3, 5, dtype=torch.float64)
    normal = layer.norm(x).flatten(2)  # (S, C, pixels)
    weight, bias = layer.qkv.weight[:, :, 0, 0], layer.qkv.bias
    assert bias is not None
    mixed = torch.zeros_like(normal)
    for s in range(2):
        q, k, v = (weight @ normal[s] + bias[:, None]).chunk(3)
        for i in range(15):
            scores = torch.stack([(q[:, i] * k[:, j]).sum() / math.sqrt(8) for j in range(15)])
            shares = scores.exp() / scores.exp().sum()
            mixed[s, :, i] = sum(shares[j] * v[:, j] for j in range(15))
    expected = x + layer.project(mixed.view_as(x))
    torch.testing.assert_close(layer(x), expected, rtol=1e-12, atol=1e-12)


def test_attention_in_windows_is_attention_over_each_window_alone() -> None:
    torch.manual_seed(0)
    qkv = torch.randn(2, 3 * 5, 6, 8)
    found = attend(qkv, window=4)  # windows of 3 x 4: the largest divisors of 6 and 8 up to 4
    for top in (0, 3):
        for left in (0, 4):
            alone = attend(qkv[:, :, top : top + 3, left : left + 4].contiguous(), window=0)
            torch.testing.assert_close(found[:, :, top : top + 3, left : left + 4], alone)


@pytest.mark.parametrize("window", [0, 8, 100])
def test_a_map_no_larger_than_its_window_is_not_split(window: int) -> None:
    qkv = torch.randn(1, 6, 6, 8)
    assert torch.equal(attend(qkv, window), attend(qkv, 0))


@pytest.mark.parametrize(
    ("side", "window", "expected"), [(64, 32, 32), (48, 32, 24), (16, 32, 16), (6, 4, 3), (9, 0, 9)]
)
def test_windows_divide_the_side_of_a_map(side: int, window: int, expected: int) -> None:
    assert window_side(side, window) == expected


@pytest.mark.parametrize(("side", "window"), [(37, 32), (74, 32), (7, 4)])
def test_a_map_that_would_fall_into_crumbs_is_refused(side: int, window: int) -> None:
    with pytest.raises(InputImageError, match="another attention_window"):
        window_side(side, window)


def test_windows_change_no_weight_so_that_a_model_may_be_given_them_later() -> None:
    plain, windowed = (UNet(named_size("tiny", attention_window=window)) for window in (0, 4))
    assert plain.state_dict().keys() == windowed.state_dict().keys()
    windowed.load_state_dict(plain.state_dict())


def test_time_embedding_is_cosines_then_sines_of_falling_frequency() -> None:
    t = torch.tensor([0.0, 0.5])
    slow = 10**-0.5
    by_hand = [[1.0, 1.0, 0.0, 0.0], [math.cos(0.5), math.cos(0.5 * slow), math.sin(0.5), math.sin(0.5 * slow)]]
    torch.testing.assert_close(sinusoids(t, 4, 10.0), torch.tensor(by_hand))


def test_the_answer_depends_on_time_unless_built_without() -> None:
    x = torch.randn(1, 2, 8, 8)
    early, late = torch.tensor([0.1]), torch.tensor([0.9])
    timed, timeless = tiny(), tiny(time_embedding=0)
    assert (timed(x, early) - timed(x, late)).abs().max() > 1e-3
    assert torch.equal(timeless(x, early), timeless(x, late))
    assert torch.equal(timeless(x, early), timeless(x))


def test_an_answer_does_not_depend_on_its_batch() -> None:
    network = tiny()
    x, t = torch.randn(3, 2, 8, 8), torch.tensor([0.1, 0.5, 0.9])
    together = network(x, t)
    for i in range(3):
        torch.testing.assert_close(network(x[i : i + 1], t[i : i + 1])[0], together[i], rtol=1e-4, atol=1e-5)


def test_named_sizes_may_be_changed_and_unknown_ones_are_refused() -> None:
    assert named_size("tiny", in_channels=5).in_channels == 5
    assert named_size("tiny", in_channels=5).channels == named_size("tiny").channels
    with pytest.raises(SettingsError, match="unknown network size 'huge'; choose one of paper, small, mini, tiny"):
        named_size("huge")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"blocks": (1, 1)}, r"block counts \(1, 1\); give one of each a level"),
        ({"channels": (), "blocks": ()}, "give one of each a level"),
        ({"channels": (32, 32, 64, 100)}, r"widths \[100\] are not multiples of the 32"),
        ({"in_channels": 0}, "in_channels=0.*start at 1"),
        ({"norm_groups": 0}, "norm_groups=0.*start at 1"),
        ({"patch": 0}, "patch=0.*start at 1"),
        ({"middle_blocks": -1}, "middle_blocks=-1.*block counts at 0"),
        ({"time_embedding": 31}, "31 wide.*give an even width"),
        ({"max_period": 0.0}, "longest period 0.0.*positive period"),
    ],
)
def test_impossible_sizes_are_refused_by_value(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        UNetConfig(**{"in_channels": 2, **changes})

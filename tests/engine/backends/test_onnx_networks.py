import onnxruntime
import pytest
import torch
from torch import nn

from napari_ambiseg.engine.backends import onnx_layers
from napari_ambiseg.engine.backends.onnx_networks import network_model
from napari_ambiseg.errors import AmbisegError, EngineError
from napari_ambiseg.models.networks import build_network, named_network
from napari_ambiseg.models.prob_backbone import ProbBackboneConfig
from napari_ambiseg.models.unet_config import UNetConfig

SMALL = {"channels": (8, 16), "blocks": (1, 1), "norm_groups": 8, "middle_blocks": 1}
UNETS = {
    "one channel a group": UNetConfig(in_channels=2, channels=(8, 8), blocks=(1, 1), norm_groups=8),
    "several channels a group": UNetConfig(in_channels=2, **{**SMALL, "norm_groups": 4}),
    "no time": UNetConfig(in_channels=2, **SMALL, time_embedding=0),
    "no attention": UNetConfig(in_channels=2, **SMALL, attention=False),
    "no middle": UNetConfig(in_channels=2, **{**SMALL, "middle_blocks": 0}),
    "one level": UNetConfig(in_channels=2, channels=(8,), blocks=(2,), norm_groups=8),
    "patches and two outputs": UNetConfig(in_channels=3, out_channels=2, **SMALL, patch=4),
    "the paper's levels": named_network("unet", "paper", channels=(16, 16, 32, 32), norm_groups=16),
}
PROBS = {
    "three levels": named_network("prob-unet", "tiny"),
    "one level, no time": ProbBackboneConfig(in_channels=2, channels=(8,), time_embedding=0),
}


def random_network(config: UNetConfig | ProbBackboneConfig) -> nn.Module:
    """Nothing in it is zero or one, so that everything has its say."""
    torch.manual_seed(1)
    network = build_network(config).eval()
    for parameter in network.parameters():
        if parameter.dim() == 1:
            nn.init.normal_(parameter, mean=0.5, std=0.5)
        elif not parameter.any():
            nn.init.normal_(parameter, std=0.1)
    return network


def difference(network: nn.Module, size: tuple[int, int], *, samples: int = 3) -> float:
    """The largest one to torch, as a fraction of the largest output."""
    torch.manual_seed(2)
    x, t = torch.randn(samples, network.config.in_channels, *size), torch.rand(samples)  # type: ignore[union-attr]
    session = onnxruntime.InferenceSession(network_model(network, size), providers=["CPUExecutionProvider"])
    with torch.no_grad():
        ours = network(x, t)
    theirs = torch.from_numpy(session.run(None, {"x": x.numpy(), "t": t.numpy()})[0])
    return float((ours - theirs).abs().max() / ours.abs().max())


@pytest.mark.parametrize("name", UNETS)
def test_a_unet_is_itself_up_to_rounding(name: str) -> None:
    assert difference(random_network(UNETS[name]), (16, 32)) < 2e-5


@pytest.mark.parametrize("name", PROBS)
def test_the_probabilistic_unets_network_is_itself_up_to_rounding(name: str) -> None:
    assert difference(random_network(PROBS[name]), (16, 32)) < 2e-5


def test_attention_in_turns_is_the_same_attention(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_layers, "_QUERIES", 30)  # 128 pixels: four turns of 30 and one of 8
    assert difference(random_network(UNETS["several channels a group"]), (16, 32)) < 2e-5


def test_other_networks_are_refused_by_name() -> None:
    with pytest.raises(EngineError, match="Linear"):
        network_model(nn.Linear(1, 1), (16, 16))


@pytest.mark.parametrize("size", [(16, 16), (32, 32), (16, 48), (36, 20)])
def test_attention_in_windows_is_the_same_attention(size: tuple[int, int]) -> None:
    windows = UNetConfig(in_channels=2, attention_window=8, **SMALL)  # of a map of half the size
    assert difference(random_network(windows), size) < 2e-5


def test_a_map_that_no_window_divides_is_refused() -> None:
    with pytest.raises(AmbisegError, match="windows of 8"):
        network_model(random_network(UNetConfig(in_channels=2, attention_window=8, **SMALL)), (34, 34))


def test_a_network_without_a_head_is_refused() -> None:
    with pytest.raises(EngineError, match="UNet"):
        network_model(build_network(UNetConfig(in_channels=2, out_channels=0, **SMALL)), (16, 16))

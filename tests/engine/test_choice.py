import importlib.util

import pytest
import torch

from napari_ambiseg.engine import choice
from napari_ambiseg.engine.choice import candidates
from napari_ambiseg.errors import EngineError, SettingsError
from napari_ambiseg.models.checkpoint import Model

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)


def named(model: Model, device: torch.device, engine: str) -> list[tuple[str, str]]:
    return [(one.name, one.device.type) for one in candidates(model, device, engine)]


@pytest.fixture
def with_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)


@pytest.mark.usefixtures("with_runtime")
@pytest.mark.parametrize(
    ("device", "engine", "expected"),
    [
        (CPU, "auto", [("onnx", "cpu"), ("torch", "cpu")]),
        (CPU, "torch", [("torch", "cpu")]),
        (CPU, "onnx", [("onnx", "cpu"), ("torch", "cpu")]),
        (CPU, "onnx-int8", [("onnx-int8", "cpu"), ("torch", "cpu")]),
        (CPU, "cuda-graphs", [("cuda-graphs", "cpu"), ("torch", "cpu")]),
        (GPU, "auto", [("cuda-graphs", "cuda"), ("torch", "cuda"), ("torch", "cpu")]),
        (GPU, "torch", [("torch", "cuda"), ("torch", "cpu")]),
        (torch.device("mps"), "auto", [("torch", "mps"), ("torch", "cpu")]),
    ],
)
def test_the_fastest_engine_comes_first_and_torch_on_the_cpu_last(
    diffusion: Model, device: torch.device, engine: str, expected: list[tuple[str, str]]
) -> None:
    assert named(diffusion, device, engine) == expected


@pytest.mark.parametrize("absent", [("onnx", "onnxruntime"), ("onnx",), ("onnxruntime",)])
def test_an_engine_that_is_not_installed_is_not_missed(
    diffusion: Model, monkeypatch: pytest.MonkeyPatch, absent: tuple[str, ...]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in absent else name)
    assert named(diffusion, CPU, "auto") == [("torch", "cpu")]
    assert named(diffusion, CPU, "onnx") == [("onnx", "cpu"), ("torch", "cpu")]  # asked for: the run will say why not


@pytest.mark.usefixtures("with_runtime")
def test_a_model_that_asks_its_network_once_is_computed_by_torch(make_model, thresholder: type) -> None:
    model = make_model(thresholder())
    assert named(model, CPU, "auto") == [("torch", "cpu")]
    (only,) = candidates(model, CPU, "auto")
    assert only.largest == choice._GPU_CHUNK


def test_graphs_cannot_be_opened_without_cuda(diffusion: Model) -> None:
    with pytest.raises(EngineError, match="use the engine torch"):
        candidates(diffusion, CPU, "cuda-graphs")[0].open()


def test_an_unknown_engine_is_refused_with_those_there_are(diffusion: Model) -> None:
    with pytest.raises(SettingsError, match=r"'abacus'; choose one of auto, torch, onnx, onnx-int8, cuda-graphs"):
        candidates(diffusion, CPU, "abacus")

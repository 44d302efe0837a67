"""Which engine computes a model, and what takes over where it cannot.

In order of speed (docs/performance.md): on a GPU CUDA graphs, then torch; on a CPU ONNX Runtime, then torch. An engine
that cannot be opened, or that fails during a run, gives way to the next, and the run says so; one that is not installed
is not missed unless somebody asks for it. Torch on the CPU ends every list: it is wherever this package is.

int8 changes readings, if only a little, so it is never chosen but by name.
"""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass

import torch

from napari_ambiseg.engine.backends import Backend
from napari_ambiseg.engine.backends.cuda_graphs import CudaGraphBackend
from napari_ambiseg.engine.backends.on_onnx import OnnxBackend
from napari_ambiseg.engine.backends.on_torch import TorchBackend
from napari_ambiseg.engine.plan import SMALL_PX
from napari_ambiseg.errors import SettingsError
from napari_ambiseg.models.checkpoint import Model
from napari_ambiseg.models.segmenter import IteratedSegmenter

ENGINES = ("auto", "torch", "onnx", "onnx-int8", "cuda-graphs")
_CPU = torch.device("cpu")
_GPU_CHUNK = 16
_CHUNK, _SMALL_CHUNK = 2, 4  # on a CPU; larger ones fall out of its cache (docs/performance.md)


@dataclass(frozen=True, slots=True)
class Candidate:
    """An engine that may compute a run.

    Attributes:
        name: How users choose it.
        device: Where it computes.
        largest: Readings that it draws together at most, where nobody has said otherwise.
        open: Makes the model ready; raises an ``AmbisegError``, or what torch raises, if it cannot.
    """

    name: str
    device: torch.device
    largest: int
    open: Callable[[], Backend]


def candidates(model: Model, device: torch.device, engine: str) -> tuple[Candidate, ...]:
    """The engines for a model on a device, best first.

    Raises:
        SettingsError: If there is no engine of that name.
    """
    if engine not in ENGINES:
        raise SettingsError(f"unknown engine {engine!r}; choose one of {', '.join(ENGINES)}")
    on_cpu, here = _torch(model, _CPU), _torch(model, device)
    graphs = Candidate("cuda-graphs", device, _GPU_CHUNK, lambda: CudaGraphBackend.open(model, device))
    match engine:
        case "onnx" | "onnx-int8":
            first = [_onnx(model, engine)]
        case "cuda-graphs":
            first = [graphs, here]
        case "auto" if isinstance(model.segmenter, IteratedSegmenter):
            first = (
                [graphs, here] if device.type == "cuda" else [here] if device.type != "cpu" else _onnx_if_there(model)
            )
        case _:
            first = [here]
    return (*(one for one in first if (one.name, one.device) != ("torch", _CPU)), on_cpu)


def _onnx_if_there(model: Model) -> list[Candidate]:
    """ONNX Runtime, if all of the extra is installed; another plugin may have brought a part of it."""
    is_there = all(importlib.util.find_spec(package) is not None for package in ("onnx", "onnxruntime"))
    return [_onnx(model, "onnx")] if is_there else []


def _onnx(model: Model, name: str) -> Candidate:
    return Candidate(name, _CPU, _cpu_chunk(model), lambda: OnnxBackend.open(model, int8=name == "onnx-int8"))


def _torch(model: Model, device: torch.device) -> Candidate:
    is_iterated = isinstance(model.segmenter, IteratedSegmenter)
    largest = _cpu_chunk(model) if device.type == "cpu" and is_iterated else _GPU_CHUNK
    return Candidate("torch", device, largest, lambda: TorchBackend.open(model, device))


def _cpu_chunk(model: Model) -> int:
    height, width = model.header.grid.size
    return _SMALL_CHUNK if height * width <= SMALL_PX else _CHUNK

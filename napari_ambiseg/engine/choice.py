"""Which engine computes a model, and what takes over where it cannot.

In order of speed (benchmarks/sampling.py): on a GPU CUDA graphs, then torch; on a CPU ONNX Runtime, then torch. An
engine that cannot be opened, or that fails during a run, gives way to the next, and the run says so. Torch on the CPU
ends every list: it is there wherever this package is.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from napari_ambiseg.engine.backends import Backend
from napari_ambiseg.engine.backends.on_torch import TorchBackend
from napari_ambiseg.errors import SettingsError
from napari_ambiseg.models.checkpoint import Model
from napari_ambiseg.models.segmenter import IteratedSegmenter

ENGINES = ("auto", "torch", "onnx", "onnx-int8")
_CPU = torch.device("cpu")


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
    on_cpu = _torch(model, _CPU)
    if device.type != "cpu":
        return (_torch(model, device), on_cpu)
    return (on_cpu,)


def _torch(model: Model, device: torch.device) -> Candidate:
    is_iterated = isinstance(model.segmenter, IteratedSegmenter)
    largest = 4 if device.type == "cpu" and is_iterated else 16
    return Candidate("torch", device, largest, lambda: TorchBackend.open(model, device))

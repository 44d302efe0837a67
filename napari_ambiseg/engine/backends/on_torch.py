"""The model as it is, computed by torch: what every other backend is measured against and falls back to.

On the CPU the model's own weights are used. On any other device it is a copy of them, kept for the next run: a GPU may
run out of memory or vanish, and the run then goes on with the weights that never left.
"""

import copy
from threading import Lock
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from napari_ambiseg.devices import full_precision
from napari_ambiseg.engine.backends.prepared import prepared
from napari_ambiseg.models.checkpoint import Model
from napari_ambiseg.models.segmenter import IteratedSegmenter, Network, Segmenter

_copying = Lock()
_copies: WeakKeyDictionary[nn.Module, dict[torch.device, nn.Module]] = WeakKeyDictionary()


class TorchBackend:
    """See ``Backend``."""

    name = "torch"

    def __init__(self, segmenter: Segmenter, device: torch.device) -> None:
        self._segmenter = segmenter
        self.device = device

    @classmethod
    def open(cls, model: Model, device: torch.device) -> "TorchBackend":
        """Bring a model to a device, in the layout whose convolutions are quicker to sample.

        Raises:
            RuntimeError: As torch raises it, e.g. if the device's memory is full.
        """
        segmenter = on_device(model.segmenter, device)
        if isinstance(segmenter, IteratedSegmenter):
            network = prepared(segmenter.network)
            segmenter = segmenter.computed_by(network if device.type == "cpu" else in_full_precision(network))
        return cls(segmenter, device)

    def segmenter(self, threads: int) -> Segmenter:
        """See ``Backend.segmenter``; the number of threads is the caller's own to set (``torch.set_num_threads``)."""
        return self._segmenter


def in_full_precision(network: Network) -> Network:
    """A network on a GPU whose answers are those of the other engines, to rounding (2e-5) and not to TF32 (1e-3)."""

    def answer(x: Tensor, t: Tensor) -> Tensor:
        with full_precision():
            return network(x, t)

    return answer


def on_device(segmenter: Segmenter, device: torch.device) -> Segmenter:
    """The model on a device: itself on the CPU, elsewhere a copy that is made once.

    Raises:
        RuntimeError: As torch raises it; the model itself is as it was.
    """
    if not isinstance(segmenter, nn.Module):
        return segmenter  # it has no weights
    if device.type == "cpu":
        return segmenter.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue, reportUnknownVariableType, reportUnknownMemberType] (torch's stubs lack this overload)
    with _copying:  # a second thread waits, and finds it
        copies = _copies.setdefault(segmenter, {})
        if device not in copies:
            copies[device] = copy.deepcopy(segmenter).to(device=device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue, reportUnknownMemberType]
        return copies[device]  # pyright: ignore[reportReturnType] (a copy of a segmenter is one)

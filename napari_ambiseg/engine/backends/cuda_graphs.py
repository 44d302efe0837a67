"""The network as CUDA graphs: its thousand kernels recorded once, and started with one call instead of a thousand.

A graph always reads the same memory and writes the same memory. There is one for each size of input: a call copies its
input to where the graph reads, replays, and copies the answer away, so that no later call can change it. A smaller
chunk, as a rule the last of a run, takes the graph of a larger one and leaves its last rows as they are: the network
answers each sample by itself.

Everything is fp32. TF32, which torch lets cuDNN's convolutions use, is off while a graph is recorded: it keeps 10 bits
of each factor, an error of about 1e-3, where engines have to agree to 2e-5.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from napari_ambiseg.devices import full_precision, is_device_lost, is_out_of_memory
from napari_ambiseg.engine.backends.on_torch import on_device
from napari_ambiseg.errors import EngineError
from napari_ambiseg.models.checkpoint import Model
from napari_ambiseg.models.segmenter import IteratedSegmenter, Network, Segmenter

Replay = Callable[[], Tensor]
"""Computes the network anew from what its input tensors now hold; the answer is always the same tensor."""

Capture = Callable[[Network, Tensor, Tensor], Replay]
"""Records a network's work on an input (S, C, H, W) and times (S,), whose tensors the replay will read."""

_WARM_UP = 3  # calls before the recording: libraries choose their algorithms and take their memory in the first ones
_MOST_GRAPHS = 4  # each keeps the memory of a whole call; the one unused for longest goes first
_MOST_PADDING = 2  # a chunk takes a graph of up to so many times its size; below that a graph of its own is worth it


class GraphedNetwork:
    """A ``Network`` computed by graphs; safe to share by threads.

    Args:
        network: Answers each sample by itself, whatever else is in the batch.
        capture: What records it.
    """

    def __init__(self, network: Network, capture: Capture) -> None:
        self._network, self._capture = network, capture
        self._graphs: OrderedDict[tuple[int, ...], _Graph] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, x: Tensor, t: Tensor) -> Tensor:
        """The network's answer to ``x`` (S, C, H, W) at times ``t`` (S,), in memory of its own.

        Raises:
            EngineError: If the network cannot be recorded.
            RuntimeError: As torch raises it, if memory runs out or the device fails.
        """
        return self._graph(x)(x, t)

    def _graph(self, x: Tensor) -> "_Graph":
        """The smallest graph there is that ``x`` fits in without much padding, or a new one of its size."""
        with self._lock:
            fitting = [shape for shape in self._graphs if shape[1:] == x.shape[1:] and _fits(len(x), shape[0])]
            shape = min(fitting, default=tuple(x.shape))
            if shape not in self._graphs:
                while len(self._graphs) >= _MOST_GRAPHS:
                    self._graphs.popitem(last=False)
                self._graphs[shape] = _Graph(self._network, self._capture, x)
            self._graphs.move_to_end(shape)
            return self._graphs[shape]


def _fits(batch: int, captured: int) -> bool:
    return batch <= captured <= _MOST_PADDING * batch


class _Graph:
    """One recording, its input and its answer.

    Args:
        network: What is recorded.
        capture: What records it.
        like: An input of the size wanted.
    """

    def __init__(self, network: Network, capture: Capture, like: Tensor) -> None:
        self._x = torch.zeros_like(like, memory_format=torch.channels_last)
        self._t = torch.zeros(len(like), device=like.device)
        self._replay = _captured(capture, network, self._x, self._t)
        self._lock = threading.Lock()
        self._idle = torch.cuda.Event() if like.is_cuda else None

    def __call__(self, x: Tensor, t: Tensor) -> Tensor:
        with self._lock:
            if self._idle is not None:  # the call before may have come from a thread with a stream of its own
                torch.cuda.current_stream(x.device).wait_event(self._idle)
            self._x[: len(x)].copy_(x)
            self._t[: len(t)].copy_(t)
            answer = self._replay()[: len(x)].clone()
            if self._idle is not None:
                self._idle.record(torch.cuda.current_stream(x.device))
            return answer


def _captured(capture: Capture, network: Network, x: Tensor, t: Tensor) -> Replay:
    try:
        return capture(network, x, t)
    except RuntimeError as error:
        if is_out_of_memory(error) or is_device_lost(error):
            raise  # torch without graphs would meet the same; the engine knows what to do
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise EngineError(f"the model cannot be recorded as a CUDA graph ({reason}); use the engine torch") from error


def capture_on_gpu(network: Network, x: Tensor, t: Tensor) -> Replay:
    """A ``Capture`` by CUDA, on a stream beside the caller's.

    Raises:
        RuntimeError: As torch raises it, e.g. if the network does what cannot be recorded.
    """
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.device(x.device), torch.no_grad(), full_precision():
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UP):
                network(x, t)
        # Other threads may go on with their own work meanwhile.
        with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
            answer = network(x, t)

    def replay() -> Tensor:
        graph.replay()
        return answer

    return replay


_graphed: WeakKeyDictionary[nn.Module, GraphedNetwork] = WeakKeyDictionary()


class CudaGraphBackend:
    """See ``Backend``."""

    name = "cuda-graphs"

    def __init__(self, segmenter: Segmenter, device: torch.device) -> None:
        self._segmenter = segmenter
        self.device = device

    @classmethod
    def open(cls, model: Model, device: torch.device) -> "CudaGraphBackend":
        """Bring a model to a GPU; each graph is recorded when its size is first asked for, and kept for later runs.

        Raises:
            EngineError: If this is no device with CUDA, or the model asks its network only once.
            RuntimeError: As torch raises it, e.g. if the device's memory is full.
        """
        if device.type != "cuda" or not torch.cuda.is_available():
            raise EngineError(f"CUDA graphs need a GPU with CUDA, not the device {str(device)!r}; use the engine torch")
        segmenter = on_device(model.segmenter, device)
        if not (isinstance(segmenter, IteratedSegmenter) and isinstance(segmenter, nn.Module)):
            raise EngineError(
                f"a {model.segmenter.kind!r} model asks its network only once, so that a CUDA graph would not be used "
                "again; use the engine torch"
            )
        if segmenter not in _graphed:
            _graphed[segmenter] = GraphedNetwork(segmenter.network, capture_on_gpu)
        return cls(segmenter.computed_by(_graphed[segmenter]), device)

    def segmenter(self, threads: int) -> Segmenter:
        """See ``Backend.segmenter``; a GPU needs no threads."""
        return self._segmenter

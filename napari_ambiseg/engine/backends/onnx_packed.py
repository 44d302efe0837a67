"""A converted model as its file holds it: the graph, and its weights beside it, so that sessions share one copy.

ONNX Runtime copies the weights that stand in a graph into every session anew, and needs the room twice while it reads
them: 27 MB each for the paper's network. Here the graph only names its weights and every session is handed the same
ones; it then takes 7 MB of its own and is made in a third of the time. One file holds both, in the format of
safetensors, in which the graph is one more tensor, of bytes. Short tensors, shapes above all, stay in the graph, where
the runtime wants to see them.

Weights are read into memory, not mapped: the kernels load whole cache lines, which a file does not align (2 % of the
time), and a file that is cut off while it is mapped ends the program.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

_GRAPH = "graph"
_SHORT_BYTES = 1024


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """A converted model in memory.

    Attributes:
        file: Where it comes from; the runtime insists that it is there when a session is made.
        graph: An ONNX model whose larger constants are only named.
        weights: These constants.
    """

    file: Path
    graph: bytes
    weights: dict[str, Tensor]

    @property
    def size_bytes(self) -> int:
        """Of the weights."""
        return sum(tensor.nbytes for tensor in self.weights.values())


def packed(model: bytes, *, name: str) -> bytes:
    """What a file of that ``name`` is to hold for an ONNX model; needs the package ``onnx``, unlike all else here."""
    from onnx import TensorProto, load_from_string, numpy_helper

    parsed = load_from_string(model)
    weights: dict[str, Tensor] = {}
    for constant in parsed.graph.initializer:
        array = numpy_helper.to_array(constant)
        if array.nbytes < _SHORT_BYTES:
            continue
        weights[constant.name] = torch.from_numpy(np.array(array))
        stub = TensorProto(name=constant.name, data_type=constant.data_type, dims=constant.dims)
        stub.data_location = TensorProto.EXTERNAL
        stub.external_data.add(key="location", value=name)  # looked for, but never read: sessions are given the weights
        constant.CopyFrom(stub)
    graph = torch.frombuffer(bytearray(parsed.SerializeToString()), dtype=torch.uint8)
    return save({_GRAPH: graph, **weights})


def unpacked(file: Path) -> Packed:
    """The model in a file.

    Raises:
        Exception: Whatever safetensors and the system raise if it cannot be read.
    """
    with safe_open(str(file), framework="pt") as content:
        tensors: dict[str, Tensor] = {key: content.get_tensor(key).clone() for key in content.keys()}  # noqa: SIM118 (not a dict)
    graph = tensors.pop(_GRAPH).numpy().tobytes()
    return Packed(file, graph, tensors)

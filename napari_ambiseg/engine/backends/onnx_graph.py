"""ONNX graphs written node by node: what they consist of, and the model that holds them.

The graph is written from the network's weights instead of traced from its calls. Writing takes milliseconds where
torch's exporters take seconds, prints nothing, needs no package beyond ``onnx``, leaves torch's global state alone, and
can say the same thing in the words that the runtime is quickest at (``onnx_layers``).

Only operators of an old version are used, so that every ONNX Runtime of the last years reads the file.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

OPSET = 17
_IR_VERSION = 8

EXACT = "exact"
"""How the names of nodes begin that have to be computed in float32 (``onnx_int8``)."""


@dataclass(frozen=True, slots=True)
class Map:
    """A feature map in a graph, (S, channels, height, width).

    Attributes:
        name: Of the value in the graph.
        channels: C.
        size: Height and width.
    """

    name: str
    channels: int
    size: tuple[int, int]

    @property
    def pixels(self) -> int:
        """Height times width."""
        return self.size[0] * self.size[1]


class Graph:
    """A graph in the making; values are known by their names. Its inputs are ``x`` and ``t``, its output is ``y``."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[TensorProto] = []

    def node(self, operator: str, *inputs: str, outputs: int = 1, exact: bool = False, **attributes: Any) -> list[str]:
        """Add a node; the names of its outputs."""
        number = len(self._nodes)
        names = [f"v{number}_{i}" for i in range(outputs)]
        label = f"{EXACT if exact else 'node'}_{number}"
        self._nodes.append(helper.make_node(operator, list(inputs), names, name=label, **attributes))
        return names

    def value(self, operator: str, *inputs: str, exact: bool = False, **attributes: Any) -> str:
        """Add a node with one output; the output's name."""
        return self.node(operator, *inputs, exact=exact, **attributes)[0]

    def weights(self, tensor: Tensor) -> str:
        """A constant in float32."""
        return self._constant(tensor.detach().cpu().float().numpy())

    def integers(self, *values: int) -> str:
        """A constant list of whole numbers, e.g. a shape; in shapes, 0 keeps an axis and -1 is what remains."""
        return self._constant(np.array(values, np.int64))

    def reshaped(self, name: str, *shape: int) -> str:
        """The value in another shape."""
        return self.value("Reshape", name, self.integers(*shape))

    def _constant(self, array: np.ndarray[Any, Any]) -> str:
        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def model(self, x: Map, y: Map) -> bytes:
        """The finished model: input ``x`` at times ``t`` (S,) to output ``y``, for any S."""
        self._nodes.append(helper.make_node("Identity", [y.name], ["y"]))
        graph = helper.make_graph(
            self._nodes,
            "network",
            [_described("x", x), helper.make_tensor_value_info("t", TensorProto.FLOAT, ["S"])],
            [_described("y", y)],
            self._constants,
        )
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="napari-ambiseg")
        return model.SerializeToString()


def _described(name: str, shape: Map) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["S", shape.channels, *shape.size])

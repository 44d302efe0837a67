import gc
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from napari_ambiseg.engine.backends.on_onnx import Sessions
from napari_ambiseg.engine.backends.onnx_packed import Packed, packed, unpacked
from napari_ambiseg.engine.backends.onnx_runtime import Session
from napari_ambiseg.models.checkpoint import Model
from napari_ambiseg.models.segmenter import IteratedSegmenter

WEIGHT = np.arange(64 * 32, dtype=np.float32).reshape(64, 32)


def matrix_product() -> bytes:
    """``y = reshape(x @ W)`` for the matrix above."""
    nodes = [helper.make_node("MatMul", ["x", "W"], ["xW"]), helper.make_node("Reshape", ["xW", "shape"], ["y"])]
    described = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "xy"]
    constants = [numpy_helper.from_array(WEIGHT, "W"), numpy_helper.from_array(np.array([-1]), "shape")]
    graph = helper.make_graph(nodes, "product", described[:1], described[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model.SerializeToString()


@pytest.fixture
def model(tmp_path: Path) -> Packed:
    file = tmp_path / "product.safetensors"
    file.write_bytes(packed(matrix_product(), name=file.name))
    return unpacked(file)


def test_weights_leave_the_graph_and_come_back_as_they_were(model: Packed) -> None:
    assert list(model.weights) == ["W"]
    np.testing.assert_array_equal(model.weights["W"], WEIGHT)
    assert model.size_bytes == WEIGHT.nbytes
    assert len(model.graph) < 1000
    shapes = [one for one in onnx.load_from_string(model.graph).graph.initializer if one.name == "shape"]
    assert numpy_helper.to_array(shapes[0]) == [-1]  # the runtime has to see it


def test_weights_begin_where_a_cache_line_does(model: Packed) -> None:
    assert all(weight.data_ptr() % 64 == 0 for weight in model.weights.values())


def test_a_session_answers_with_the_weights(model: Packed) -> None:
    x = np.random.default_rng(0).normal(size=(3, 64)).astype(np.float32)
    found = Session(model, threads=1).run({"x": x})
    np.testing.assert_allclose(found, (x.astype(np.float64) @ WEIGHT).ravel(), rtol=1e-5)


def test_sessions_have_one_copy_of_the_weights_between_them(diffusion: Model, tmp_path: Path) -> None:
    from napari_ambiseg.engine.backends.onnx_networks import network_model
    from napari_ambiseg.engine.backends.onnx_runtime import rewritten

    assert isinstance(diffusion.segmenter, IteratedSegmenter)
    file = tmp_path / "network.safetensors"
    file.write_bytes(packed(rewritten(network_model(diffusion.segmenter.network, (16, 16))), name=file.name))
    model = unpacked(file)
    sessions = [Session(model, threads=threads) for threads in (1, 2)]
    inputs = {"x": np.ones((1, 2, 16, 16), np.float32), "t": np.ones(1, np.float32)}
    before = [session.run(inputs) for session in sessions]
    for weight in model.weights.values():
        weight.mul_(1.5)
    for session, earlier in zip(sessions, before, strict=True):
        assert np.abs(session.run(inputs) - earlier).max() > 1e-3


def test_weights_live_as_long_as_a_session_of_theirs(tmp_path: Path) -> None:
    file = tmp_path / "product.safetensors"
    file.write_bytes(packed(matrix_product(), name=file.name))
    session = Session(unpacked(file), threads=1)
    gc.collect()
    torch.full((10, 64, 32), 7.0)  # would be given the memory, were it free
    np.testing.assert_array_equal(session.run({"x": np.eye(64, dtype=np.float32)}), WEIGHT.ravel())


def test_a_file_that_is_not_kept_goes_with_its_sessions() -> None:
    sessions = Sessions.unkept(matrix_product(), name="product.safetensors")
    folder = sessions.file.parent
    assert sessions.lasts
    del sessions
    gc.collect()
    assert not folder.exists()

"""ONNX Runtime itself: whether there is one, what it makes of a graph, and sessions of it.

The runtime rewrites a graph before it computes it, above all to maps whose channels lie in blocks as wide as the
processor's registers. What it has rewritten is what is kept on disk: loading that takes a third of the time and 27 MB
less for the paper's network. It fits processors of one kind only, which the file's name says (``onnx_cache``).
"""

import importlib
import platform
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from napari_ambiseg.engine.backends.onnx_packed import Packed
from napari_ambiseg.errors import EngineError
from napari_ambiseg.models.segmenter import brief

T = TypeVar("T")

_OLDEST = (1, 19)
_REMEDY = 'install it with `pip install "napari-ambiseg[fast]"`, or use the engine torch'


def require_runtime() -> Any:
    """The module of ONNX Runtime.

    Raises:
        EngineError: If there is none, or none that is worth using here.
    """
    if platform.machine() in ("x86_64", "AMD64") and not torch.backends.cpu.get_cpu_capability().startswith("AVX"):
        raise EngineError("this processor has no AVX2, which ONNX Runtime needs to be fast; use the engine torch")
    runtime = require_package("onnxruntime")
    found: str = getattr(runtime, "__version__", "0")
    if tuple(int(part) for part in found.split(".")[:2] if part.isdigit()) < _OLDEST:
        raise EngineError(f"ONNX Runtime {found} is older than {_OLDEST[0]}.{_OLDEST[1]}; {_REMEDY}")
    return runtime


def require_package(name: str, *, package: str = "") -> Any:
    """A module of the extra, or one of ours that does not load without the ``package`` of the extra.

    Raises:
        EngineError: If it cannot be imported.
    """
    try:
        return importlib.import_module(name)
    except Exception as error:  # a package that does not fit its neighbours raises whatever comes to it
        raise EngineError(
            f"the package {package or name} is not installed or broken ({brief(error)}); {_REMEDY}"
        ) from error


def rewritten(graph: bytes) -> bytes:
    """What the runtime computes instead of a graph on this processor."""
    runtime = require_runtime()
    with tempfile.TemporaryDirectory(prefix="napari-ambiseg-") as folder:
        target = Path(folder) / "rewritten.onnx"
        options = _options(runtime, threads=1)
        options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.optimized_model_filepath = str(target)
        runtime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        return target.read_bytes()


class Session:
    """Computes a rewritten graph.

    Args:
        model: The graph and its weights, which stay where they are: the runtime makes no copy, and keeps none alive.
        threads: That each call takes.
    """

    def __init__(self, model: Packed, *, threads: int) -> None:
        runtime = require_runtime()
        options = _options(runtime, threads=threads)
        options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(model.file.parent))
        self._weights = {name: runtime.OrtValue.ortvalue_from_numpy(one.numpy()) for name, one in model.weights.items()}
        for name, value in self._weights.items():
            options.add_initializer(name, value)
        self._session = runtime.InferenceSession(model.graph, options, providers=["CPUExecutionProvider"])

    def run(self, inputs: dict[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        """The network's answer."""
        return self._session.run(None, inputs)[0]


def _options(runtime: Any, *, threads: int) -> Any:
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    # Planned ahead, memory takes twice as much. A map that is kept for a later one of its size takes a third more than
    # one that is given back. Neither changes the time.
    options.enable_mem_pattern = options.enable_mem_reuse = False
    options.log_severity_level = 4  # failures are raised; warnings would land on the user's terminal
    options.add_session_config_entry("session.force_spinning_stop", "1")  # between calls the processor is free
    return options


def translated(compute: Callable[[], T]) -> T:
    """What ``compute`` answers, every failure as an ``EngineError``.

    ONNX Runtime's exceptions have no common base, and its quantiser raises whatever comes to it.
    """
    try:
        return compute()
    except (EngineError, MemoryError):
        raise
    except Exception as error:
        raise EngineError(
            f"ONNX Runtime cannot compute this model here ({brief(error)}); use the engine torch"
        ) from error

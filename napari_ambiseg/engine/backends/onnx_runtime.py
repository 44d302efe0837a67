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

import torch

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


def session(source: Path | bytes, *, threads: int) -> Any:
    """A session of a rewritten graph, in a file or as it is."""
    runtime = require_runtime()
    options = _options(runtime, threads=threads)
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    content = source if isinstance(source, bytes) else str(source)
    return runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _options(runtime: Any, *, threads: int) -> Any:
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.enable_mem_pattern = False  # planned ahead, memory takes twice as much and the time does not change
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

"""ONNX Runtime on the CPU: a model's network written as an ONNX graph, checked against torch, kept for the next time.

It is an extra, ``pip install "napari-ambiseg[fast]"``, and everything about it may fail: then opening raises a sentence
that says why, and torch computes instead.

A session has its number of threads for good, so there is one for each number that is asked for, made when it is. With
one thread a session computes in the thread that calls it, without Python's lock: several threads may call the same one
at a time. Sessions live as long as the model that they were made from.
"""

import shutil
import tempfile
import weakref
from pathlib import Path
from threading import Lock
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from napari_ambiseg.engine.backends import onnx_cache
from napari_ambiseg.engine.backends.onnx_cache import ChecksFailed, Entry
from napari_ambiseg.engine.backends.onnx_packed import Packed, packed, unpacked
from napari_ambiseg.engine.backends.onnx_runtime import Session, require_package, require_runtime, rewritten, translated
from napari_ambiseg.engine.backends.prepared import prepared
from napari_ambiseg.errors import EngineError
from napari_ambiseg.models.checkpoint import Model
from napari_ambiseg.models.segmenter import IteratedSegmenter, Network, Segmenter

_opened: WeakKeyDictionary[nn.Module, dict[Entry, "Sessions"]] = WeakKeyDictionary()
_opening = Lock()

_KEPT_BYTES = 32 * 2**20  # of networks whose sessions are all kept; one of a larger is made anew in 20 ms, and its
# maps, which a session keeps room for, are larger too


class Sessions:
    """A converted model, and the sessions that compute it.

    Args:
        file: What ``onnx_packed`` has made of the graph as the runtime has rewritten it.
        folder: Where it lies if that is to be removed with this object.
    """

    def __init__(self, file: Path, folder: Path | None = None) -> None:
        self.file = file
        self._model: Packed | None = None
        self._by_threads: dict[int, Session] = {}
        self._lock = Lock()
        if folder is not None:
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)

    @classmethod
    def unkept(cls, graph: bytes, *, name: str) -> "Sessions":
        """Those of a graph whose file no other process is to find."""
        folder = Path(tempfile.mkdtemp(prefix="napari-ambiseg-"))
        sessions = cls(folder / name, folder)
        sessions.file.write_bytes(packed(graph, name=name))
        return sessions

    @property
    def lasts(self) -> bool:
        """Whether more sessions can be made: somebody may have emptied the cache."""
        return self.file.is_file()

    def network(self, threads: int) -> Network:
        """What answers calls with so many threads.

        Raises:
            EngineError: If the runtime cannot load the model, or cannot compute it.
        """
        with self._lock:
            if threads not in self._by_threads:
                if self._model is None:
                    self._model = translated(lambda: unpacked(self.file))
                if (len(self._by_threads) + 1) * self._model.size_bytes > _KEPT_BYTES:
                    self._by_threads.clear()
                model = self._model
                self._by_threads[threads] = translated(lambda: Session(model, threads=threads))
            computing = self._by_threads[threads]  # another caller may make room next

        def answer(x: Tensor, t: Tensor) -> Tensor:
            inputs = {"x": x.detach().float().contiguous().numpy(), "t": t.detach().float().contiguous().numpy()}
            return torch.from_numpy(translated(lambda: computing.run(inputs)))

        return answer


class OnnxBackend:
    """See ``Backend``."""

    device = torch.device("cpu")

    def __init__(self, segmenter: IteratedSegmenter, sessions: Sessions, *, name: str) -> None:
        self._segmenter, self._sessions, self.name = segmenter, sessions, name

    @classmethod
    def open(cls, model: Model, *, int8: bool = False) -> "OnnxBackend":
        """Make a model ready: from the cache, or by converting and checking it.

        Converting the paper's network takes a tenth of a second and its check two; int8 takes ten seconds to a minute.

        Raises:
            EngineError: If there is no ONNX Runtime that can compute this model here, if the model asks its network
                only once, or if the converted model differs too much from the model.
        """
        segmenter = _iterated(model)
        require_runtime()
        entry = _entry(model, int8=int8)
        with _opening:
            opened = _opened.setdefault(segmenter.network, {})
            if entry not in opened or not opened[entry].lasts:
                sessions = _sessions(model, entry, int8=int8)
                for outdated in [other for other in opened if other.variant == entry.variant]:
                    del opened[outdated]  # of weights that have changed since
                opened[entry] = sessions
            return cls(segmenter, opened[entry], name="onnx-int8" if int8 else "onnx")

    def segmenter(self, threads: int) -> Segmenter:
        """See ``Backend.segmenter``.

        Raises:
            EngineError: If the runtime cannot load the model.
        """
        return self._segmenter.computed_by(self._sessions.network(threads))


def _iterated(model: Model) -> IteratedSegmenter:
    if not isinstance(model.segmenter, IteratedSegmenter):
        raise EngineError(
            f"a {model.header.kind!r} model asks its network only once a reading, so ONNX Runtime would not pay; "
            "use the engine torch"
        )
    return model.segmenter


def _entry(model: Model, *, int8: bool) -> Entry:
    return onnx_cache.entry(model, precision="int8" if int8 else "float32")


def _sessions(model: Model, entry: Entry, *, int8: bool) -> Sessions:
    """The checked model, from its file; from one of its own where none can be kept."""
    with entry.locked():
        if found := entry.find():
            return Sessions(found)
        try:
            made = (_quantised if int8 else _converted)(model, entry.file.name)
        except ChecksFailed as failed:
            entry.remember(failed)
            raise
        kept = entry.keep(made.file.read_bytes())
        return Sessions(kept) if kept else made


def _converted(model: Model, name: str) -> Sessions:
    """The model in float32, checked."""
    require_package("onnx")
    require_package("napari_ambiseg.engine.backends.onnx_networks", package="onnx")
    from napari_ambiseg.engine.backends.onnx_checks import require_same_estimates
    from napari_ambiseg.engine.backends.onnx_networks import network_model

    segmenter, grid = _iterated(model), model.header.grid
    made = translated(lambda: Sessions.unkept(rewritten(network_model(segmenter.network, grid.size)), name=name))
    converted = segmenter.computed_by(made.network(torch.get_num_threads()))
    expected = segmenter.computed_by(prepared(segmenter.network))  # with as little rounding as torch can
    translated(lambda: require_same_estimates(expected, converted, grid))
    return made


def _quantised(model: Model, name: str) -> Sessions:
    """The model in int8, checked; the one in float32 is made on the way."""
    require_package("onnx")
    require_package("napari_ambiseg.engine.backends.onnx_int8", package="onnxruntime")
    from napari_ambiseg.engine.backends.onnx_checks import require_same_readings
    from napari_ambiseg.engine.backends.onnx_int8 import bundled_images, quantised
    from napari_ambiseg.engine.backends.onnx_networks import network_model

    segmenter, threads = _iterated(model), torch.get_num_threads()
    images = translated(lambda: bundled_images(model))
    exact = _sessions(model, _entry(model, int8=False), int8=False).network(threads)
    plain = translated(lambda: network_model(segmenter.network, model.header.grid.size))
    made = translated(lambda: Sessions.unkept(rewritten(quantised(plain, segmenter, exact, images)), name=name))
    in_int8 = segmenter.computed_by(made.network(threads))
    translated(lambda: require_same_readings(segmenter.computed_by(exact), in_int8, images))
    return made

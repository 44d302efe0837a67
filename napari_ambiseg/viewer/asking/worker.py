"""The thread that samples, so that the window never waits.

A generator drives ``engine.run`` for one request after the other and yields what it tells; between two steps the worker
looks whether it was asked to stop. The program waits for it when it ends: Qt would wait for the thread anyhow, and the
thread, at its next line of Python, for an interpreter that is gone.

Qt workers lose a ``RuntimeError`` that leaves a generator (they take it for a deleted window), so every one that the
engine did not translate itself is turned into a ``ComputeError`` here.
"""

import atexit
import importlib
from collections.abc import Generator, Sequence
from contextlib import closing
from threading import Event
from typing import Any
from weakref import WeakSet

from qtpy.QtCore import QObject, QThreadPool, Signal
from superqt.utils import GeneratorWorker, create_worker

from napari_ambiseg import engine
from napari_ambiseg.engine import Advance, Sampled
from napari_ambiseg.errors import AmbisegError, ComputeError
from napari_ambiseg.viewer.session.result import Request, Result

_LONGEST_STEP_MS = 10_000
_OF_RESULTS = ("scipy.cluster.hierarchy", "scipy.optimize", "scipy.spatial", "skimage.measure")
_samplers: WeakSet["Sampler"] = WeakSet()

News = Request | Advance | Result
"""A request is begun, some readings have done a step, a result is there."""


def draw(requests: Sequence[Request], stop: Event) -> Generator[News, None, None]:
    """Fulfil requests one after the other, until ``stop`` is set.

    A run is closed here, in the thread that drives it: closing waits for the steps that are being computed.

    Raises:
        AmbisegError: If one cannot be fulfilled; those before it have been.
    """
    for request in requests:
        yield request
        try:
            sampled = yield from _draw_one(request, stop)
        except AmbisegError:
            if stop.is_set():
                return  # nobody waits for it any more
            raise
        except RuntimeError as error:
            raise ComputeError(f"the run failed ({error}); try fewer readings or another model") from error
        if sampled is None:
            return
        yield Result(request=request, sampled=sampled)


def _draw_one(request: Request, stop: Event) -> Generator[Advance, None, Sampled | None]:
    """The readings that are not there yet, after those that are; None if it was stopped."""
    settings, before = request.settings, request.before
    seeds = settings.seeds[0 if before is None else len(before.seeds) :]
    running = engine.run(
        engine.load_model(settings.model),
        request.slice_input,
        seeds=seeds,
        options=settings.options,
        device=settings.device,
        engine=settings.engine,
        chunk=settings.chunk or None,
    )
    with closing(running):
        while not stop.is_set():
            try:
                advance = next(running)
                yield advance
                if advance.step == advance.total and 2 * advance.readings.stop > len(seeds):
                    _load_libraries()  # not with the first: the window needs Python's lock to draw it
            except StopIteration as finished:
                sampled: Sampled = finished.value
                return sampled if before is None else engine.join(before, sampled)
    return None


@atexit.register
def stop_all() -> None:
    """Stop every run, and wait until each has come to the end of its step."""
    for sampler in list(_samplers):
        sampler.cancel()
    QThreadPool.globalInstance().waitForDone(_LONGEST_STEP_MS)


def _load_libraries() -> None:
    """Import what the figures of a result need, while readings are computed: the window would wait half a second."""
    for name in _OF_RESULTS:
        importlib.import_module(name)


class Sampler(QObject):
    """At most one batch of runs at a time.

    Signals:
        begun: A ``Request`` is being fulfilled.
        advanced: An ``Advance``: some readings have done a step.
        drawn: A ``Result``.
        finished: All requests are fulfilled.
        failed: The exception; requests that were not fulfilled never will be.
        cancelled: The run has stopped because it was asked to.
    """

    begun = Signal(object)
    advanced = Signal(object)
    drawn = Signal(object)
    finished = Signal()
    failed = Signal(object)
    cancelled = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._worker: GeneratorWorker[News, None, None] | None = None
        self._stop = Event()
        _samplers.add(self)

    @property
    def is_running(self) -> bool:
        """Whether a batch has not ended yet; a cancelled one runs to the end of its step."""
        return self._worker is not None

    def start(self, requests: Sequence[Request]) -> None:
        """Run in the background."""
        assert not self.is_running
        self._stop = Event()
        worker: Any = create_worker(draw, tuple(requests), self._stop, _start_thread=False, _ignore_errors=True)
        worker.yielded.connect(self._on_news)
        worker.returned.connect(self._on_returned)
        worker.errored.connect(self._on_errored)
        worker.aborted.connect(self._on_aborted)
        self._worker = worker
        worker.start()

    def cancel(self) -> None:
        """Ask the run to stop after the step it is in; ``cancelled`` comes when nothing is computed any more."""
        self._stop.set()

    def _on_news(self, news: News) -> None:
        match news:
            case Request():
                self.begun.emit(news)
            case Advance():
                self.advanced.emit(news)
            case Result():
                self.drawn.emit(news)

    def _on_returned(self) -> None:
        self._worker = None
        (self.cancelled if self._stop.is_set() else self.finished).emit()

    def _on_errored(self, error: Exception) -> None:
        self._worker = None
        self.failed.emit(error)

    def _on_aborted(self) -> None:  # napari asks all workers to stop when its window closes
        self._stop.set()
        self._worker = None
        self.cancelled.emit()

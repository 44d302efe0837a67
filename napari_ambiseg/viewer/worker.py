"""The thread that samples, so that the window never waits.

A generator drives ``engine.run`` and yields its steps; between two of them the worker looks whether it was asked to
stop. Qt workers lose a ``RuntimeError`` that leaves a generator (they take it for a deleted window), so every one that
the engine did not translate itself is turned into a ``ComputeError`` here.
"""

from collections.abc import Generator
from typing import Any

from qtpy.QtCore import QObject, Signal
from superqt.utils import GeneratorWorker, create_worker

from napari_ambiseg import engine
from napari_ambiseg.engine import Advance
from napari_ambiseg.errors import ComputeError
from napari_ambiseg.viewer.result import Request, Result


def draw(request: Request) -> Generator[Advance, None, Result]:
    """Load the model, then sample: yields every step, returns the result.

    Raises:
        AmbisegError: If the request cannot be fulfilled.
    """
    settings = request.settings
    try:
        model = engine.load_model(settings.model)
        sampled = yield from engine.run(
            model,
            request.slice_input,
            seeds=settings.seeds,
            options=settings.options,
            engine=settings.engine,
            chunk=settings.chunk or None,
        )
    except RuntimeError as error:
        raise ComputeError(f"the run failed ({error}); try fewer readings or another model") from error
    return Result(request=request, sampled=sampled)


class Sampler(QObject):
    """At most one run at a time.

    Signals:
        advanced: An ``Advance``: some readings have done a step.
        finished: A ``Result``.
        failed: The exception.
        cancelled: The run has stopped because it was asked to.
    """

    advanced = Signal(object)
    finished = Signal(object)
    failed = Signal(object)
    cancelled = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._worker: GeneratorWorker[Advance, None, Result] | None = None

    @property
    def is_running(self) -> bool:
        """Whether a run has not ended yet; a cancelled one runs to the end of its step."""
        return self._worker is not None

    def start(self, request: Request) -> None:
        """Run in the background."""
        assert not self.is_running
        worker: Any = create_worker(draw, request, _start_thread=False, _ignore_errors=True)
        worker.yielded.connect(self.advanced)
        worker.returned.connect(self._on_returned)
        worker.errored.connect(self._on_errored)
        worker.aborted.connect(self._on_aborted)
        self._worker = worker
        worker.start()

    def cancel(self) -> None:
        """Ask the run to stop after the step it is in."""
        if self._worker is not None:
            self._worker.quit()

    def _on_returned(self, result: Result) -> None:
        self._worker = None
        self.finished.emit(result)

    def _on_errored(self, error: Exception) -> None:
        self._worker = None
        self.failed.emit(error)

    def _on_aborted(self) -> None:
        self._worker = None
        self.cancelled.emit()

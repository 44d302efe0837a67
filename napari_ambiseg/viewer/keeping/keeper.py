"""The thread that writes files, so that the window never waits; one file, or set of files, at a time."""

import threading
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject, Signal
from superqt.utils import create_worker

from napari_ambiseg.io.animation import Progress

Job = Callable[[Progress], object]
"""Writes something, tells how far it is, and returns what is to be said of it."""


class _CancelledError(Exception):
    """The user does not want it any more."""


class Keeper(QObject):
    """Does jobs.

    Signals:
        progressed: Parts that are done, and all parts.
        done: What the job returned.
        failed: The exception.
        cancelled: The job has stopped because it was asked to.
    """

    progressed = Signal(int, int)
    done = Signal(object)
    failed = Signal(object)
    cancelled = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._worker: Any = None
        self._stop = threading.Event()

    @property
    def is_busy(self) -> bool:
        """Whether a job is under way."""
        return self._worker is not None

    def start(self, job: Job) -> None:
        """Do a job in the background; none may be under way."""
        assert not self.is_busy
        stop = self._stop = threading.Event()

        def progress(done: int, total: int) -> None:
            if stop.is_set():
                raise _CancelledError
            self.progressed.emit(done, total)

        def work() -> tuple[object, Exception | None]:
            try:
                return job(progress), None
            except Exception as error:  # noqa: BLE001 - handed on, as a value: Qt workers lose RuntimeErrors
                return None, error

        self._worker = create_worker(work, _start_thread=False)
        self._worker.returned.connect(self._on_returned)
        self._worker.start()

    def cancel(self) -> None:
        """Stop the job before its next part; what is half written goes."""
        self._stop.set()

    def _on_returned(self, outcome: tuple[object, Exception | None]) -> None:
        self._worker = None
        said, error = outcome
        if isinstance(error, _CancelledError):
            self.cancelled.emit()
        elif error is not None:
            self.failed.emit(error)
        else:
            self.done.emit(said)

"""Runs as the dock sees them: started, shown while they go on, kept when they are done, shown where they belong.

A result is shown only if the slice that it is of is the one that is looked at; otherwise it waits in the study.
"""

import math
import time
from collections.abc import Callable, Sequence

from qtpy.QtCore import QObject, QTimer, Signal

from napari_ambiseg.engine import Advance
from napari_ambiseg.errors import AmbisegError
from napari_ambiseg.viewer.asking.batch import Batch
from napari_ambiseg.viewer.asking.worker import Sampler
from napari_ambiseg.viewer.canvas.presenter import Presenter
from napari_ambiseg.viewer.image.where import Where
from napari_ambiseg.viewer.session.live import LivePicture
from napari_ambiseg.viewer.session.result import Request, Result
from napari_ambiseg.viewer.session.showing import Showing
from napari_ambiseg.viewer.session.study import Study

_LIVE_MS = 80  # between two steps that are drawn while a run goes on
_SOON_S = 0.4  # of its start a run's first step is worth waiting for
_TOLD_MS = 200  # between two words on how far it is: a progress bar paints at once, 10 ms of the window's time


class Runs(QObject):
    """The run that goes on, and what becomes of it.

    Args:
        showing: What is shown.
        study: Where results are kept.
        presenter: Draws the run while it goes on.
        where: The slice that is looked at; None if there is none.

    Signals:
        progressed: The ``LivePicture`` of the request that is being fulfilled.
        drawn: A ``Result``; it is in the study, and shown if its slice is.
        started: The requests of a batch; they are about to be fulfilled.
        ended: The last run is over, whatever became of it; None or the exception.
    """

    started = Signal(object)
    progressed = Signal(object)
    drawn = Signal(object)
    ended = Signal(object)

    def __init__(
        self,
        showing: Showing,
        study: Study,
        presenter: Presenter,
        where: Callable[[], Where | None],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._showing, self._study, self._presenter, self._where = showing, study, presenter, where
        self._request: Request | None = None
        self._picture = LivePicture(1, (1, 1))
        self._fulfilled = self._count = 0
        self._batch: Batch | None = None
        self.was_cancelled = False
        self._since = -math.inf
        self.sampler = Sampler(self)
        self._live = QTimer(self)
        self._live.setSingleShot(True)
        self._live.setInterval(_LIVE_MS)
        self._live.timeout.connect(self._show_live)
        self._told = QTimer(self)
        self._told.setSingleShot(True)
        self._told.setInterval(_TOLD_MS)
        self._told.timeout.connect(self._tell)
        self._next_slice = QTimer(self)  # one in each turn of the event loop: the window goes on meanwhile
        self._next_slice.timeout.connect(self._make_next)
        self.sampler.begun.connect(self._on_begun)
        self.sampler.advanced.connect(self._on_advance)
        self.sampler.drawn.connect(self._on_drawn)
        self.sampler.finished.connect(lambda: self._end(None))
        self.sampler.cancelled.connect(lambda: self._end(None))
        self.sampler.failed.connect(self._end)

    @property
    def is_running(self) -> bool:
        """Whether a run goes on, or is prepared."""
        return self._batch is not None or self.sampler.is_running

    @property
    def shows_soon(self) -> bool:
        """Whether a run has just begun and its first step is not there: what is less urgent may wait for it."""
        has_begun = self.sampler.is_running and time.perf_counter() - self._since < _SOON_S
        return has_begun and self._picture.progress.done == 0

    @property
    def fulfilled(self) -> int:
        """Requests of this batch that are fulfilled."""
        return self._fulfilled

    @property
    def count(self) -> int:
        """Requests of this batch."""
        return self._count

    def prepare(self, batch: Batch) -> None:
        """Make the requests of a batch, then fulfil them; none may be under way."""
        self._fulfilled, self._count, self.was_cancelled = 0, 0, False
        self._batch = batch
        self._next_slice.start()

    def start(self, requests: Sequence[Request]) -> None:
        """Fulfil requests one after the other; none may be under way."""
        self._fulfilled, self._count, self.was_cancelled = 0, len(requests), False
        self._picture, self._since = LivePicture(1, (1, 1)), time.perf_counter()
        self.started.emit(requests)
        self.sampler.start(requests)

    def cancel(self) -> None:
        """Stop after the step that is being computed, or at once if none is."""
        self.was_cancelled = True
        if self._batch is None:
            self.sampler.cancel()
        else:
            self._end_preparing()
            self._end(None)

    def _make_next(self) -> None:
        batch = self._batch
        assert batch is not None
        try:
            if not batch.is_complete:
                batch.make_next()
                return
            requests = batch.requests()
        except AmbisegError as error:
            self._end_preparing()
            self._end(error)
            return
        self._end_preparing()
        self.start(requests)

    def _end_preparing(self) -> None:
        self._batch = None
        self._next_slice.stop()

    def _on_begun(self, request: Request) -> None:
        self._request = request
        self._picture = LivePicture(request.count, request.placement.grid_shape)
        self._presenter.begin()

    def _on_advance(self, advance: Advance) -> None:
        is_first = self._picture.progress.done == 0
        self._picture.add(advance)
        if is_first:
            self._show_live()
        for timer in (self._told, self._live):
            if not timer.isActive():
                timer.start()

    def _tell(self) -> None:
        if self._request is not None:
            self.progressed.emit(self._picture)

    def _show_live(self) -> None:
        if self.is_running and self._request is not None and self._request.where == self._where():
            self._presenter.show_running(self._request, self._picture)

    def _on_drawn(self, result: Result) -> None:
        self._tell()
        self._fulfilled += 1
        self._request = None
        self._study.add(result)
        if result.request.where == self._where():
            self._showing.show(result)
        self.drawn.emit(result)

    def _end(self, error: Exception | None) -> None:
        self._request = None
        self._presenter.refresh()
        self.ended.emit(error)

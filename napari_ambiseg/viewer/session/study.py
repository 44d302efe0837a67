"""All results of a session, each with the slice that it is of. Nothing is lost by looking at another slice."""

from qtpy.QtCore import QObject, Signal

from napari_ambiseg.viewer.image.where import Where
from napari_ambiseg.viewer.session.result import Result


class Study(QObject):
    """Finished runs in the order in which they were finished.

    Signals:
        changed: There is one more, or one less.
    """

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._results: list[Result] = []

    @property
    def results(self) -> tuple[Result, ...]:
        """All of them, the newest last."""
        return tuple(self._results)

    def of(self, where: Where) -> tuple[Result, ...]:
        """Those of one slice, the newest last."""
        return tuple(result for result in self._results if result.request.where == where)

    def add(self, result: Result) -> None:
        """Keep a result; one with more readings takes the place of the one that it goes on from."""
        before = result.request.before
        self._results = [other for other in self._results if before is None or other.sampled is not before]
        self._results.append(result)
        self.changed.emit()

    def remove(self, result: Result) -> None:
        """Let a result go."""
        self._results = [other for other in self._results if other is not result]
        self.changed.emit()

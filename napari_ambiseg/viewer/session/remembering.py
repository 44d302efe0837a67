"""Keeps what the user has chosen: a moment after the last choice, for a slider makes many; and before a widget goes."""

from collections.abc import Callable
from functools import partial

from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtWidgets import QWidget

_PAUSE_MS = 500

Keep = Callable[[], None]
"""Writes what had been chosen when it was made."""


class Remembering(QObject):
    """Writes once the hand rests.

    Args:
        widget: Where choices are made; when it is hidden or destroyed, what is left to be written is.
        read: Reads what is chosen now; None if there is nothing to be kept.
    """

    def __init__(self, widget: QWidget, read: Callable[[], Keep | None]) -> None:
        super().__init__(widget)
        self._read = read
        self._due: list[Keep] = []  # it has been read already: when the widget is destroyed it is too late for that
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_PAUSE_MS)
        self._timer.timeout.connect(partial(_do, self._due))
        widget.installEventFilter(self)
        widget.destroyed.connect(partial(_do, self._due))

    def ask(self) -> None:
        """Something has been chosen."""
        keep = self._read()
        if keep is not None:
            self._due[:] = [keep]
            self._timer.start()

    def forget(self) -> None:
        """What was chosen has been kept, or is not the user's choice."""
        self._due.clear()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """The widget is hidden."""
        if event.type() == QEvent.Type.Hide:
            _do(self._due)
        return super().eventFilter(watched, event)


def _do(due: list[Keep], *_: object) -> None:
    while due:
        due.pop()()

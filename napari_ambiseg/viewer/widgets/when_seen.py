"""Work that only shows where somebody looks: done at once while a widget is seen, otherwise when it comes to be."""

from collections.abc import Callable

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QWidget


class WhenSeen(QObject):
    """Refreshes a widget no more often than somebody sees it.

    Args:
        widget: The widget; it keeps this object.
        refresh: Brings it up to date.
    """

    def __init__(self, widget: QWidget, refresh: Callable[[], None]) -> None:
        super().__init__(widget)
        self._widget, self._refresh = widget, refresh
        self._is_due = True
        widget.installEventFilter(self)

    def ask(self) -> None:
        """What the widget shows is out of date."""
        self._is_due = True
        if self._widget.isVisible():
            self._do()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """The widget is about to be seen."""
        if event.type() == QEvent.Type.Show and self._is_due:
            self._do()
        return super().eventFilter(watched, event)

    def _do(self) -> None:
        self._is_due = False
        self._refresh()

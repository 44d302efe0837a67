"""A list in which whatever the user points at is chosen, by mouse or keyboard; it shows no selection of its own."""

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QListView, QSizePolicy, QWidget


class ChoosingList(QListView):
    """What is chosen is shared with other widgets, and painted by the list's delegate.

    Signals:
        chosen: Row that the user has clicked on, and whether by mouse; otherwise the keyboard has reached it.
    """

    chosen = Signal(int, bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSelectionMode(QListView.SelectionMode.NoSelection)
        self.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)  # a bar that comes and goes moves columns
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Expanding)
        self.clicked.connect(lambda index: self.chosen.emit(index.row(), True))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrows choose."""
        before = self.currentIndex().row()
        super().keyPressEvent(event)
        if (row := self.currentIndex().row()) != before and row >= 0:
            self.chosen.emit(row, False)

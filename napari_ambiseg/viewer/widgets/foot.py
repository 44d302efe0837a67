"""The foot of the dock: what readings are not for, and which keys there are."""

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QMessageBox, QPushButton, QWidget

from napari_ambiseg.viewer.widgets.shortcuts import help_html

NOTICE = "For research, not for diagnosis."


class Foot(QWidget):
    """A line of text and a button."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        notice = QLabel(NOTICE)
        self.shortcuts = QPushButton("Shortcuts")
        self.shortcuts.setFlat(True)
        self.shortcuts.setStyleSheet("padding: 0px 5px;")
        self.shortcuts.setToolTip("All keys of this dock")
        self.shortcuts.clicked.connect(self._show_shortcuts)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(notice, 1)
        row.addWidget(self.shortcuts)

    def _show_shortcuts(self) -> None:
        """In a window beside napari's, which goes on meanwhile."""
        box = QMessageBox(self)
        box.setWindowTitle("Shortcuts")
        box.setTextFormat(Qt.TextFormat.RichText)
        box.setText(help_html())
        box.setModal(False)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.show()

"""A heading that folds away what is below it, and then says in one line what is there."""

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QKeySequence, QResizeEvent, QShortcut
from qtpy.QtWidgets import QApplication, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from napari_ambiseg.viewer.widgets.shortcuts import Shortcut

_OPEN, _FOLDED = "▾", "▸"


class FoldHeading(QPushButton):
    """One line of text with an arrow that never asks for width; the mouse, Enter and the space bar press it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._whole = ""
        self.setStyleSheet("text-align: left;")
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    @property
    def whole(self) -> str:
        """All of its text, also where there is no room for it."""
        return self._whole

    def show_text(self, text: str) -> None:
        """Show another text."""
        self._whole = text
        self.setAccessibleName(text)
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit the text to the new width."""
        super().resizeEvent(event)
        self._fit()

    def minimumSizeHint(self) -> QSize:
        """No width to speak of."""
        return QSize(0, super().minimumSizeHint().height())

    def _fit(self) -> None:
        room = self.width() - 2 * self.fontMetrics().averageCharWidth()
        self.setText(self.fontMetrics().elidedText(self._whole, Qt.TextElideMode.ElideRight, room))


class Fold(QWidget):
    """The heading, and below it what it folds away.

    Args:
        title: What the heading says while it is open.
        inside: What it folds away.
        shortcut: Its key; None for one that is reached by the tab key alone.

    Signals:
        folded_by_hand: The user has folded it (True), or opened it.
    """

    folded_by_hand = Signal(bool)

    def __init__(
        self, title: str, inside: QWidget, shortcut: Shortcut | None = None, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._title, self._inside = title, inside
        self._tip = "" if shortcut is None else shortcut.tip
        self._summary = title
        self.heading = FoldHeading()
        self.heading.clicked.connect(self._on_clicked)
        if shortcut is not None:
            QShortcut(QKeySequence(shortcut.keys), self).activated.connect(self._on_clicked)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addWidget(self.heading)
        layout.addWidget(inside)
        self.say(title)

    @property
    def is_folded(self) -> bool:
        """Whether only the heading is there."""
        return self._inside.isHidden()

    @property
    def has_keyboard(self) -> bool:
        """Whether what is typed goes to something that it would fold away."""
        focus = QApplication.focusWidget()
        return focus is not None and self._inside.isAncestorOf(focus)

    def say(self, summary: str, details: str = "") -> None:
        """Change what the heading says while it is folded, and what its tooltip says before what it does."""
        self._summary = summary
        self.heading.setToolTip(f"{details}\n{self._tip}".strip())
        self._show()

    def fold(self, folded: bool) -> None:
        """Fold it, or open it; what has the keyboard does not vanish with it."""
        if folded and self.has_keyboard:
            self.heading.setFocus()
        self._inside.setHidden(folded)
        self._show()
        self._tell_above()

    def _tell_above(self) -> None:
        """Tell all that this lies in of its new height.

        Qt would tell them one by one, each in a turn of its own; one that is laid out meanwhile keeps the old height.
        """
        widget: QWidget | None = self
        while widget is not None and not widget.isWindow():
            widget.updateGeometry()
            widget = widget.parentWidget()

    def _on_clicked(self) -> None:
        self.fold(not self.is_folded)
        self.folded_by_hand.emit(self.is_folded)

    def _show(self) -> None:
        text = f"{_FOLDED}  {self._summary}" if self.is_folded else f"{_OPEN}  {self._title}"
        self.heading.show_text(text)

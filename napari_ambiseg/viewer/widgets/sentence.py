"""Sentences that take the width they are given.

A label would ask for the width of its longest word, and the dock with it: one path in a message, or one long name of a
layer, would make it wider than the screen has room for.
"""

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QTextDocument, QTextOption
from qtpy.QtWidgets import QFrame, QSizePolicy, QTextEdit, QWidget

_PLAIN = "QTextEdit { background: transparent; border: none; padding: 0px; }"
_MARGIN, _LEAST = 1, 40  # pixels: around the text; in width


class Sentence(QTextEdit):
    """Text to read and to copy, as high as its width makes it; what is too long for a line is broken anywhere."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setReadOnly(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)  # to be copied from; the tab key passes it by
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        policy = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        _break_anywhere(self.document())
        self.setStyleSheet(_PLAIN)
        self.setText("")

    def text(self) -> str:
        """What is said."""
        return self.toPlainText()

    def setText(self, text: str) -> None:
        """Say something else; it is taken as it is, tags and all. "" takes no room."""
        self.setPlainText(text)
        self.setHidden(not text)
        self.updateGeometry()

    def stand_out(self, style: str) -> None:
        """Draw it in other colours, given as a style sheet has them; "" for the usual ones."""
        self.setStyleSheet(f"{_PLAIN} QTextEdit {{ {style} }}" if style else _PLAIN)

    def heightForWidth(self, width: int) -> int:
        """How high the text is in lines of this width."""
        whole = QTextDocument(self.toPlainText())
        whole.setDefaultFont(self.font())
        _break_anywhere(whole)
        whole.setTextWidth(max(width, _LEAST))
        return round(whole.size().height())

    def sizeHint(self) -> QSize:
        """A line: its height comes with its width."""
        return self.minimumSizeHint()

    def minimumSizeHint(self) -> QSize:
        """No width to speak of, and a line."""
        return QSize(_LEAST, self.fontMetrics().lineSpacing() + 2 * _MARGIN)


def _break_anywhere(document: QTextDocument) -> None:
    option = QTextOption()
    option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
    document.setDefaultTextOption(option)
    document.setDocumentMargin(_MARGIN)

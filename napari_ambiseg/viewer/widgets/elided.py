"""Names that are longer than the dock is wide: their middle is left out, the tooltip has all of it."""

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QPaintEvent, QResizeEvent
from qtpy.QtWidgets import QComboBox, QLabel, QSizePolicy, QStyle, QStyleOptionComboBox, QStylePainter, QWidget

_AROUND = 34  # pixels around the text of a combo box: its edges and its arrow
_LEAST = "Abcdef"  # what is always seen of a long name


class ElidedLabel(QLabel):
    """One line of text in bold that never asks for width; hidden while it is empty."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._whole = ""
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setStyleSheet("font-weight: bold;")
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.show_text("")

    def show_text(self, text: str) -> None:
        """Show another text."""
        self._whole = text
        self.setToolTip(text)
        self.setHidden(not text)
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit the text to the new width."""
        super().resizeEvent(event)
        self._fit()

    def minimumSizeHint(self) -> QSize:
        """No width to speak of: what is shown now must not keep it from becoming narrower."""
        return QSize(0, super().minimumSizeHint().height())

    def _fit(self) -> None:
        self.setText(self.fontMetrics().elidedText(self._whole, Qt.TextElideMode.ElideMiddle, self.width()))


class ElidedComboBox(QComboBox):
    """A combo box whose current text is elided in the middle instead of cut off at its end.

    Args:
        least: A text that is to be seen whole, whatever the width; the box asks for no more.
    """

    def __init__(self, parent: QWidget | None = None, *, least: str = _LEAST) -> None:
        super().__init__(parent)
        self._least = least
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def minimumSizeHint(self) -> QSize:
        """As wide as the text that is to be seen."""
        return QSize(self.fontMetrics().horizontalAdvance(self._least) + _AROUND, super().minimumSizeHint().height())

    def sizeHint(self) -> QSize:
        """The same: it grows where there is room."""
        return QSize(self.minimumSizeHint().width(), super().sizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw as Qt does, but for the text."""
        painter, option = QStylePainter(self), QStyleOptionComboBox()
        self.initStyleOption(option)
        field = self.style().subControlRect(
            QStyle.ComplexControl.CC_ComboBox, option, QStyle.SubControl.SC_ComboBoxEditField, self
        )
        option.currentText = self.fontMetrics().elidedText(
            self.currentText(), Qt.TextElideMode.ElideMiddle, field.width() - 6
        )
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)

"""A scroll area for a dock: a screen may be too low for it, but what is in it is never cut off at the side."""

from qtpy.QtCore import QEvent, QObject, QSize, Qt
from qtpy.QtWidgets import QFrame, QScrollArea, QWidget

NARROWEST, USUAL = 320, 372  # pixels


class TallScroll(QScrollArea):
    """Scrolls up and down only; ``holder`` is kept as wide as the content needs to be, in whatever font and style."""

    def __init__(self, inner: QWidget, *, holder: QWidget) -> None:
        super().__init__()
        self._inner, self._holder = inner, holder
        self.setWidgetResizable(True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # it follows what has the keyboard
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidget(inner)

    def sizeHint(self) -> QSize:
        """How wide the dock is before anybody has drawn at its edge."""
        return QSize(USUAL, super().sizeHint().height())

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """The content asks for another size, for instance because its style sheet has come."""
        if watched is self._inner and event.type() in (QEvent.Type.LayoutRequest, QEvent.Type.Resize):
            needed = self._inner.minimumSizeHint().width() + self.verticalScrollBar().sizeHint().width()
            self._holder.setMinimumWidth(max(NARROWEST, needed))
        return super().eventFilter(watched, event)

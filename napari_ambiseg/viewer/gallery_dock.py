"""The large gallery: a window of its own, which may be docked wherever napari has docks.

It begins as a window, over the layer controls: docked, it would take height from the image, or make napari's window
taller than a small screen.
"""

from qtpy.QtCore import QObject, QRect, Qt
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

from napari_ambiseg.viewer.gallery import Gallery
from napari_ambiseg.viewer.grouping import Grouping
from napari_ambiseg.viewer.showing import Showing

_SHARE = 0.46, 0.72  # of the width and the height of napari's window
_LEAST = 480, 360


class GalleryDock(QObject):
    """Opens the large gallery when the small one asks for it; closed, it waits hidden for the next time.

    Args:
        small: The gallery in the tab.
        showing: What is shown.
        grouping: The ways to read it.
    """

    def __init__(self, small: Gallery, showing: Showing, grouping: Grouping) -> None:
        super().__init__(small)
        self._small, self._showing, self._grouping = small, showing, grouping
        self.dock: QDockWidget | None = None
        small.enlarge_wanted.connect(self.open)

    def open(self) -> None:
        """Show it."""
        if self.dock is None:
            self.dock = self._made(_main_window(self._small))
        self.dock.show()
        self.dock.raise_()

    def _made(self, window: QMainWindow | None) -> QDockWidget:
        dock = QDockWidget("Gallery of readings", window or self._small.window())
        dock.setObjectName("ambiseg-gallery")  # Qt remembers docks by their names
        gallery = Gallery(self._showing, self._grouping, large=True)
        dock.setWidget(gallery)
        if window is not None:
            window.addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, dock)  # where it goes when it is docked
        dock.setFloating(True)
        if window is not None:
            dock.setGeometry(_beside(window.geometry()))
        self.destroyed.connect(dock.deleteLater)  # it shows what goes with the small one
        return dock


def _main_window(widget: QWidget) -> QMainWindow | None:
    """The window that a widget is docked in, or was pulled off."""
    parent = widget.parentWidget()
    while parent is not None and not isinstance(parent, QMainWindow):
        parent = parent.parentWidget()
    return parent


def _beside(window: QRect) -> QRect:
    """At the left of a window, below its menus."""
    wanted = (share * side for share, side in zip(_SHARE, (window.width(), window.height()), strict=True))
    width, height = (max(round(side), least) for side, least in zip(wanted, _LEAST, strict=True))
    return QRect(window.left() + 4, window.top() + 60, width, height)

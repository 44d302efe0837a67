"""A window of its own for a widget of the dock, which may be docked wherever napari has docks.

It begins as a window, over the layer controls: docked, it would take height from the image, or make napari's window
taller than a small screen.
"""

from qtpy.QtCore import QRect, Qt
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

from napari_ambiseg.viewer.widgets.style import TIGHT

_LEAST = 480, 360


def own_window(widget: QWidget, *, title: str, name: str, beside: QWidget, share: tuple[float, float]) -> QDockWidget:
    """A floating dock around a widget.

    Args:
        widget: What it holds.
        title: What the user reads.
        name: By which Qt remembers it.
        beside: A widget of the dock that it belongs to.
        share: How much of the width and the height of napari's window it takes.
    """
    window = _main_window(beside)
    dock = QDockWidget(title, window or beside.window())
    dock.setObjectName(name)
    dock.setWidget(widget)
    dock.setStyleSheet(TIGHT)
    if window is not None:
        window.addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, dock)  # where it goes when it is docked
    dock.setFloating(True)
    if window is not None:
        dock.setGeometry(_placed(window.geometry(), share))
    return dock


def _main_window(widget: QWidget) -> QMainWindow | None:
    """The window that a widget is docked in, or was pulled off."""
    parent = widget.parentWidget()
    while parent is not None and not isinstance(parent, QMainWindow):
        parent = parent.parentWidget()
    return parent


def _placed(window: QRect, share: tuple[float, float]) -> QRect:
    """At the left of a window, below its menus."""
    wanted = (part * side for part, side in zip(share, (window.width(), window.height()), strict=True))
    width, height = (max(round(side), least) for side, least in zip(wanted, _LEAST, strict=True))
    return QRect(window.left() + 4, window.top() + 60, width, height)

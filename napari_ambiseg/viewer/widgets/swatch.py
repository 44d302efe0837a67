"""A small square of a colour beside a name: words in that colour would be hard to read in one theme or the other."""

from qtpy.QtCore import QRect, Qt
from qtpy.QtGui import QColor, QIcon, QPainter, QPixmap

_ICON, _SIDE = 16, 9  # pixels
_FINEST = 4  # it is sharp on screens of up to so many times the usual resolution


def swatch(colour: str) -> QIcon:
    """The square, in a colour #RRGGBB."""
    pixmap, edge = QPixmap(_ICON * _FINEST, _ICON * _FINEST), (_ICON - _SIDE) // 2
    pixmap.setDevicePixelRatio(_FINEST)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.fillRect(QRect(edge, edge, _SIDE, _SIDE), QColor(colour))
    painter.end()
    return QIcon(pixmap)

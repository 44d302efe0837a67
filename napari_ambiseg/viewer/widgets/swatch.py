"""A small square of a colour beside a name: words in that colour would be hard to read in one theme or the other."""

from qtpy.QtGui import QColor, QIcon, QPixmap

_SIDE, _FINEST = 9, 4  # pixels, on screens of up to so many times the usual resolution


def swatch(colour: str) -> QIcon:
    """The square, in a colour #RRGGBB."""
    pixmap = QPixmap(_SIDE * _FINEST, _SIDE * _FINEST)
    pixmap.setDevicePixelRatio(_FINEST)
    pixmap.fill(QColor(colour))
    return QIcon(pixmap)

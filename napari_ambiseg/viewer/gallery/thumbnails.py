"""Paints thumbnails: the slice around the lesion with outlines drawn in, as sharp as the screen is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QLineF, QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QImage, QPainter, QPen, QPixmap, QTransform

from napari_ambiseg.viewer.gallery.crop import Crop

_NOTHING = "nothing"
_VEIL = QColor(0, 0, 0, 110)  # over a slice in which nothing was marked


@dataclass(frozen=True, slots=True)
class Stroke:
    """An outline and how it is drawn.

    Attributes:
        segments: As in ``Crop`` (N, 2, 2).
        colour: #RRGGBB.
        width: In pixels, whatever the resolution of the screen.
        opacity: 0 to 1.
    """

    segments: NDArray[np.float32]
    colour: str
    width: float = 1.6
    opacity: float = 1.0


class Thumbnails:
    """The thumbnails of one result, whatever is outlined in them.

    Args:
        crop: The window that they show.
    """

    def __init__(self, crop: Crop) -> None:
        self.crop = crop
        grey = np.ascontiguousarray(crop.grey)
        height, width = grey.shape
        self._slice = QImage(grey.data, width, height, width, QImage.Format.Format_Grayscale8).copy()
        (down_y, right_y), (down_x, right_x) = crop.to_world
        self._turned = QTransform(right_x, right_y, down_x, down_y, 0.0, 0.0)
        self._lines: dict[int, tuple[NDArray[np.float32], list[QLineF]]] = {}
        self._background: tuple[tuple[int, int, float], QPixmap] | None = None

    def paint(self, painter: QPainter, area: QRectF, strokes: Sequence[Stroke]) -> None:
        """Paint the slice with outlines into an area; no outline, or only empty ones, are told as nothing."""
        ratio = painter.device().devicePixelRatioF()
        painter.save()
        painter.setClipRect(area)
        painter.drawPixmap(area.topLeft(), self._slice_at(area, ratio))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if any(len(stroke.segments) for stroke in strokes):
            painter.setTransform(self._placed(area), combine=True)
            for stroke in strokes:
                painter.setPen(_pen(stroke, ratio))
                painter.setOpacity(stroke.opacity)
                painter.drawLines(self._lines_of(stroke.segments))
        else:
            painter.fillRect(area, _VEIL)
            painter.setPen(Qt.GlobalColor.white)
            painter.drawText(area, int(Qt.AlignmentFlag.AlignCenter), _NOTHING)
        painter.restore()

    def _lines_of(self, segments: NDArray[np.float32]) -> list[QLineF]:
        """Segments as Qt's lines, made once: so many small objects at each painting would keep the collector busy."""
        key = id(segments)  # of an array that is kept beside the lines, so that no other can take its place
        if key not in self._lines:
            self._lines[key] = segments, [QLineF(a, b, c, d) for (b, a), (d, c) in segments.tolist()]
        return self._lines[key][1]

    def _slice_at(self, area: QRectF, ratio: float) -> QPixmap:
        """The slice in the size of an area, kept for the next thumbnail of this size."""
        size = (round(area.width() * ratio), round(area.height() * ratio), ratio)
        if self._background is None or self._background[0] != size:
            pixmap = QPixmap(*size[:2])
            pixmap.setDevicePixelRatio(ratio)
            pixmap.fill(Qt.GlobalColor.black)
            painter = QPainter(pixmap)
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.setTransform(self._placed(QRectF(QPointF(0, 0), area.size())))
            painter.drawImage(QPointF(0, 0), self._slice)
            painter.end()
            self._background = size, pixmap
        return self._background[1]

    def _placed(self, area: QRectF) -> QTransform:
        """From pixels of the window to the middle of an area."""
        extent = self._turned.mapRect(QRectF(self._slice.rect()))
        scale = min(area.width() / extent.width(), area.height() / extent.height())
        centre = extent.center() * scale
        moved = QTransform.fromTranslate(area.center().x() - centre.x(), area.center().y() - centre.y())
        return self._turned * QTransform.fromScale(scale, scale) * moved


def _pen(stroke: Stroke, ratio: float) -> QPen:
    pen = QPen(QColor(stroke.colour), stroke.width * ratio)  # of a cosmetic pen, the width counts finer pixels
    pen.setCosmetic(True)
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    return pen

"""Paints how large the readings are: one strip a measure, a dot a reading, the experts below in their colours."""

from collections.abc import Callable

import numpy as np
from qtpy.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QHelpEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from qtpy.QtWidgets import QToolTip, QWidget

from napari_ambiseg.readings.distribution import Distribution, Sizes
from napari_ambiseg.viewer.canvas.looks import MODEL_COLOUR, expert_colour
from napari_ambiseg.viewer.tabs.sizes_text import spread_text
from napari_ambiseg.viewer.tabs.strips import BELOW, DOT, GUTTER, MARK, Spots, spots_of

_NEAR = 7.0  # pixels: how close the mouse must come
_SIDE = 8.0  # beside the scale
_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the scale


class SizeStrips(QWidget):
    """Three strips: area, long axis, short axis.

    Args:
        told: What is said of whom the mouse rests on: whether it is an expert, and the number.

    Signals:
        chosen: Number of the reading that the user has clicked on, or reached with the arrow keys.
        expert_chosen: Number of the expert that the user has clicked on.
    """

    chosen = Signal(int)
    expert_chosen = Signal(int)

    def __init__(self, told: Callable[[bool, int], str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._told = told
        self._found: Sizes | None = None
        self._selected = 0
        self._expert: int | None = None
        self._hovered: tuple[bool, int] | None = None
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumHeight(3 * self._least_height())

    def show_sizes(self, found: Sizes | None) -> None:
        """Show sizes; None shows nothing."""
        self._found, self._hovered = found, None
        self.update()

    def select(self, reading: int, expert: int | None) -> None:
        """Let a reading, and the expert beside it, stand out."""
        self._selected, self._expert = reading, expert
        self.update()

    def who_is_at(self, position: QPointF) -> tuple[bool, int] | None:
        """Whether the nearest to a point is an expert, and the number; None if nobody is near."""
        near: list[tuple[float, bool, int]] = []
        for spots in self.spots():
            for is_expert, points in ((False, spots.readings), (True, np.add(spots.experts, (0, MARK)))):
                distances = np.hypot(*(points - [position.x(), position.y()]).T)
                near += [(float(d), is_expert, i) for i, d in enumerate(distances) if d <= _NEAR]
        return min(near)[1:] if near else None

    def spots(self) -> list[Spots]:
        """Where everything lies."""
        found = list(self._found or ())
        height, line = self.height() / max(1, len(found)), self.fontMetrics().height()
        has_gutter = any(one.empty_samples or one.empty_experts for one in found)
        left, right = GUTTER if has_gutter else _SIDE, self.width() - 2 * _SIDE
        return [
            spots_of(one, left=left, right=right, above=i * height + line, y=(i + 1) * height - line - BELOW)
            for i, one in enumerate(found)
        ]

    def sizeHint(self) -> QSize:
        """High enough to tell dots apart."""
        return QSize(200, 3 * (self._least_height() + 8))

    def _least_height(self) -> int:
        return 2 * self.fontMetrics().height() + 30

    # What the user does

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Who is below the mouse is marked in all strips."""
        hovered = self.who_is_at(event.position())
        if hovered != self._hovered:
            self._hovered = hovered
            self.setCursor(Qt.CursorShape.ArrowCursor if hovered is None else Qt.CursorShape.PointingHandCursor)
            self.update()

    def leaveEvent(self, event: QEvent) -> None:
        """None is marked."""
        self._hovered = None
        self.update()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """A click chooses."""
        if event.button() == Qt.MouseButton.LeftButton and (who := self.who_is_at(event.position())) is not None:
            is_expert, number = who
            (self.expert_chosen if is_expert else self.chosen).emit(number)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Left and right go to the next smaller and the next larger reading."""
        step = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(Qt.Key(event.key()))
        if step is None or self._found is None:
            super().keyPressEvent(event)
            return
        by_size = np.argsort(self._found.area.samples, kind="stable")
        place = int(np.flatnonzero(by_size == self._selected)[0]) + step
        if 0 <= place < len(by_size):
            self.chosen.emit(int(by_size[place]))

    def event(self, event: QEvent) -> bool:
        """Says what is known of whom the mouse rests on."""
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            who = self.who_is_at(QPointF(event.pos()))
            QToolTip.showText(event.globalPos(), "" if who is None else self._told(*who), self)
            return True
        return super().event(event)

    # How it looks

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint all strips."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for one, spots in zip(self._found or (), self.spots(), strict=True):
            self._paint_scale(painter, one, spots)
            self._paint_spread(painter, one, spots)
            self._paint_readings(painter, spots)
            self._paint_experts(painter, spots)
        painter.end()

    def _paint_scale(self, painter: QPainter, one: Distribution, spots: Spots) -> None:
        scale, line, ink = spots.scale, self.fontMetrics().height(), self.palette().text().color()
        head = QRectF(2, scale.above - line, self.width() - 4, line)
        painter.setPen(QPen(ink, 1.0))
        painter.drawText(head, int(Qt.AlignmentFlag.AlignLeft), f"{one.name.capitalize()}, {one.unit}")
        painter.drawText(head, int(Qt.AlignmentFlag.AlignRight), spread_text(one))
        painter.drawLine(QPointF(scale.left, scale.y), QPointF(scale.right, scale.y))
        for value in (share * scale.top for share in _TICKS):
            x = scale.x(value)
            painter.drawLine(QPointF(x, scale.y), QPointF(x, scale.y + 3))
            below = QRectF(x - 30, scale.y + BELOW, 60, line)
            painter.drawText(below, int(Qt.AlignmentFlag.AlignHCenter), f"{value:g}")
        if scale.left >= GUTTER:
            below = QRectF(0, scale.y + BELOW, GUTTER, line)
            painter.drawText(below, int(Qt.AlignmentFlag.AlignLeft), "nothing")

    def _paint_spread(self, painter: QPainter, one: Distribution, spots: Spots) -> None:
        """The band that holds 90 % of the readings, and the median."""
        if np.isnan(one.median):
            return
        scale, band = spots.scale, QColor(MODEL_COLOUR)
        low, middle, high = (scale.x(value) for value in (one.low, one.median, one.high))
        band.setAlphaF(0.25)
        painter.fillRect(QRectF(low, scale.above + 2, max(1.0, high - low), scale.y - scale.above - 2), band)
        painter.setPen(QPen(self.palette().text().color(), 1.4))
        painter.drawLine(QPointF(middle, scale.above + 2), QPointF(middle, scale.y))

    def _paint_readings(self, painter: QPainter, spots: Spots) -> None:
        painter.setBrush(QColor(MODEL_COLOUR))
        standing_out = [i for i in range(len(spots.readings)) if self._stands_out(False, i)]
        for i in [*range(len(spots.readings)), *standing_out]:
            radius = DOT / 2 + (1.5 if i in standing_out else 0)
            painter.setPen(self._edge(i in standing_out))
            painter.drawEllipse(QPointF(*spots.readings[i]), radius, radius)

    def _paint_experts(self, painter: QPainter, spots: Spots) -> None:
        for i in np.argsort(-spots.experts[:, 1], kind="stable").tolist():  # what hangs lower lies below
            x, y = spots.experts[i]
            stands_out = self._stands_out(True, i)
            side = MARK + (1.5 if stands_out else 0)
            painter.setBrush(QColor(expert_colour(i)))
            painter.setPen(self._edge(stands_out))
            corners = [QPointF(x, y), QPointF(x - side, y + 2 * side), QPointF(x + side, y + 2 * side)]
            painter.drawPolygon(QPolygonF(corners))

    def _stands_out(self, is_expert: bool, number: int) -> bool:
        chosen = self._expert if is_expert else self._selected
        return number == chosen or self._hovered == (is_expert, number)

    def _edge(self, stands_out: bool) -> QPen:
        palette = self.palette()
        return QPen(palette.text().color(), 1.6) if stands_out else QPen(palette.window().color(), 0.5)

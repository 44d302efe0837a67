"""The list of typical readings: a thumbnail of each way, how often it is seen, and the experts who read it so."""

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QFont, QPainter, QPen
from qtpy.QtWidgets import QStyledItemDelegate, QStyleOptionViewItem, QWidget

from napari_ambiseg.viewer.canvas.looks import MODEL_COLOUR, expert_colour
from napari_ambiseg.viewer.gallery.thumbnails import Stroke, Thumbnails
from napari_ambiseg.viewer.session.showing import Showing
from napari_ambiseg.viewer.tabs.ways import Way
from napari_ambiseg.viewer.widgets.choosing_list import ChoosingList

_EDGE, _LEAST_SIDE = 4, 68
_LOWEST = 150  # pixels: two ways
_MEMBERS = {"width": 0.8, "opacity": 0.35}
_Index = QModelIndex | QPersistentModelIndex
_Role = Qt.ItemDataRole


class WaysModel(QAbstractListModel):
    """One row a way."""

    def __init__(self, showing: Showing, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._showing = showing
        self._ways: tuple[Way, ...] = ()
        self._names: tuple[str, ...] = ()
        self.thumbnails: Thumbnails | None = None

    def show(self, ways: Sequence[Way], names: tuple[str, ...], thumbnails: Thumbnails | None) -> None:
        """Show ways.

        Args:
            ways: In their order.
            names: Of all experts.
            thumbnails: Of the same result; None if there are no ways.
        """
        self.beginResetModel()
        self._ways, self._names, self.thumbnails = tuple(ways), names, thumbnails
        self.endResetModel()

    def way(self, row: int) -> Way:
        """What is shown in a row."""
        return self._ways[row]

    def is_selected(self, row: int) -> bool:
        """Whether the reading that stands out reads it so."""
        return self._showing.selected in self._ways[row].mode.members

    def strokes(self, row: int) -> list[Stroke]:
        """The outlines of all who read it so, faintly, and of the one that stands for them."""
        mode = self._ways[row].mode
        if self.thumbnails is None or mode.empty:
            return []
        outlines = self.thumbnails.crop.readings
        members = [Stroke(outlines[i], MODEL_COLOUR, **_MEMBERS) for i in mode.members if i != mode.medoid]
        return [*members, Stroke(outlines[mode.medoid], MODEL_COLOUR)]

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008 (Qt's)
        """Number of ways."""
        return 0 if parent.isValid() else len(self._ways)

    def data(self, index: _Index, role: int = _Role.DisplayRole) -> Any:
        """All that is said of a way."""
        if role not in (_Role.DisplayRole, _Role.AccessibleTextRole, _Role.ToolTipRole):
            return None
        way = self._ways[index.row()]
        experts = ", ".join(f"E{i + 1} ({self._names[i]})" for i in way.experts)
        text = [way.title, *way.lines, *([f"read so by {experts}"] if experts else [])]
        if role == _Role.ToolTipRole:
            click = "" if way.mode.empty else "Click to show the reading that stands for this way: the thick outline"
            text += filter(None, (*way.cautions, click))
        return "\n".join(text)


class WayPainter(QStyledItemDelegate):
    """Paints a way: thumbnail, words, experts."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        """Paint one."""
        model = index.model()
        assert isinstance(model, WaysModel)
        way, cell = model.way(index.row()), QRectF(option.rect).adjusted(_EDGE, _EDGE, -_EDGE, -_EDGE)
        picture = QRectF(cell.left(), cell.top(), cell.height(), cell.height())
        if model.thumbnails is not None:
            model.thumbnails.paint(painter, picture, model.strokes(index.row()))
        if model.is_selected(index.row()):
            painter.setPen(QPen(option.palette.text().color(), 2.5))
            painter.drawRect(picture.adjusted(-2, -2, 2, 2))
        words = cell.adjusted(picture.width() + 3 * _EDGE, 0, 0, 0)
        _paint_words(painter, words, option, way)
        _paint_experts(painter, words, option, way)

    def sizeHint(self, option: QStyleOptionViewItem, index: _Index) -> QSize:
        """As high as four lines of text."""
        return QSize(0, max(_LEAST_SIDE, 4 * option.fontMetrics.lineSpacing()) + 2 * _EDGE)


class WaysList(ChoosingList):
    """The list; whatever is chosen is a way."""

    def __init__(self, model: WaysModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setModel(model)
        self.setItemDelegate(WayPainter(self))
        self.setMinimumHeight(_LOWEST)

    def sizeHint(self) -> QSize:
        """Low, so that the dock fits a small screen; it grows where there is room."""
        return QSize(super().sizeHint().width(), _LOWEST)


def _paint_words(painter: QPainter, area: QRectF, option: QStyleOptionViewItem, way: Way) -> None:
    painter.setPen(option.palette.text().color())
    line = QRectF(area.left(), area.top(), area.width(), option.fontMetrics.lineSpacing())
    for number, text in enumerate((way.title, *way.lines)):
        font = QFont(option.font)
        font.setBold(number == 0)
        painter.setFont(font)
        elided = option.fontMetrics.elidedText(text, Qt.TextElideMode.ElideRight, int(area.width()))
        painter.drawText(line, int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter), elided)
        line.translate(0, line.height())


def _paint_experts(painter: QPainter, area: QRectF, option: QStyleOptionViewItem, way: Way) -> None:
    """The experts who read it so, in the title's line, at the right."""
    painter.setFont(option.font)
    height, right = option.fontMetrics.lineSpacing(), area.right()
    for expert in reversed(way.experts):
        text = f"E{expert + 1}"
        right -= option.fontMetrics.horizontalAdvance(text)
        painter.setPen(option.palette.text().color())
        painter.drawText(QPointF(right, area.top() + option.fontMetrics.ascent() + 1), text)
        right -= height * 0.7
        painter.fillRect(QRectF(right, area.top() + height * 0.2, height * 0.55, height * 0.55), _swatch(expert))
        right -= 6


def _swatch(expert: int) -> QColor:
    return QColor(expert_colour(expert))

"""The grid of the gallery: paints its tiles, and tells which one the user points at."""

from qtpy.QtCore import QEvent, QModelIndex, QPersistentModelIndex, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPen, QResizeEvent
from qtpy.QtWidgets import QListView, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from napari_ambiseg.viewer.gallery.model import GalleryModel
from napari_ambiseg.viewer.widgets.choosing_list import ChoosingList

_EDGE, _FRAME = 4, 2.5
_LOWEST = 150  # pixels: a row and a half
_Index = QModelIndex | QPersistentModelIndex


class TilePainter(QStyledItemDelegate):
    """Paints a tile: thumbnail, frame, caption."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        """Paint one."""
        model = index.model()
        assert isinstance(model, GalleryModel)
        tile, palette = model.tile(index.row()), option.palette
        cell = QRectF(option.rect)
        picture = QRectF(cell.left() + _EDGE, cell.top() + _EDGE, cell.width() - 2 * _EDGE, cell.width() - 2 * _EDGE)
        if model.thumbnails is not None:
            model.thumbnails.paint(painter, picture, [tile.stroke])
        if tile.frame is not None:
            painter.setPen(QPen(QColor(tile.frame) if tile.frame else palette.text().color(), _FRAME))
            painter.drawRect(picture.adjusted(-2, -2, 2, 2))
        below = QRectF(cell.left(), picture.bottom() + 1, cell.width(), cell.bottom() - picture.bottom() - 1)
        if tile.is_expert:
            painter.fillRect(QRectF(picture.left(), below.top() + 1, picture.width(), 2), QColor(tile.stroke.colour))
        painter.setPen(palette.text().color())
        text = option.fontMetrics.elidedText(tile.caption, Qt.TextElideMode.ElideRight, int(cell.width()))
        painter.drawText(below.adjusted(0, 2, 0, 0), int(Qt.AlignmentFlag.AlignCenter), text)

    def sizeHint(self, option: QStyleOptionViewItem, index: _Index) -> QSize:
        """That of the grid."""
        view = option.widget
        return view.gridSize() if isinstance(view, QListView) else super().sizeHint(option, index)


class Tiles(ChoosingList):
    """The grid of tiles, as many columns as the width has room for.

    Args:
        wanted: How wide a thumbnail is wanted, in pixels.
    """

    def __init__(self, wanted: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._wanted = wanted
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setMovement(QListView.Movement.Static)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setUniformItemSizes(True)
        self.setMinimumHeight(_LOWEST)

    def sizeHint(self) -> QSize:
        """Low, so that the dock fits a small screen; it grows where there is room."""
        return QSize(super().sizeHint().width(), _LOWEST)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fill the width."""
        self._fit()
        super().resizeEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        """Another font needs another height."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._fit()

    def _fit(self) -> None:
        room = self.viewport().width() - 2
        width = room // max(1, round(room / self._wanted))
        self.setGridSize(QSize(max(width, 2 * _EDGE + 1), width + self.fontMetrics().height() + 6))

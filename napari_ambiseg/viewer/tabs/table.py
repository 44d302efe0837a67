"""Every reading against every expert, as a table that can be sorted.

A click on a cell, or the arrow keys, select the reading of its row; beside the expert of its column, if it has one.
"""

from enum import Enum
from typing import Any

import numpy as np
from qtpy.QtCore import QAbstractTableModel, QEvent, QModelIndex, QPersistentModelIndex, QSize, Qt, Signal
from qtpy.QtGui import QColor, QFont, QMouseEvent, QPainter, QPen
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from napari_ambiseg.viewer.canvas.looks import expert_colour
from napari_ambiseg.viewer.session.result import View
from napari_ambiseg.viewer.widgets.swatch import swatch

_AREA, _FIRST_EXPERT = 0, 1
_LOWEST, _LOWEST_ROW = 110, 16  # pixels: the header and four rows
_FRAME = 2  # pixels
_Index = QModelIndex | QPersistentModelIndex
_Role = Qt.ItemDataRole


class Metric(Enum):
    """Which agreement is shown."""

    DICE = "Dice"
    IOU = "IoU"


class ReadingsModel(QAbstractTableModel):
    """One row a reading; columns: its area, its agreement with each expert, the mean over experts."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._areas = np.zeros(0)
        self._scores = np.zeros((0, 0))
        self._names: tuple[str, ...] = ()
        self._order = np.arange(0)
        self._sorting: tuple[int, Qt.SortOrder] = (-1, Qt.SortOrder.AscendingOrder)
        self._metric = Metric.DICE

    def show(self, view: View | None, names: tuple[str, ...], metric: Metric) -> None:
        """Show a view of a result; None empties the table."""
        self.beginResetModel()
        self._metric = metric
        self._areas = np.zeros(0) if view is None else view.areas_mm2
        self._names = names if view is not None and view.comparison is not None else ()
        self._scores = np.zeros((len(self._areas), 0))
        if view is not None and view.comparison is not None:
            scores = view.comparison.dice if metric is Metric.DICE else view.comparison.iou
            self._scores = np.column_stack([scores, scores.mean(axis=1)])
        self._reorder()
        self.endResetModel()

    def reading(self, row: int) -> int:
        """Number of the reading in a row, from 0."""
        return int(self._order[row])

    def row(self, reading: int) -> int:
        """Row of a reading."""
        return int(np.flatnonzero(self._order == reading)[0])

    def column(self, expert: int) -> int:
        """Column of an expert."""
        return _FIRST_EXPERT + expert

    def expert(self, column: int) -> int | None:
        """Number of the expert in a column; None for the others."""
        reader = column - _FIRST_EXPERT
        return reader if 0 <= reader < len(self._names) else None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column; -1 is the order in which the readings were drawn."""
        self.layoutAboutToBeChanged.emit()
        before = self.persistentIndexList()
        readings = [self.reading(index.row()) for index in before]
        self._sorting = (column, order)
        self._reorder()
        after = [self.index(self.row(i), index.column()) for i, index in zip(readings, before, strict=True)]
        self.changePersistentIndexList(before, after)  # what is selected stays so
        self.layoutChanged.emit()

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008 (Qt's)
        """Number of readings."""
        return 0 if parent.isValid() else len(self._areas)

    def columnCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008 (Qt's)
        """Area, experts, mean."""
        return 0 if parent.isValid() else _FIRST_EXPERT + self._scores.shape[1]

    def data(self, index: _Index, role: int = _Role.DisplayRole) -> Any:
        """Text, alignment and colour of a cell."""
        reading, column = self.reading(index.row()), index.column()
        if role == _Role.TextAlignmentRole:
            return int(Qt.AlignmentFlag.AlignCenter)
        if column == _AREA:
            return self._area_data(float(self._areas[reading]), role)
        score = float(self._scores[reading, column - _FIRST_EXPERT])
        if role == _Role.DisplayRole:
            return f"{score:.2f}"
        if role == _Role.BackgroundRole:
            return QColor(86, 180, 233, round(110 * score))
        if role == _Role.ToolTipRole and (reader := self.expert(column)) is not None:
            return f"Click to see reading {reading + 1} beside {self._names[reader]}: where they agree and differ"
        return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = _Role.DisplayRole) -> Any:
        """Readings are numbered from 1; experts carry their colour."""
        if orientation == Qt.Orientation.Vertical:
            return str(self.reading(section) + 1) if role == _Role.DisplayRole else None
        reader = self.expert(section)
        if role == _Role.DecorationRole and reader is not None:
            return swatch(expert_colour(reader))
        if role == _Role.ToolTipRole:
            return self._explanation(section)
        if role == _Role.DisplayRole:
            return f"E{reader + 1}" if reader is not None else "mm²" if section == _AREA else "mean"
        return None

    def _area_data(self, area: float, role: int) -> Any:
        if role == _Role.DisplayRole:
            return f"{area:.0f}" if area > 0 else "empty"
        if role == _Role.FontRole and area == 0:
            font = QFont()
            font.setItalic(True)
            return font
        return None

    def _explanation(self, section: int) -> str:
        reader = section - _FIRST_EXPERT
        if section == _AREA:
            return "Area of the reading in square millimetres"
        if reader < len(self._names):
            return f"{self._metric.value} with {self._names[reader]}"
        return f"Mean {self._metric.value} over the experts"

    def _reorder(self) -> None:
        column, order = self._sorting
        drawn = np.arange(len(self._areas))
        if not 0 <= column < _FIRST_EXPERT + self._scores.shape[1]:
            self._order = drawn
            return
        keys = self._areas if column == _AREA else self._scores[:, column - _FIRST_EXPERT]
        descending = order == Qt.SortOrder.DescendingOrder
        self._order = np.argsort(-keys if descending else keys, kind="stable")


class _Cells(QStyledItemDelegate):
    """Cells, that of the pair which is looked at with a frame in the expert's colour."""

    def __init__(self, table: "ReadingsTable") -> None:
        super().__init__(table)
        self._table = table

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        """As always, then the frame."""
        super().paint(painter, option, index)
        expert = self._table.expert_at(index)
        if expert is not None and (self._table.reading_at(index), expert) == self._table.pair:
            painter.setPen(QPen(QColor(expert_colour(expert)), _FRAME))
            painter.drawRect(option.rect.adjusted(1, 1, -1, -1))


class ReadingsTable(QTableView):
    """The table.

    Signals:
        selected: Number of the reading that the user has clicked on, or reached with the arrow keys, and of the expert
            whose cell it was; None for the other cells.
    """

    selected = Signal(int, object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = ReadingsModel(self)
        self._is_pressed = False
        self.pair: tuple[int, int | None] | None = None
        self.setModel(self._model)
        self.setItemDelegate(_Cells(self))
        self.setSortingEnabled(True)
        self.sortByColumn(-1, Qt.SortOrder.AscendingOrder)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.horizontalHeader().setMinimumSectionSize(30)
        self.setMinimumHeight(_LOWEST)
        self.verticalHeader().setMinimumSectionSize(_LOWEST_ROW)
        self.verticalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignCenter)
        self.selectionModel().currentChanged.connect(self._on_cell)

    def sizeHint(self) -> QSize:
        """Low, so that the dock fits a small screen; it grows where there is room."""
        return QSize(super().sizeHint().width(), _LOWEST)

    def show_view(self, view: View | None, names: tuple[str, ...], metric: Metric, *, selected: int) -> None:
        """Show a view of a result, with one reading selected."""
        blocked = self.selectionModel().blockSignals(True)
        self._model.show(view, names, metric)
        self.selectionModel().blockSignals(blocked)
        if view is not None:
            self.select(selected)

    def select(self, reading: int, expert: int | None = None) -> None:
        """Mark a reading's row, and the cell of the expert beside it, without telling anybody."""
        self.pair = reading, expert
        cell = self._model.index(self._model.row(reading), self._column_for(expert))
        if self.currentIndex() != cell or not self.selectionModel().isRowSelected(cell.row(), QModelIndex()):
            blocked = self.blockSignals(True)
            self.setCurrentIndex(cell)  # where the arrow keys go on from
            self.blockSignals(blocked)
        self.viewport().update()

    def reading_at(self, index: _Index) -> int:
        """Number of the reading of a cell."""
        return self._model.reading(index.row())

    def expert_at(self, index: _Index) -> int | None:
        """Number of the expert of a cell; None for the others."""
        return self._model.expert(index.column())

    def changeEvent(self, event: QEvent) -> None:
        """Rows are as high as the font of the style that has come."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self.verticalHeader().setDefaultSectionSize(max(self.fontMetrics().lineSpacing() + 2, _LOWEST_ROW))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """A cell is pointed at: a reading, or a pair."""
        self._is_pressed = True  # the row alone says nothing
        super().mousePressEvent(event)
        self._is_pressed = False
        index = self.indexAt(event.position().toPoint())
        if index.isValid() and event.button() == Qt.MouseButton.LeftButton:
            self.selected.emit(self.reading_at(index), self.expert_at(index))

    def _column_for(self, expert: int | None) -> int:
        """That of the expert; for none, the current one if it is no expert's, either."""
        if expert is not None:
            return self._model.column(expert)
        now = self.currentIndex()
        return now.column() if now.isValid() and self.expert_at(now) is None else _AREA

    def _on_cell(self, current: QModelIndex) -> None:
        if current.isValid() and not self._is_pressed:
            self.selected.emit(self.reading_at(current), self.expert_at(current))

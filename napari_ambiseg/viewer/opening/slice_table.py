"""The slices of a split as a table to sort and to filter; the experts' agreement comes in as it is counted."""

from enum import IntEnum
from typing import Any

import numpy as np
from qtpy.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt
from qtpy.QtGui import QColor

from napari_ambiseg.io.lidc_index import Agreements, SliceIndex

_Index = QModelIndex | QPersistentModelIndex
_Role = Qt.ItemDataRole


class Column(IntEnum):
    """What stands where."""

    NUMBER = 0
    PATIENT = 1
    NODULE = 2
    DREW = 3
    AGREEMENT = 4
    NAME = 5


_HEADERS = {
    Column.NUMBER: ("Slice", "Counted from 1, in the order of the file"),
    Column.PATIENT: ("Patient", ""),
    Column.NODULE: ("Nodule", "Slices of one nodule are alike"),
    Column.DREW: ("Drew", "How many of the experts who read the slice marked something on it"),
    Column.AGREEMENT: ("Agreement", "Mean Dice of all pairs of experts who read it; two who marked nothing agree"),
    Column.NAME: ("Name", ""),
}


class SliceTable(QAbstractTableModel):
    """One row for each slice that passes the filter."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._index = SliceIndex((), np.zeros(0, np.int64), ())
        self._texts: list[str] = []
        self._drew = self._read = np.zeros(0, np.int64)
        self._dice = np.zeros(0)
        self._filter = ""
        self._sorting: tuple[int, Qt.SortOrder] = (Column.NUMBER, Qt.SortOrder.AscendingOrder)
        self._rows = np.arange(0)

    def show(self, index: SliceIndex) -> None:
        """Show other slices, about whose experts nothing is known yet."""
        self.beginResetModel()
        count = len(index)
        self._index = index
        self._texts = [_plain(f"{index.subjects[i]} {index.names[i]}") for i in range(count)]
        self._drew, self._read = np.zeros(count, np.int64), np.full(count, -1, np.int64)
        self._dice = np.full(count, np.nan)
        self._arrange()
        self.endResetModel()

    def add(self, found: Agreements) -> None:
        """Show what the experts did on some of the slices; they keep their rows until somebody sorts again."""
        rows = slice(found.start, found.start + len(found.dice))
        self._drew[rows], self._read[rows], self._dice[rows] = found.drew, found.read, found.dice
        if self.rowCount():
            corners = self.index(0, Column.DREW), self.index(self.rowCount() - 1, Column.AGREEMENT)
            self.dataChanged.emit(*corners, [_Role.DisplayRole, _Role.BackgroundRole])

    def filter(self, text: str) -> None:
        """Show the slices in whose patient and name ``text`` occurs, commas left out."""
        self.beginResetModel()
        self._filter = _plain(text)
        self._arrange()
        self.endResetModel()

    def slice_at(self, row: int) -> int:
        """Number of the slice in a row, from 0."""
        return int(self._rows[row])

    def row_of(self, number: int) -> int | None:
        """Row of a slice; None if the filter hides it."""
        found = np.flatnonzero(self._rows == number)
        return int(found[0]) if found.size else None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column, equal ones in the order of the file; what is unknown comes last."""
        self.layoutAboutToBeChanged.emit()
        self._sorting = (column, order)
        before = self.persistentIndexList()
        numbers = [self.slice_at(index.row()) for index in before]
        self._arrange()
        rows = {number: row for row, number in enumerate(self._rows.tolist())}
        after = [self.index(rows[n], index.column()) for n, index in zip(numbers, before, strict=True)]
        self.changePersistentIndexList(before, after)  # what is selected stays so
        self.layoutChanged.emit()

    def sort_again(self, _: object = None) -> None:
        """Sort as before what has come in since."""
        self.sort(*self._sorting)

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008 (Qt's)
        """Number of slices that are shown."""
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008 (Qt's)
        """See ``Column``."""
        return 0 if parent.isValid() else len(Column)

    def data(self, index: _Index, role: int = _Role.DisplayRole) -> Any:
        """Text, alignment and colour of a cell."""
        number, column = self.slice_at(index.row()), Column(index.column())
        if role == _Role.DisplayRole:
            return self._text(number, column)
        if role == _Role.TextAlignmentRole and column not in (Column.PATIENT, Column.NAME):
            return int(Qt.AlignmentFlag.AlignCenter)
        if role == _Role.BackgroundRole and column is Column.AGREEMENT and np.isfinite(self._dice[number]):
            return QColor(86, 180, 233, round(110 * self._dice[number]))
        return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = _Role.DisplayRole) -> Any:
        """Names of the columns, and what they mean."""
        if orientation == Qt.Orientation.Horizontal and role in (_Role.DisplayRole, _Role.ToolTipRole):
            return _HEADERS[Column(section)][role == _Role.ToolTipRole]
        return None

    def _text(self, number: int, column: Column) -> str:
        index = self._index
        known = self._read[number] >= 0
        match column:
            case Column.NUMBER:
                return str(number + 1)
            case Column.PATIENT:
                return index.subjects[number]
            case Column.NODULE:
                return "" if index.nodules[number] < 0 else str(index.nodules[number])
            case Column.DREW:
                return f"{self._drew[number]} of {self._read[number]}" if known else "…"
            case Column.AGREEMENT:
                return "…" if not known else f"{self._dice[number]:.2f}" if np.isfinite(self._dice[number]) else "–"
            case Column.NAME:
                return index.names[number]

    def _arrange(self) -> None:
        column, order = self._sorting
        shown = np.array([i for i, text in enumerate(self._texts) if self._filter in text], np.int64)
        keys = self._keys(Column(column))[shown]
        down = order == Qt.SortOrder.DescendingOrder
        ranks = np.unique(keys, return_inverse=True)[1].astype(np.float64)
        unknown = np.isnan(keys) if keys.dtype.kind == "f" else np.zeros(len(keys), np.bool_)
        ranks = np.where(unknown, np.inf, -ranks if down else ranks)
        self._rows = shown[np.argsort(ranks, kind="stable")]

    def _keys(self, column: Column) -> np.ndarray:
        match column:
            case Column.PATIENT:
                return np.array(self._index.subjects, np.str_)
            case Column.NODULE:
                return self._index.nodules
            case Column.DREW:
                return self._drew
            case Column.AGREEMENT:
                return self._dice
            case Column.NAME:
                return np.array(self._index.names, np.str_)
            case Column.NUMBER:
                return np.arange(len(self._index))


def _plain(text: str) -> str:
    return " ".join(text.lower().replace(",", " ").split())

"""The table of a lesion's areas slice by slice; a click goes to the slice."""

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, QSize, Qt, Signal
from qtpy.QtGui import QFont
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from napari_ambiseg.viewer.comparing.over_slices import HEADS, TOLD, cells, row_told
from napari_ambiseg.viewer.comparing.run_list import Figures
from napari_ambiseg.viewer.session.result import Result

_LOWEST = 110  # pixels
_Index = QModelIndex | QPersistentModelIndex
_Role = Qt.ItemDataRole


class OverSlicesModel(QAbstractTableModel):
    """A row a slice."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.results: tuple[Result, ...] = ()
        self._figures: Sequence[Figures] = ()
        self._shown: Result | None = None

    def show(self, results: tuple[Result, ...], figures: Sequence[Figures], shown: Result | None) -> None:
        """Show other slices, or the same at another threshold."""
        self.beginResetModel()
        self.results, self._figures, self._shown = results, figures, shown
        self.endResetModel()

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008 (Qt's)
        """Slices."""
        return 0 if parent.isValid() else len(self.results)

    def columnCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008 (Qt's)
        """Slice, readings, empty ones, experts."""
        return 0 if parent.isValid() else len(HEADS)

    def data(self, index: _Index, role: int = _Role.DisplayRole) -> Any:
        """Text and font of a cell."""
        result, figures = self.results[index.row()], self._figures[index.row()]
        if role == _Role.DisplayRole:
            return cells(result, figures)[index.column()]
        if role == _Role.ToolTipRole:
            return row_told(result, figures)
        if role == _Role.TextAlignmentRole:
            return int(Qt.AlignmentFlag.AlignCenter)
        if role == _Role.FontRole and result is self._shown:
            font = QFont()
            font.setBold(True)
            return font
        return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = _Role.DisplayRole) -> Any:
        """What the columns are."""
        if orientation == Qt.Orientation.Vertical:
            return None
        return {_Role.DisplayRole: HEADS[section], _Role.ToolTipRole: TOLD[section]}.get(_Role(role))


class OverSlicesTable(QTableView):
    """The table.

    Signals:
        chosen: The ``Result`` of a slice that the user wants to see.
    """

    chosen = Signal(object)

    def __init__(self, slices: OverSlicesModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setModel(slices)
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setMinimumHeight(_LOWEST)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(20)
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.horizontalHeader().setStretchLastSection(True)
        for signal in (self.clicked, self.activated):
            signal.connect(lambda index: self.chosen.emit(slices.results[index.row()]))

    def sizeHint(self) -> QSize:
        """Low, so that the dock fits a small screen; it grows where there is room."""
        return QSize(super().sizeHint().width(), _LOWEST)

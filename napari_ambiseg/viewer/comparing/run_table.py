"""The table of runs: two lines a run and its figures, under a heading for each slice if there are several."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, QSize, Qt, Signal
from qtpy.QtGui import QFont, QKeyEvent
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from napari_ambiseg.viewer.comparing.run_list import Figures, cells, row_told, slice_name, way_name
from napari_ambiseg.viewer.session.result import Result

_TICK, _NAME = 0, 1
_HEADS = ("", "Run", "GED", "Dice", "Empty", "s", "Seed", "Engine")
_TOLD = (
    "Tick runs of one slice to compare them",
    "Steps and sampler, and whether the readings are independent instead of in pairs; model",
    "Generalised energy distance, 0 if readings and experts vary alike; it depends on the number of readings, and is "
    "usually lower if they come in pairs",
    "Mean Dice of all pairs of a reading and an expert",
    "Readings that see nothing, of all, at the threshold that is set",
    "How many seconds it took",
    "Runs with the same seed can be compared reading by reading",
    "What has computed it",
)
_LOWEST, _WIDEST = 110, 212  # pixels: wide enough for "6 steps, dpm++2m, independent"
_Index = QModelIndex | QPersistentModelIndex
_Role = Qt.ItemDataRole


@dataclass(frozen=True, slots=True)
class Row:
    """A run, or the heading of a slice's runs.

    Attributes:
        heading: Name of the slice; "" for a run.
        result: The run; None for a heading.
        figures: What came of it.
    """

    heading: str
    result: Result | None = None
    figures: Figures | None = None


def rows_of(results: Sequence[Result], figures: Sequence[Figures]) -> list[Row]:
    """Rows in the order of the slices; runs of a slice as they were finished."""
    slices: dict[Any, list[Row]] = {}
    for result, found in zip(results, figures, strict=True):
        slices.setdefault(result.request.where, []).append(Row("", result, found))
    if len(slices) < 2:
        return [row for rows in slices.values() for row in rows]
    ordered = sorted(slices.items(), key=lambda item: _place(item[1]))
    return [row for _, rows in ordered for row in (Row(_name(rows)), *rows)]


def _name(rows: Sequence[Row]) -> str:
    assert rows[0].result is not None
    return slice_name(rows[0].result)


def _place(rows: Sequence[Row]) -> Any:
    """Slices of one image stand together, in their order."""
    assert rows[0].result is not None
    where = rows[0].result.request.where
    path, split, number = where.source or (None, "", 0)
    return where.layer, str(path or ""), split, number, where.index


class RunsModel(QAbstractTableModel):
    """The rows, which of them are ticked, and which run is shown.

    Signals:
        ticked: Another run is ticked, or one no longer.
    """

    ticked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows: list[Row] = []
        self._ticked: list[Result] = []
        self._shown: Result | None = None

    @property
    def ticked_results(self) -> tuple[Result, ...]:
        """The runs that are ticked, in the order of the rows."""
        return tuple(row.result for row in self.rows if row.result is not None and self._is_ticked(row.result))

    def show(self, rows: list[Row], shown: Result | None) -> None:
        """Show other rows; the same ones with other figures stay where they are."""
        is_same = [id(row.result) for row in rows] == [id(row.result) for row in self.rows]
        if not is_same:
            self.beginResetModel()
        self.rows, self._shown = rows, shown
        if not is_same:
            there = [row.result for row in rows]
            self._ticked = [result for result in self._ticked if any(result is other for other in there)]
            self.endResetModel()
            self.ticked.emit()
        elif rows:
            self.dataChanged.emit(self.index(0, 0), self.index(len(rows) - 1, len(_HEADS) - 1))

    def toggle(self, row: int) -> None:
        """Tick a run, or take its tick away."""
        result = self.rows[row].result
        if result is None:
            return
        if self._is_ticked(result):
            self._ticked = [other for other in self._ticked if other is not result]
        else:
            self._ticked.append(result)
        self.dataChanged.emit(self.index(row, _TICK), self.index(row, _TICK))
        self.ticked.emit()

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008 (Qt's)
        """Runs and headings."""
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008 (Qt's)
        """Tick, name and figures."""
        return 0 if parent.isValid() else len(_HEADS)

    def flags(self, index: _Index) -> Qt.ItemFlag:
        """Headings cannot be chosen; runs can be ticked."""
        if self.rows[index.row()].result is None:
            return Qt.ItemFlag.ItemIsEnabled
        plain = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        return plain | Qt.ItemFlag.ItemIsUserCheckable if index.column() == _TICK else plain

    def setData(self, index: _Index, value: Any, role: int = _Role.EditRole) -> bool:
        """Tick."""
        if role != _Role.CheckStateRole:
            return False
        self.toggle(index.row())
        return True

    def data(self, index: _Index, role: int = _Role.DisplayRole) -> Any:
        """Text, tick and font of a cell."""
        row, column = self.rows[index.row()], index.column()
        if role == _Role.FontRole and (row.result is None or row.result is self._shown):
            font = QFont()
            font.setBold(True)
            return font
        if row.result is None or row.figures is None:
            return row.heading if role == _Role.DisplayRole and column == _TICK else None
        if role == _Role.CheckStateRole and column == _TICK:
            return Qt.CheckState.Checked if self._is_ticked(row.result) else Qt.CheckState.Unchecked
        if role == _Role.ToolTipRole:
            return f"{row_told(row.result, row.figures)}\n{self._what_a_click_does(row.result)}"
        if role == _Role.TextAlignmentRole and column > _NAME:
            return int(Qt.AlignmentFlag.AlignCenter)
        if role == _Role.DisplayRole and column == _NAME:
            return f"{way_name(row.result)}\n{row.result.sampled.model_name}"
        if role == _Role.DisplayRole and column > _NAME:
            return cells(row.result, row.figures)[column - _NAME - 1]
        return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = _Role.DisplayRole) -> Any:
        """What the columns are."""
        if orientation == Qt.Orientation.Vertical:
            return None
        return {_Role.DisplayRole: _HEADS[section], _Role.ToolTipRole: _TOLD[section]}.get(_Role(role))

    def _what_a_click_does(self, result: Result) -> str:
        return "This run is shown" if result is self._shown else "Click to show it on its slice"

    def _is_ticked(self, result: Result) -> bool:
        return any(result is other for other in self._ticked)


class RunsTable(QTableView):
    """The table.

    Signals:
        chosen: A ``Result`` that the user wants to see.
    """

    chosen = Signal(object)

    def __init__(self, runs: RunsModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._runs = runs
        self.setModel(runs)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.setWordWrap(False)
        self.setShowGrid(False)
        self.setMinimumHeight(_LOWEST)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(2 * self.fontMetrics().lineSpacing() + 6)
        head = self.horizontalHeader()
        head.setMinimumSectionSize(22)
        head.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        head.setMaximumSectionSize(_WIDEST)
        runs.modelReset.connect(self._on_reset)
        self.clicked.connect(lambda index: self._choose(index) if index.column() > _TICK else None)
        self.activated.connect(self._choose)

    def sizeHint(self) -> QSize:
        """Low, so that the dock fits a small screen; it grows where there is room."""
        return QSize(super().sizeHint().width(), _LOWEST)

    def mark(self, shown: Result | None) -> None:
        """Select the row of the run that is shown."""
        found = [i for i, row in enumerate(self._runs.rows) if row.result is not None and row.result is shown]
        if found:
            self.setCurrentIndex(self._runs.index(found[0], _NAME))
        else:
            self.clearSelection()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """The space bar ticks; arrows move, Enter shows."""
        if event.key() == Qt.Key.Key_Space and self.currentIndex().isValid():
            self._runs.toggle(self.currentIndex().row())
        else:
            super().keyPressEvent(event)

    def _choose(self, index: QModelIndex) -> None:
        result = self._runs.rows[index.row()].result
        if result is not None:
            self.chosen.emit(result)

    def _on_reset(self) -> None:
        self.clearSpans()
        low = self.fontMetrics().lineSpacing() + 6
        for i, row in enumerate(self._runs.rows):
            if row.heading:
                self.setSpan(i, 0, 1, len(_HEADS))
            self.setRowHeight(i, low if row.heading else self.verticalHeader().defaultSectionSize())

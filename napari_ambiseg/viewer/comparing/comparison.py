"""The comparison: runs of one slice below each other, readings of the same seed in one column."""

from collections.abc import Sequence
from dataclasses import replace

from qtpy.QtCore import QModelIndex, QPersistentModelIndex, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QPainter, QPen
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QSizePolicy,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from napari_ambiseg.io.export import NOTICE
from napari_ambiseg.viewer.comparing.comparison_model import ComparisonModel
from napari_ambiseg.viewer.comparing.run_list import Figures, FiguresOf
from napari_ambiseg.viewer.comparing.side_by_side import MOST, SideBySide, cautions, head, side_by_side
from napari_ambiseg.viewer.session.blinding import without_experts
from napari_ambiseg.viewer.session.result import Result
from napari_ambiseg.viewer.session.showing import Showing
from napari_ambiseg.viewer.session.study import Study
from napari_ambiseg.viewer.widgets.when_seen import WhenSeen

_TILE, _EDGE, _FRAME = 112, 4, 2.5  # pixels
_LONGEST = "same seed as A: mean IoU 0.00, least 0.00"
_Index = QModelIndex | QPersistentModelIndex


class ComparedTile(QStyledItemDelegate):
    """Paints a reading: thumbnail, frame if it stands out, caption."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        """Paint one."""
        model = index.model()
        assert isinstance(model, ComparisonModel)
        row, column, cell = index.row(), index.column(), QRectF(option.rect)
        side = _TILE - 2 * _EDGE
        picture = QRectF(cell.left() + _EDGE, cell.top() + _EDGE, side, side)
        model.thumbnails[row].paint(painter, picture, model.strokes(row, column))
        if model.is_selected(row, column):
            painter.setPen(QPen(option.palette.text().color(), _FRAME))
            painter.drawRect(picture.adjusted(-2, -2, 2, 2))
        painter.setPen(option.palette.text().color())
        below = QRectF(cell.left(), picture.bottom() + 3, cell.width(), option.fontMetrics.lineSpacing())
        painter.drawText(below, int(Qt.AlignmentFlag.AlignCenter), index.data())

    def sizeHint(self, option: QStyleOptionViewItem, index: _Index) -> QSize:
        """A thumbnail and a line."""
        return QSize(_TILE, _TILE + option.fontMetrics.lineSpacing() + 4)


class Comparison(QWidget):
    """Two or more runs beside each other.

    Args:
        showing: What is shown; the comparison follows its threshold.
        study: A run that is forgotten there leaves the comparison.
        figures: What came of each run.

    Signals:
        wanted: A ``Result`` that the user wants to see, and a reading's number, or None.
    """

    wanted = Signal(object, object)

    def __init__(self, showing: Showing, study: Study, figures: FiguresOf, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._showing, self._study, self._figures = showing, study, figures
        self._results: tuple[Result, ...] = ()
        self.head = _text()
        self.cautions = _text()
        self.experts = QCheckBox("Experts")
        self.experts.setToolTip("Outline the experts in each picture, too")
        self.experts.toggled.connect(self._on_experts)
        self.model = ComparisonModel(showing, self)
        self.table = QTableView()
        self._when_seen = WhenSeen(self, self._refresh)
        self._arrange()
        self.table.clicked.connect(self._on_tile)
        self.table.verticalHeader().sectionClicked.connect(self._on_run)
        showing.view_changed.connect(self._when_seen.ask)
        for changed in (showing.result_changed, showing.selection_changed):
            changed.connect(self.table.viewport().update)
        showing.hidden_changed.connect(lambda: self.compare(self._results))
        study.changed.connect(self._on_study)

    def compare(self, results: Sequence[Result]) -> None:
        """Compare runs of one slice, the others with the first. No runs, or a hidden model, empty the table."""
        self._results, hidden = tuple(results[:MOST]), self._showing.hidden
        beside = side_by_side(self._results) if self._results and not hidden.model else None
        self.model.compare(beside, self._figures_of(beside))
        nothing = f"{hidden.told}." if hidden.model else "No runs to compare"
        self.head.setText(nothing if beside is None else head(beside))
        told = () if beside is None else cautions(self._seen(beside))
        self.cautions.setText("\n".join(told))
        self.cautions.setVisible(bool(told))
        self.experts.setVisible(beside is not None and len(beside.seeds) > 0 and not hidden.experts)
        self.table.setVisible(beside is not None)

    def _seen(self, beside: SideBySide) -> SideBySide:
        """Without what is hidden."""
        if not self._showing.hidden.experts:
            return beside
        return replace(beside, results=tuple(without_experts(one) for one in beside.results))

    def _figures_of(self, beside: SideBySide | None) -> list[Figures]:
        results = () if beside is None else beside.results
        found = [self._figures(one, self._showing.threshold) for one in results]
        return [one.without_experts for one in found] if self._showing.hidden.experts else found

    def _refresh(self) -> None:
        if self.model.beside is not None:
            self.model.follow(self._figures_of(self.model.beside))

    def _on_study(self) -> None:
        there = self._study.results
        left = [one for one in self._results if any(one is other for other in there)]
        if len(left) < len(self._results):
            self.compare(left)

    def _on_experts(self, is_on: bool) -> None:
        self.model.with_experts = is_on
        self.table.viewport().update()

    def _on_tile(self, index: QModelIndex) -> None:
        assert self.model.beside is not None
        row, column = index.row(), index.column()
        self.wanted.emit(self.model.beside.results[row], self.model.reading(row, column))

    def _on_run(self, row: int) -> None:
        assert self.model.beside is not None
        self.wanted.emit(self.model.beside.results[row], None)

    def _arrange(self) -> None:
        table = self.table
        table.setModel(self.model)
        table.setItemDelegate(ComparedTile(table))
        table.setShowGrid(False)
        table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        table.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        table.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        table.horizontalHeader().setDefaultSectionSize(_TILE)
        rows = table.verticalHeader()
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        rows.setDefaultSectionSize(_TILE + self.fontMetrics().lineSpacing() + 4)
        rows.setSectionsClickable(True)
        rows.setMinimumWidth(self.fontMetrics().horizontalAdvance(_LONGEST) + 12)  # it keeps its width
        line = QHBoxLayout()
        line.addWidget(self.head, 1)
        line.addWidget(self.experts)
        notice = QLabel(NOTICE)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 4, 6, 4)
        layout.setSpacing(3)
        layout.addLayout(line)
        layout.addWidget(self.cautions)
        layout.addWidget(table, 1)
        layout.addWidget(notice)


def _text() -> QLabel:
    label = QLabel()
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label

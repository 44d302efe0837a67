"""The rows of a comparison: a run each, its readings of the seeds that all runs have, and its figures."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt
from qtpy.QtWidgets import QWidget

from napari_ambiseg.viewer.canvas.looks import MODEL_COLOUR, expert_colour
from napari_ambiseg.viewer.comparing.run_list import Figures, row_told
from napari_ambiseg.viewer.comparing.side_by_side import SideBySide, run_lines
from napari_ambiseg.viewer.gallery.crop import crop_of, crops_of
from napari_ambiseg.viewer.gallery.items import area_text
from napari_ambiseg.viewer.gallery.thumbnails import Stroke, Thumbnails
from napari_ambiseg.viewer.session.blinding import without_experts
from napari_ambiseg.viewer.session.showing import Showing

_Index = QModelIndex | QPersistentModelIndex
_Role = Qt.ItemDataRole


class ComparisonModel(QAbstractTableModel):
    """A row a run, a column a seed.

    Args:
        showing: Which reading of which run stands out.
    """

    def __init__(self, showing: Showing, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._showing = showing
        self.beside: SideBySide | None = None
        self.thumbnails: list[Thumbnails] = []
        self.with_experts = False
        self._figures: Sequence[Figures] = ()
        self._iou: NDArray[np.float64] = np.zeros((0, 0))

    def compare(self, beside: SideBySide | None, figures: Sequence[Figures]) -> None:
        """Show other runs; None for none. What is hidden by then is left out."""
        self.beginResetModel()
        self.beside, self.thumbnails = beside, []
        if beside is not None:
            are_hidden = self._showing.hidden.experts  # not even the window may be where they marked something
            results = [without_experts(one) for one in beside.results] if are_hidden else beside.results
            is_same_shape = len({one.sampled.readings.shape[1:] for one in results}) == 1
            crops = crops_of(results) if is_same_shape else [crop_of(one) for one in results]
            self.thumbnails = [Thumbnails(crop) for crop in crops]
        self._count(figures)
        self.endResetModel()

    def follow(self, figures: Sequence[Figures]) -> None:
        """The same runs at another threshold."""
        self._count(figures)
        if self.rowCount():
            self.headerDataChanged.emit(Qt.Orientation.Vertical, 0, self.rowCount() - 1)
        if self.columnCount():
            self.dataChanged.emit(self.index(0, 0), self.index(self.rowCount() - 1, self.columnCount() - 1))

    def reading(self, row: int, column: int) -> int:
        """Number of a reading in its run."""
        assert self.beside is not None
        return int(self.beside.numbers[row, column])

    def is_selected(self, row: int, column: int) -> bool:
        """Whether it is the one that stands out on the image."""
        showing, beside = self._showing, self.beside
        if beside is None or showing.result is not beside.results[row]:
            return False
        return showing.selected == self.reading(row, column)

    def strokes(self, row: int, column: int) -> list[Stroke]:
        """What is outlined in a thumbnail."""
        crop, reading = self.thumbnails[row].crop, self.reading(row, column)
        segments = crop.readings[reading] if self._figures[row].kept[reading] else crop.readings[reading][:0]
        own = [Stroke(segments, MODEL_COLOUR)]
        if not self.with_experts:
            return own
        return [*(Stroke(one, expert_colour(i), 1.2, 0.8) for i, one in enumerate(crop.experts)), *own]

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008 (Qt's)
        """Runs."""
        return 0 if parent.isValid() or self.beside is None else len(self.beside.results)

    def columnCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008 (Qt's)
        """Seeds that all runs have."""
        return 0 if parent.isValid() or self.beside is None else len(self.beside.seeds)

    def data(self, index: _Index, role: int = _Role.DisplayRole) -> Any:
        """Caption and tooltip of a thumbnail."""
        row, column = index.row(), index.column()
        area = area_text(float(self._figures[row].area.samples[self.reading(row, column)]))
        iou = float(self._iou[row, column])
        if role == _Role.DisplayRole:
            return f"{area} · {iou:.2f}" if row and not self._is_nothing_to_both(row, column) else area
        if role == _Role.ToolTipRole:
            agreed = "neither sees anything" if self._is_nothing_to_both(row, column) else f"IoU {iou:.2f}"
            with_a = f"\nWith the reading of the same seed in A: {agreed}" if row else ""
            return f"Reading {self.reading(row, column) + 1}: {area}{with_a}\nClick to show it on the image"
        return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = _Role.DisplayRole) -> Any:
        """A run's figures; a column's number."""
        beside = self.beside
        if beside is None:
            return None
        if orientation == Qt.Orientation.Vertical:
            if role == _Role.DisplayRole:
                return "\n".join(run_lines(beside, section, self._figures))
            if role == _Role.ToolTipRole:
                why = self._showing.hidden.not_compared
                told = row_told(beside.results[section], self._figures[section], not_compared=why)
                return f"{told}\nClick to show this run"
            return int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter) if _is_alignment(role) else None
        if role == _Role.DisplayRole:
            return str(self.reading(0, section) + 1)
        return f"Seed {beside.seeds[section]}" if role == _Role.ToolTipRole else None

    def _is_nothing_to_both(self, row: int, column: int) -> bool:
        return not any(self._figures[run].kept[self.reading(run, column)] for run in (0, row))

    def _count(self, figures: Sequence[Figures]) -> None:
        self._figures = figures
        self._iou = np.zeros((0, 0)) if self.beside is None else self.beside.iou(figures)


def _is_alignment(role: int) -> bool:
    return role == _Role.TextAlignmentRole

"""The rows of the gallery: what is shown of each expert and each reading."""

from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from napari_ambiseg.viewer.canvas.looks import MODEL_COLOUR, expert_colour
from napari_ambiseg.viewer.gallery.crop import crop_of
from napari_ambiseg.viewer.gallery.items import (
    Order,
    SortBy,
    area_text,
    captions,
    expert_told,
    reading_told,
    sorted_readings,
)
from napari_ambiseg.viewer.gallery.thumbnails import Stroke, Thumbnails
from napari_ambiseg.viewer.session.grouping import Grouping
from napari_ambiseg.viewer.session.result import Result, View
from napari_ambiseg.viewer.session.showing import Showing

_Index = QModelIndex | QPersistentModelIndex
_Role = Qt.ItemDataRole


@dataclass(frozen=True, slots=True)
class Tile:
    """One thumbnail.

    Attributes:
        is_expert: Whether it is an expert's.
        number: Which expert or reading, from 0.
        caption: What stands below.
        stroke: The outline; of no segments if nothing is marked.
        frame: Colour of the frame; "" for the palette's, None for no frame.
    """

    is_expert: bool
    number: int
    caption: str
    stroke: Stroke
    frame: str | None


class GalleryModel(QAbstractListModel):
    """The experts, then the readings in their order."""

    def __init__(self, showing: Showing, grouping: Grouping, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._showing, self._grouping = showing, grouping
        self._result: Result | None = None
        self._view: View | None = None
        self._rows: list[tuple[bool, int]] = []
        self._captions: list[str] = []
        self.thumbnails: Thumbnails | None = None

    def refresh(self, order: Order) -> None:
        """Show what is shown, in an order."""
        self.beginResetModel()
        result, view = self._showing.seen_result, self._showing.seen_view
        if result is not self._result:
            self.thumbnails = None if result is None else Thumbnails(crop_of(result))
        self._result, self._view = result, view
        self._rows, self._captions = [], []
        if view is not None:
            found = self._grouping.found if order.by is SortBy.WAY else ()
            self._captions = captions(view, found, order)
            self._rows = [(True, i) for i in range(len(view.expert_areas_mm2))]
            self._rows += [(False, i) for i in sorted_readings(view, found, order)]
        self.endResetModel()

    def row_of(self, *, reading: int) -> int:
        """Row of a reading; -1 if there is none."""
        return self._rows.index((False, reading)) if (False, reading) in self._rows else -1

    def tile(self, row: int) -> Tile:
        """What is shown in a row."""
        view, thumbnails = self._view, self.thumbnails
        assert view is not None
        assert thumbnails is not None
        is_expert, number = self._rows[row]
        if is_expert:
            caption = f"E{number + 1}: {area_text(view.expert_areas_mm2[number])}"
            stroke = Stroke(thumbnails.crop.experts[number], expert_colour(number))
            return Tile(True, number, caption, stroke, stroke.colour if number == self._showing.expert else None)
        segments = thumbnails.crop.readings[number]
        stroke = Stroke(segments if view.areas_mm2[number] else segments[:0], MODEL_COLOUR)
        frame = "" if number == self._showing.selected else None
        return Tile(False, number, self._captions[number], stroke, frame)

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008 (Qt's)
        """Number of thumbnails."""
        return 0 if parent.isValid() else len(self._rows)

    def data(self, index: _Index, role: int = _Role.DisplayRole) -> Any:
        """The caption, and what is said of it."""
        if role in (_Role.DisplayRole, _Role.AccessibleTextRole):
            return self.tile(index.row()).caption
        if role == _Role.ToolTipRole:
            return self._told(*self._rows[index.row()])
        return None

    def _told(self, is_expert: bool, number: int) -> str:
        result, view = self._result, self._view
        if result is None or view is None:
            return ""
        if is_expert:
            return expert_told(result, view, number, selected=self._showing.selected)
        return reading_told(result, view, number)

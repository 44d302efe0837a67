"""The tab with sizes: how large the readings are in millimetres, and where the experts' masks lie among them."""

from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPlainTextEdit, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from napari_ambiseg.readings.distribution import Sizes
from napari_ambiseg.viewer.gallery.items import counted, expert_told, reading_told
from napari_ambiseg.viewer.session.showing import Showing
from napari_ambiseg.viewer.tabs.size_strips import SizeStrips
from napari_ambiseg.viewer.tabs.sizes_text import numbers_text
from napari_ambiseg.viewer.widgets.shortcuts import NOTHING_YET, allow
from napari_ambiseg.viewer.widgets.when_seen import WhenSeen

_NUMBERS_LINES = 2  # that are seen without scrolling


class SizesTab(QWidget):
    """Strips of sizes, and the same as numbers.

    Args:
        showing: What is shown.
    """

    def __init__(self, showing: Showing, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._showing = showing
        self.head = QLabel()
        self.head.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)  # the dock stays narrow
        self.head.setToolTip(
            "A dot a reading, the experts below the scale in their colours; the line is the median of the readings, "
            "the band holds 90 % of them. Readings that see nothing have no size: they stand apart"
        )
        self.strips = SizeStrips(self._told)
        self.strips.chosen.connect(lambda reading: showing.select(reading, showing.expert))
        self.strips.expert_chosen.connect(self._on_expert)
        self.numbers = QPlainTextEdit()
        self.numbers.setReadOnly(True)
        self.numbers.setFixedHeight(_NUMBERS_LINES * self.numbers.fontMetrics().lineSpacing() + 12)
        self.copy = QToolButton()
        self.copy.setText("Copy")
        self.copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(self.numbers.toPlainText()))
        self._when_seen = WhenSeen(self, self._refresh)
        self._arrange()
        for changed in (showing.result_changed, showing.view_changed):
            changed.connect(self._when_seen.ask)
        showing.selection_changed.connect(self._on_selection)

    def _refresh(self) -> None:
        found, result = self._sizes(), self._showing.seen_result
        self.strips.show_sizes(found)
        self._on_selection()
        allow(self.copy, "Copy these figures as text", "" if found is not None else NOTHING_YET)
        if found is None or result is None:
            self.head.setText("No readings yet")
            self.numbers.clear()
            return
        self.head.setText(counted(found.area.samples, "reading"))
        self.numbers.setPlainText(numbers_text(found, result.request.experts.names))

    def _sizes(self) -> Sizes | None:
        result, view = self._showing.seen_result, self._showing.seen_view
        return None if result is None or view is None else result.sizes.emptied(view.areas_mm2 > 0)

    def _told(self, is_expert: bool, number: int) -> str:
        result, view = self._showing.seen_result, self._showing.seen_view
        if result is None or view is None:
            return ""
        if is_expert:
            return expert_told(result, view, number, selected=self._showing.selected)
        return reading_told(result, view, number)

    def _on_selection(self) -> None:
        self.strips.select(self._showing.selected, self._showing.expert)

    def _on_expert(self, expert: int) -> None:
        showing = self._showing
        showing.select(showing.selected, None if expert == showing.expert else expert)

    def _arrange(self) -> None:
        line = QHBoxLayout()
        line.addWidget(self.head, 1)
        line.addWidget(self.copy)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2, 2, 2, 2)
        layout.setSpacing(3)
        layout.addLayout(line)
        layout.addWidget(self.strips, 1)
        layout.addWidget(self.numbers)

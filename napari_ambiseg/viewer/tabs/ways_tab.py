"""The tab with the typical readings: in how many ways the lesion is read, how often each, and by which experts."""

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QSlider, QVBoxLayout, QWidget

from napari_ambiseg.viewer.gallery.crop import crop_of
from napari_ambiseg.viewer.gallery.thumbnails import Thumbnails
from napari_ambiseg.viewer.session.grouping import Grouping
from napari_ambiseg.viewer.session.result import Result
from napari_ambiseg.viewer.session.showing import Showing
from napari_ambiseg.viewer.tabs.ways import sentence, strangers, ways
from napari_ambiseg.viewer.tabs.ways_list import WaysList, WaysModel
from napari_ambiseg.viewer.widgets.when_seen import WhenSeen

_PER_UNIT = 100  # positions of the slider


class WaysTab(QWidget):
    """The ways, and what counts as the same way.

    Args:
        showing: What is shown.
        grouping: The ways to read it.
    """

    def __init__(self, showing: Showing, grouping: Grouping, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._showing, self._grouping = showing, grouping
        self._result: Result | None = None
        self._thumbnails: Thumbnails | None = None
        self.sentence = _text()
        self.strangers = _text()
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, _PER_UNIT)
        self.slider.setToolTip(
            "Readings whose overlap (IoU) with each other is this on average, or more, are one way to read the lesion. "
            "Further right, smaller differences count as another way"
        )
        self._similar = QLabel()
        self.model = WaysModel(showing, self)
        self.list = WaysList(self.model)
        self.list.chosen.connect(self._on_chosen)
        self._when_seen = WhenSeen(self, self._refresh)
        self._arrange()
        for changed in (showing.result_changed, showing.view_changed, grouping.changed):
            changed.connect(self._when_seen.ask)
        showing.selection_changed.connect(self.list.viewport().update)
        self.slider.valueChanged.connect(lambda value: grouping.set_similar_iou(value / _PER_UNIT))

    def _refresh(self) -> None:
        result, view, found = self._showing.seen_result, self._showing.seen_view, self._grouping.found
        if result is not self._result:
            self._result, self._thumbnails = result, None if result is None else Thumbnails(crop_of(result))
        self._show_slider()
        stands = self._grouping.stands()
        names = () if result is None else result.request.experts.names
        self.sentence.setText(sentence(found))
        self.strangers.setText("" if view is None else strangers(view, found, stands))
        self.strangers.setVisible(bool(self.strangers.text()))
        in_pairs = result is not None and result.request.settings.antithetic
        told = () if view is None else ways(view, found, stands, in_pairs=in_pairs)
        self.model.show(told, names, self._thumbnails)

    def _show_slider(self) -> None:
        blocked = self.slider.blockSignals(True)
        self.slider.setValue(round(self._grouping.similar_iou * _PER_UNIT))
        self.slider.blockSignals(blocked)
        self._similar.setText(f"Same way from IoU {self._grouping.similar_iou:.2f}")

    def _on_chosen(self, row: int) -> None:
        self._showing.select(self.model.way(row).mode.medoid, self._showing.expert)

    def _arrange(self) -> None:
        similar = QHBoxLayout()
        similar.addWidget(self._similar)
        similar.addWidget(self.slider, 1)
        self._similar.setToolTip(self.slider.toolTip())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2, 2, 2, 2)
        layout.setSpacing(3)
        layout.addWidget(self.sentence)
        layout.addLayout(similar)
        layout.addWidget(self.list, 1)
        layout.addWidget(self.strangers)


def _text() -> QLabel:
    label = QLabel()
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label

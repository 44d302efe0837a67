"""What the dock shows of a result: threshold, agreement, the table, the reverse diffusion, which layers are seen."""

from collections.abc import Mapping

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QSlider, QVBoxLayout, QWidget

from napari_ambiseg.viewer.canvas.look_box import LookBox
from napari_ambiseg.viewer.canvas.looking import Looking
from napari_ambiseg.viewer.gallery.dock import GalleryDock
from napari_ambiseg.viewer.gallery.gallery import Gallery
from napari_ambiseg.viewer.image.origin import Role
from napari_ambiseg.viewer.session.grouping import Grouping
from napari_ambiseg.viewer.session.result import summary
from napari_ambiseg.viewer.session.showing import Showing
from napari_ambiseg.viewer.tabs.player import Player
from napari_ambiseg.viewer.tabs.sizes_tab import SizesTab
from napari_ambiseg.viewer.tabs.table import ReadingsTable
from napari_ambiseg.viewer.tabs.table_tab import TableTab
from napari_ambiseg.viewer.tabs.ways_tab import WaysTab
from napari_ambiseg.viewer.widgets.elided import ElidedLabel
from napari_ambiseg.viewer.widgets.page_tabs import PageTabs
from napari_ambiseg.viewer.widgets.sentence import Sentence

_PER_UNIT = 100  # positions of the threshold slider


class ResultsBox(QWidget):
    """The lower half of the dock.

    Signals:
        seen_changed: Roles, and whether they are to be seen.
    """

    seen_changed = Signal(object, bool)

    def __init__(self, showing: Showing, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._showing = showing
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, _PER_UNIT)
        self.slider.setToolTip(
            "Readings whose area is below this share of the largest reading's are treated as empty (nothing there). "
            "Nothing is sampled again"
        )
        self._threshold_label = QLabel()
        self._threshold_label.setToolTip(self.slider.toolTip())
        self.slider.valueChanged.connect(self._on_slider)
        self.image_name = ElidedLabel()
        self.summary_label = Sentence()
        self.summary_label.setToolTip(
            "GED: generalised energy distance, 0 if readings and experts vary alike; smaller is better. "
            "Readings in pairs usually have a lower GED than as many independent ones. Unbiased: a mask is compared "
            "neither with itself nor with the other of its pair. Below: how many readings are empty, and the smallest "
            "and largest areas of those that are not, and of the experts. How many are empty is what the model draws; "
            "the share of experts who would draw nothing may be another: they are often less sure of a lesion"
        )
        self.table_tab = TableTab(showing)
        self.grouping = Grouping(showing, self)
        self.looking = Looking(showing, self.grouping, self)
        self.look_box = LookBox(showing, self.looking)
        self.look_box.seen_changed.connect(self.seen_changed)
        self.tabs = PageTabs()
        self.tabs.addTab(self.table_tab, "Table")
        self.gallery = Gallery(showing, self.grouping)
        self.gallery_dock = GalleryDock(self.gallery, showing, self.grouping)
        self.tabs.addTab(self.gallery, "Gallery")
        self.tabs.addTab(WaysTab(showing, self.grouping), "Ways")
        self.tabs.addTab(SizesTab(showing), "Sizes")
        self._blind_tabs = [self.tabs.widget(number) for number in range(self.tabs.count())]
        self.player = Player()
        self.player.moved.connect(self._on_moved)
        self.player.way_changed.connect(showing.set_way)
        self._arrange()
        showing.result_changed.connect(self._on_result)
        showing.view_changed.connect(self._on_view)
        self._on_result()

    @property
    def table(self) -> ReadingsTable:
        """Every reading against every expert."""
        return self.table_tab.table

    @property
    def seen(self) -> dict[str, QCheckBox]:
        """What can be ticked to be seen, by its name."""
        return self.look_box.seen

    def seen_roles(self) -> list[tuple[tuple[Role, ...], bool]]:
        """Which outlines are ticked to be seen."""
        return self.look_box.seen_roles()

    def seen_now(self) -> dict[str, bool]:
        """What is ticked and chosen, by its name."""
        return self.look_box.seen_now()

    def see(self, wanted: Mapping[str, bool]) -> None:
        """Tick and choose what ``seen_now`` told."""
        self.look_box.see(wanted)

    def _on_result(self) -> None:
        whole, result = self._showing.result, self._showing.seen_result
        self.show_image_name("" if whole is None else whole.request.image_name)
        self._make_blind()
        steps = () if result is None else result.sampled.steps.tolist()
        log_snr = () if result is None else result.sampled.log_snr.tolist()
        self.player.load(steps=steps, log_snr=log_snr)
        self._on_view()

    def _on_view(self) -> None:
        blocked = self.slider.blockSignals(True)  # a threshold between two positions is as good as any
        self.slider.setValue(round(self._showing.threshold * _PER_UNIT))
        self.slider.blockSignals(blocked)
        self._show_threshold()
        view, hidden = self._showing.seen_view, self._showing.hidden
        self.summary_label.setText(
            "No readings yet" if view is None else summary(view, not_compared=hidden.not_compared)
        )
        self.summary_label.setVisible(not hidden.model)

    def _make_blind(self) -> None:
        """Leave what does not give away what is hidden; of tabs, those that know of it."""
        hidden = self._showing.hidden
        self.tabs.setVisible(not hidden.model)
        self.player.setVisible(not hidden.model)
        for number in range(len(self._blind_tabs), self.tabs.count()):
            self.tabs.setTabVisible(number, not hidden.told)

    def show_image_name(self, name: str) -> None:
        """Head the figures with the image that they are of; "" for none."""
        self.image_name.show_text(name)

    def _arrange(self) -> None:
        threshold = QHBoxLayout()
        threshold.addWidget(self._threshold_label)
        threshold.addWidget(self.slider, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addWidget(self.look_box)
        layout.addLayout(threshold)
        layout.addWidget(self.image_name)
        layout.addWidget(self.summary_label)
        layout.addWidget(self.tabs, 1)
        layout.addWidget(self.player)
        layout.addStretch()  # where tabs are hidden

    def _on_slider(self) -> None:
        self._show_threshold()
        self._showing.set_threshold(self.slider.value() / _PER_UNIT)

    def _show_threshold(self) -> None:
        self._threshold_label.setText(f"Empty if below {self.slider.value()} % of largest")

    def _on_moved(self, position: int) -> None:
        self._showing.go_to(None if self.player.is_at_end else position)

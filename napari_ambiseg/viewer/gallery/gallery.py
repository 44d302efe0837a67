"""The gallery: every expert and every reading as a thumbnail; a click selects."""

from dataclasses import replace

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from napari_ambiseg.viewer.gallery.items import Order, head_line, orders
from napari_ambiseg.viewer.gallery.model import GalleryModel
from napari_ambiseg.viewer.gallery.tiles import TilePainter, Tiles
from napari_ambiseg.viewer.session.grouping import Grouping
from napari_ambiseg.viewer.session.showing import Showing
from napari_ambiseg.viewer.widgets.elided import ElidedComboBox
from napari_ambiseg.viewer.widgets.when_seen import WhenSeen

_IN_DOCK, _LARGE = 84, 150  # pixels: how wide a thumbnail is wanted


class Gallery(QWidget):
    """Thumbnails of all that is shown, with their order.

    Args:
        showing: What is shown.
        grouping: The ways to read it.
        large: Whether it has a place of its own: larger thumbnails, and no button for that.

    Signals:
        enlarge_wanted: The gallery is wanted in a place of its own.
    """

    enlarge_wanted = Signal()

    def __init__(
        self, showing: Showing, grouping: Grouping, *, large: bool = False, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._showing = showing
        self.head = QLabel()
        self.head.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)  # the dock stays narrow
        self.order_box = ElidedComboBox()
        self.order_box.setToolTip("The order of the readings; 'Way' begins with the commonest way to read the lesion")
        self.backwards = QToolButton()
        self.backwards.setText("⇅")
        self.backwards.setCheckable(True)
        self.backwards.setToolTip("The last first")
        self.enlarge = QToolButton()
        self.enlarge.setText("Larger")
        self.enlarge.setToolTip("Open the gallery in a place of its own, with larger thumbnails")
        self.enlarge.setVisible(not large)
        self.enlarge.clicked.connect(self.enlarge_wanted)
        self.model = GalleryModel(showing, grouping, self)
        self.tiles = Tiles(_LARGE if large else _IN_DOCK)
        self.tiles.setModel(self.model)
        self.tiles.setItemDelegate(TilePainter(self.tiles))
        self.tiles.chosen.connect(self._on_chosen)
        self._is_choosing = False
        self._when_seen = WhenSeen(self, self._refresh)
        self._arrange()
        showing.result_changed.connect(self._on_result)
        for changed in (showing.view_changed, grouping.changed):
            changed.connect(self._when_seen.ask)
        showing.selection_changed.connect(self._on_selection)
        self.order_box.currentIndexChanged.connect(self._when_seen.ask)
        self.backwards.toggled.connect(self._when_seen.ask)
        self._on_result()

    @property
    def order(self) -> Order:
        """The order that is set."""
        chosen = self.order_box.currentData() or Order()
        return replace(chosen, backwards=self.backwards.isChecked())

    def _on_result(self) -> None:
        chosen = self.order_box.currentText()
        blocked = self.order_box.blockSignals(True)
        self.order_box.clear()
        for name, order in orders(self._showing.seen_result):
            self.order_box.addItem(name, userData=order)
        self.order_box.setCurrentIndex(max(0, self.order_box.findText(chosen)))
        self.order_box.blockSignals(blocked)
        self._when_seen.ask()

    def _refresh(self) -> None:
        top = self.tiles.verticalScrollBar().value()
        self.head.setText(head_line(self._showing.seen_view))
        self.model.refresh(self.order)
        self._go_to_selected()
        self.tiles.verticalScrollBar().setValue(top)

    def _on_selection(self) -> None:
        self.tiles.viewport().update()
        if not self._is_choosing:  # otherwise it stands where the user points, which may be an expert
            self._go_to_selected()

    def _go_to_selected(self) -> None:
        self.tiles.setCurrentIndex(self.model.index(self.model.row_of(reading=self._showing.selected)))

    def _on_chosen(self, row: int, by_mouse: bool) -> None:
        tile, showing = self.model.tile(row), self._showing
        self._is_choosing = True
        if not tile.is_expert:
            showing.select(tile.number, showing.expert)
        elif by_mouse and tile.number == showing.expert:
            showing.select(showing.selected, None)
        else:
            showing.select(showing.selected, tile.number)
        self._is_choosing = False

    def _arrange(self) -> None:
        line = QHBoxLayout()
        line.addWidget(QLabel("Sort"))
        line.addWidget(self.order_box, 1)
        line.addWidget(self.backwards)
        line.addWidget(self.enlarge)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2, 2, 2, 2)
        layout.setSpacing(3)
        layout.addWidget(self.head)
        layout.addLayout(line)
        layout.addWidget(self.tiles, 1)

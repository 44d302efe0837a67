"""Accepts the selected reading as a mask of the user's own, and says live where it lies among the readings.

napari 0.9 tells of painting by several events: each move of a brush by ``labels_update``, the end of a stroke, a fill
or a polygon by ``paint``, undo and redo by ``set_data``, new data by ``data``. Any of them starts the same short timer,
so that a stroke is followed without being held up.

Most of what a new layer costs is napari's: in the turn of the event loop in which the layer is added, it makes what
draws the layer, its brush and its polygons, and shows its controls, which is more than a tenth of a second. Controls,
brush and polygons therefore follow in turns of their own; nobody can have begun to paint by then.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from napari.components import ViewerModel
from napari.layers import Image, Labels
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from napari_ambiseg.readings.place import Among, among
from napari_ambiseg.viewer.asking.choosers import Connections
from napari_ambiseg.viewer.image.plane import layer_shape
from napari_ambiseg.viewer.image.unselected import left_unselected
from napari_ambiseg.viewer.image.where import Where
from napari_ambiseg.viewer.keeping.accepted import (
    accept,
    accepted_of,
    below_outlines,
    is_of_another_picture,
    masks_on,
    place_told,
    set_aside,
    show_aid,
)
from napari_ambiseg.viewer.session.showing import Showing
from napari_ambiseg.viewer.widgets.sentence import Sentence
from napari_ambiseg.viewer.widgets.shortcuts import ACCEPT, NOTHING_YET, allow, bind

_PAUSE_MS = 40  # after the last move of the brush
_HINT = "Paint on it: keys 2 (brush) and 1 (eraser), [ and ] for their size, Ctrl+Z undoes."


class Accepting(QWidget):
    """A button, and a line on the mask that is painted on.

    Args:
        showing: What is shown.
        viewer: Where the layers are.

    Signals:
        accepted: The new layer.
    """

    accepted = Signal(object)

    def __init__(self, showing: Showing, viewer: ViewerModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._showing, self._viewer = showing, viewer
        self._followed: dict[Labels, Connections] = {}
        self._hidden: list[Labels] = []
        self._prepared: tuple[object, Among] | None = None
        self.button = QPushButton("Accept as mask")
        bind(self.button, ACCEPT)
        self.button.clicked.connect(self.accept)
        self.line = Sentence()
        self.line.setToolTip(
            "Your mask among the readings at this threshold; Dice of 1 is the same mask, 0 no overlap. " + _HINT
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addWidget(self.line)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_PAUSE_MS)
        self._timer.timeout.connect(self.refresh)
        self._due: list[Callable[[], None]] = []
        self._next_turn = QTimer(self)
        self._next_turn.timeout.connect(self._do_next)
        for changed in (showing.result_changed, showing.view_changed):
            changed.connect(self._timer.start)
        for changed in (showing.result_changed, showing.selection_changed):
            changed.connect(self._show_button)
        self._connect_viewer()
        self._show_button()
        self.refresh()

    def accept(self) -> Labels | None:
        """Make the selected reading, at the threshold, a layer of the user's own; None if nothing is shown."""
        result, view = self._showing.seen_result, self._showing.seen_view
        if result is None or view is None:
            return None
        identity = result.request.where.layer
        image = next((layer for layer in self._viewer.layers if str(layer.unique_id) == identity), None)
        if not isinstance(image, Image):
            return None  # it has been removed, and the result is about to go with it
        layer = accept(result, view, self._showing.selected, shape=layer_shape(image))
        aids = set_aside(layer)
        with left_unselected(self._viewer.layers):
            self._viewer.layers.insert(below_outlines(self._viewer.layers), layer)
        self._due += [partial(self._select, layer), *(partial(show_aid, aid) for aid in aids)]
        self._next_turn.start()
        self.accepted.emit(layer)
        return layer

    def attend(self, where: Where | None) -> None:
        """Hide masks of another slice of the file that the image now shows a slice of; show them when it is back."""
        if where is None:
            return
        for layer in [layer for layer in self._viewer.layers if isinstance(layer, Labels)]:
            strange = is_of_another_picture(layer, where)
            if strange and layer.visible:
                layer.visible = False
                self._hidden.append(layer)
            elif not strange and layer in self._hidden:
                self._hidden.remove(layer)
                layer.visible = True
        self._timer.start()

    def refresh(self) -> None:
        """Say where the mask lies now."""
        found = self._followed_mask()
        prepared = self._among()
        self.line.setHidden(found is None or prepared is None)
        if found is not None and prepared is not None:
            layer, mask = found
            self.line.setText(f"{layer.name}: {place_told(mask, prepared)}")

    def _do_next(self) -> None:
        """One in a turn."""
        if self._due:
            self._due.pop(0)()
        else:
            self._next_turn.stop()

    def _select(self, layer: Labels) -> None:
        if layer in self._viewer.layers:
            self._viewer.layers.selection.active = layer

    def _followed_mask(self) -> tuple[Labels, Any] | None:
        """The mask that the user works on: that of the layer that is selected, else of the uppermost."""
        result = self._showing.seen_result
        if result is None:
            return None
        found = masks_on(self._viewer.layers, result.request.where)
        chosen = [one for one in found if one[0] is self._viewer.layers.selection.active]
        return (chosen or found)[-1] if found else None

    def _among(self) -> Among | None:
        """The readings, prepared once for all strokes."""
        result, view = self._showing.seen_result, self._showing.seen_view
        if result is None or view is None:
            self._prepared = None
            return None
        if self._prepared is None or self._prepared[0] is not view:
            request = result.request
            prepared = among(samples=view.readings, experts=request.experts.masks, spacing_mm=request.plane.spacing_mm)
            self._prepared = view, prepared
        return self._prepared[1]

    def _show_button(self) -> None:
        has_result = self._showing.seen_result is not None
        which = f"reading {self._showing.selected + 1}" if has_result else "the selected reading"
        tip = f"Make {which} a mask of your own, in a new layer to paint on ({ACCEPT.keys}). {_HINT}"
        obstacle = "the model is hidden" if self._showing.hidden.model else NOTHING_YET
        allow(self.button, tip.rstrip("."), "" if has_result else obstacle)

    def _on_layers(self, event: object = None) -> None:
        layers = [layer for layer in self._viewer.layers if isinstance(layer, Labels) and accepted_of(layer)]
        for layer in [layer for layer in self._followed if layer not in layers]:
            self._followed.pop(layer).drop()
            self._hidden = [other for other in self._hidden if other is not layer]
        for layer in (layer for layer in layers if layer not in self._followed):
            self._followed[layer] = Connections()
            events = layer.events
            heard = (events.labels_update, events.paint, events.set_data, events.data, events.name)
            self._followed[layer].make(heard, self._ask)
        self._timer.start()

    def _connect_viewer(self) -> None:
        layers, followed, connections = self._viewer.layers, self._followed, Connections()
        connections.make((layers.events.inserted, layers.events.removed), self._on_layers)
        connections.make((layers.selection.events.active,), self._ask)

        def let_go() -> None:  # no method: the widget is gone by then
            connections.drop()
            for one in followed.values():
                one.drop()

        self.destroyed.connect(let_go)
        self._on_layers()

    def _ask(self, event: object = None) -> None:
        self._timer.start()

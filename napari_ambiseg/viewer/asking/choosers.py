"""Choose among the viewer's layers: one image, and the experts' masks. Both follow what is added, removed, renamed."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from napari.components import ViewerModel
from napari.layers import Image, Labels
from napari.utils.notifications import show_error
from qtpy.QtCore import Signal
from qtpy.QtGui import QAction
from qtpy.QtWidgets import QMenu, QPushButton, QSizePolicy, QWidget

from napari_ambiseg.errors import InputImageError
from napari_ambiseg.viewer.image import experts
from napari_ambiseg.viewer.image.origin import reader_of, role_of
from napari_ambiseg.viewer.widgets.elided import ElidedComboBox

BY_LABEL = "     each of its labels is an expert"


class Connections:
    """Callbacks on napari's events, to be dropped together when the widget is gone."""

    def __init__(self) -> None:
        self._made: list[tuple[Any, Callable[..., Any]]] = []

    def make(self, emitters: Sequence[Any], callback: Callable[..., Any]) -> None:
        """Call ``callback`` on each of these events."""
        for emitter in emitters:
            emitter.connect(callback)
            self._made.append((emitter, callback))

    def drop(self) -> None:
        """Undo all."""
        while self._made:
            emitter, callback = self._made.pop()
            emitter.disconnect(callback)


class ImageChooser(ElidedComboBox):
    """The image layer to be read.

    Signals:
        image_changed: Another image, or none, is chosen.
    """

    image_changed = Signal()

    def __init__(self, viewer: ViewerModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._layers: list[Image] = []
        self._viewer = viewer
        self.currentIndexChanged.connect(self._show_whole_name)
        self.currentIndexChanged.connect(self.image_changed)
        self.refresh()

    @property
    def image(self) -> Image | None:
        """The chosen layer."""
        index = self.currentIndex()
        return self._layers[index] if 0 <= index < len(self._layers) else None

    def choose(self, layer: Image) -> None:
        """Choose a layer."""
        if layer in self._layers:
            self.setCurrentIndex(self._layers.index(layer))

    def refresh(self, newest: Image | None = None) -> None:
        """Follow the layer list; an image that has just been added is chosen."""
        before = self.image
        found = [layer for layer in self._viewer.layers if isinstance(layer, Image) and role_of(layer) is None]
        wanted = newest if newest in found else before if before in found else (found[-1] if found else None)
        blocked = self.blockSignals(True)
        self._layers = found
        self.clear()
        self.addItems([layer.name for layer in found])
        self.setCurrentIndex(found.index(wanted) if wanted in found else -1)
        self._show_whole_name()
        self.blockSignals(blocked)
        if self.image is not before:
            self.image_changed.emit()

    def _show_whole_name(self) -> None:
        told = "The image to be read; of a stack, the slice that is shown"
        self.setToolTip(f"{self.currentText()}\n{told}" if self.currentText() else told)


class ExpertsChooser(QPushButton):
    """The Labels layers that hold the experts' masks.

    Signals:
        experts_changed: Others are chosen.
    """

    experts_changed = Signal()

    def __init__(self, viewer: ViewerModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._image: Image | None = None
        self._known: list[Labels] = []
        self._chosen: list[Labels] = []
        menu = QMenu(self)
        menu.aboutToShow.connect(partial(self._fill_menu, is_shown=True))
        self.setMenu(menu)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setToolTip("Labels layers with the experts' masks: one each, or one stack of them")
        self.refresh(None)

    @property
    def layers(self) -> tuple[Labels, ...]:
        """The chosen layers: experts opened with the image in their own order, then others as they are listed."""
        chosen = [layer for layer in self._known if layer in self._chosen]
        return tuple(sorted(chosen, key=_reader_first))

    def refresh(self, image: Image | None) -> None:
        """Follow the layer list. Layers that were opened with the image are chosen when the image or they are new."""
        found = [layer for layer in self._viewer.layers if isinstance(layer, Labels)]
        ours = experts.detected(found, image) if image is not None else []
        if image is not self._image:
            self._chosen = ours
        else:
            kept = [layer for layer in self._chosen if layer in found]
            self._chosen = kept + [layer for layer in ours if layer not in self._known]
        self._image, self._known = image, found
        self._fill()

    def choose(self, layers: Sequence[Labels]) -> None:
        """Choose these layers and no others."""
        self._chosen = [layer for layer in self._known if layer in layers]
        self._fill()

    def _fill(self) -> None:
        self._fill_menu()
        self._show_text()
        self.experts_changed.emit()

    def _fill_menu(self, *, is_shown: bool = False) -> None:
        """All layers; when the menu is shown, also who might have several experts, which takes a look at the masks."""
        menu = self.menu()
        menu.clear()
        for layer in self._known:
            on = layer in self._chosen
            _add(menu, layer.name, on, partial(self._on_toggled, layer))
            if is_shown and on and (experts.is_by_label(layer) or experts.has_labels(layer)):
                _add(menu, BY_LABEL, experts.is_by_label(layer), partial(self.take_by_label, layer))
        if not self._known:
            menu.addAction("no Labels layers").setEnabled(False)

    def take_by_label(self, layer: Labels, on: bool) -> None:
        """Take each label of a layer as an expert, or all of them as one."""
        try:
            experts.set_by_label(layer, on)
        except InputImageError as error:
            show_error(str(error))
        self._fill()

    def _on_toggled(self, layer: Labels, on: bool) -> None:
        self._chosen = [*self._chosen, layer] if on else [other for other in self._chosen if other is not layer]
        self._show_text()
        self.experts_changed.emit()

    def _show_text(self) -> None:
        count = len(self.layers)
        self.setText("none" if count == 0 else self.layers[0].name if count == 1 else f"{count} layers")


def _add(menu: QMenu, text: str, on: bool, toggled: Callable[[bool], None]) -> None:
    action = QAction(text, menu)
    action.setCheckable(True)
    action.setChecked(on)
    action.toggled.connect(toggled)
    menu.addAction(action)


def _reader_first(layer: Labels) -> tuple[bool, int]:
    reader = reader_of(layer)
    return reader is None, reader or 0

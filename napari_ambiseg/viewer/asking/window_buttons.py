"""A row of buttons, and a key for each: the windows in which CT is read. Only images in Hounsfield units have it."""

from collections.abc import Callable
from functools import partial

from napari.components import ViewerModel
from napari.layers import Image
from napari.utils.key_bindings import coerce_keybinding
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QWidget

from napari_ambiseg.viewer.asking.choosers import Connections, ImageChooser
from napari_ambiseg.viewer.image import windows
from napari_ambiseg.viewer.image.windows import WINDOWS, Window


class WindowButtons(QWidget):
    """Lung, mediastinum, bone, for the image that is chosen.

    Signals:
        wanted: Whether the chosen image is in HU, so that the buttons are of use.
    """

    wanted = Signal(bool)

    def __init__(self, viewer: ViewerModel, chooser: ImageChooser, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer, self._chooser = viewer, chooser
        self._image: Image | None = None
        self._following = Connections()
        self.buttons = {window: _button(window) for window in WINDOWS}
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(3)
        for window, button in self.buttons.items():
            button.clicked.connect(partial(self.apply, window))
            row.addWidget(button)
        chooser.image_changed.connect(self.refresh)
        self._bind_keys()

    @property
    def is_wanted(self) -> bool:
        """Whether the chosen image is in HU."""
        return self._image is not None

    def refresh(self) -> None:
        """Follow the image that is chosen now."""
        chosen = self._chooser.image
        self._following.drop()
        self._image = chosen if chosen is not None and windows.is_in_hu(chosen) else None
        if self._image is not None:
            self._following.make((self._image.events.contrast_limits,), self._show_applied)
        self._show_applied()
        self.wanted.emit(self.is_wanted)

    def apply(self, window: Window, *_: object) -> None:
        """Show the image in a window; without an image in HU nothing happens."""
        if self._image is not None:
            windows.apply(window, self._image)
        self._show_applied()

    def _show_applied(self, event: object = None) -> None:
        applied = None if self._image is None else windows.applied(self._image)
        for window, button in self.buttons.items():
            button.setChecked(window is applied)

    def _bind_keys(self) -> None:
        viewer, following = self._viewer, self._following
        for window in WINDOWS:
            viewer.bind_key(window.key, _on_key(self, window), overwrite=True)

        def let_go() -> None:  # no method: the widget is gone by then
            following.drop()
            for window in WINDOWS:
                viewer.keymap.pop(coerce_keybinding(window.key), None)

        self.destroyed.connect(let_go)


def _on_key(buttons: WindowButtons, window: Window) -> Callable[[ViewerModel], None]:
    def show_window(_: ViewerModel) -> None:  # a function with a name: napari asks for it at every key
        buttons.apply(window)

    return show_window


def _button(window: Window) -> QPushButton:
    button = QPushButton(window.name)
    button.setCheckable(True)
    button.setToolTip(
        f"Width {window.width:g}, centre {window.centre:g} HU ({window.key}, with the mouse on the image)"
    )
    return button

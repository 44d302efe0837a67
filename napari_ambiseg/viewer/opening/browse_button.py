"""The button that opens the browser of a file's slices."""

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QPushButton, QWidget

from napari_ambiseg.viewer.image.origin import Origin

if TYPE_CHECKING:
    from napari_ambiseg.viewer.opening.slice_browser import SliceBrowser


class BrowseButton(QPushButton):
    """Opens the browser of the file that is shown; not there for anything else.

    Signals:
        slice_wanted: Number of the slice, and its split.
    """

    slice_wanted = Signal(int, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Browse…", parent)
        self.setToolTip("All slices of the file, by patient and nodule, with the experts' agreement; other splits")
        self._origin: Origin | None = None
        self._is_blind = False
        self.browser: SliceBrowser | None = None
        self.clicked.connect(self.open)

    def show_origin(self, origin: Origin | None) -> None:
        """Follow the slice that is shown."""
        has_slices = origin is not None and origin.path is not None and bool(origin.split)
        self.setVisible(has_slices)
        path_before = self._origin.path if self._origin is not None else None
        self._origin = origin if has_slices else None
        if self.browser is None:
            return
        if self._origin is None or self._origin.path != path_before:
            self.browser.stop()
            self.browser.close()
            self.browser.deleteLater()
            self.browser = None
        else:
            self.browser.show_origin(self._origin)

    def hide_experts(self, are_hidden: bool) -> None:
        """Leave out what the experts did, or show it again."""
        self._is_blind = are_hidden
        if self.browser is not None:
            self.browser.hide_experts(are_hidden)

    def open(self) -> None:
        """Open the browser, or bring it to the front."""
        if self._origin is None or self._origin.path is None:
            return
        from napari_ambiseg.viewer.opening.slice_browser import SliceBrowser  # late: it brings HDF5

        if self.browser is None:
            self.browser = SliceBrowser(self._origin.path, self)
            self.browser.slice_wanted.connect(self.slice_wanted)
            self.browser.hide_experts(self._is_blind)
        self.browser.show_origin(self._origin)
        self.browser.show()
        self.browser.raise_()

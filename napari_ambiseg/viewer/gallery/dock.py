"""The large gallery: a window of its own."""

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QDockWidget

from napari_ambiseg.viewer.gallery.gallery import Gallery
from napari_ambiseg.viewer.session.grouping import Grouping
from napari_ambiseg.viewer.session.showing import Showing
from napari_ambiseg.viewer.widgets.own_window import own_window

_SHARE = 0.46, 0.72  # of the width and the height of napari's window


class GalleryDock(QObject):
    """Opens the large gallery when the small one asks for it; closed, it waits hidden for the next time.

    Args:
        small: The gallery in the tab.
        showing: What is shown.
        grouping: The ways to read it.
    """

    def __init__(self, small: Gallery, showing: Showing, grouping: Grouping) -> None:
        super().__init__(small)
        self._small, self._showing, self._grouping = small, showing, grouping
        self.dock: QDockWidget | None = None
        small.enlarge_wanted.connect(self.open)

    def open(self) -> None:
        """Show it."""
        if self.dock is None:
            gallery = Gallery(self._showing, self._grouping, large=True)
            self.dock = own_window(
                gallery, title="Gallery of readings", name="ambiseg-gallery", beside=self._small, share=_SHARE
            )
            self.destroyed.connect(self.dock.deleteLater)  # it shows what goes with the small one
        self.dock.show()
        self.dock.raise_()

"""Pictures of napari's canvas, larger than it is on the screen: as it is seen, or with all of the slice.

napari makes the canvas as large as the picture, takes it, and makes the canvas small again. Qt would draw it each time,
which is most of the work and seen by nobody: it is drawn once, for the picture.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import napari.viewer
import numpy as np
from numpy.typing import NDArray

_TIMES = 2  # the canvas
_WHOLE = 1200  # pixels that the longer side of a whole slice has at least


def enlarged_view(viewer: napari.viewer.Viewer) -> NDArray[np.uint8]:
    """What the canvas shows, at twice its size (H, W, 4): napari alone would show more around it instead."""
    camera = viewer.scene.camera
    zoom = camera.zoom
    with _drawn_once(viewer):
        camera.zoom = zoom * _TIMES
        try:
            return viewer.screenshot(scale=_TIMES, canvas_only=True, flash=False)
        finally:
            camera.zoom = zoom


def whole_slice(viewer: napari.viewer.Viewer) -> NDArray[np.uint8]:
    """All of the slice (H, W, 4), enlarged by a whole number."""
    extent = viewer.layers.extent
    sides = (np.ptp(extent.world, axis=0) / extent.step)[-2:]
    times = max(_TIMES, math.ceil(_WHOLE / max(1.0, sides.max())))
    with _drawn_once(viewer):
        return viewer.export_figure(scale_factor=times, flash=False)


@contextmanager
def _drawn_once(viewer: napari.viewer.Viewer) -> Iterator[None]:
    """Keep the canvas from being drawn on the screen until its picture has been taken."""
    window: Any = viewer.window
    native = window._qt_viewer.canvas.native  # napari has no public way to it
    native.setUpdatesEnabled(False)
    try:
        yield
    finally:
        native.setUpdatesEnabled(True)

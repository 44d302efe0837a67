"""Pictures of the canvas in a real window: larger than it, of the right part, and drawn once."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from napari.viewer import Viewer
from qtpy.QtWidgets import QApplication

from napari_ambiseg.viewer.image.pictures import enlarged_view, whole_slice

pytestmark = pytest.mark.window


@pytest.fixture
def viewer(qapp: QApplication) -> Iterator[Viewer]:
    """A slice of 60 x 80 pixels: black, but for its lower right quarter."""
    viewer = Viewer()
    pixels = np.zeros((60, 80), np.float32)
    pixels[30:, 40:] = 1
    viewer.add_image(pixels, contrast_limits=(0, 1), interpolation2d="nearest")
    for _ in range(10):
        qapp.processEvents()
    yield viewer
    viewer.close()


def draws(viewer: Viewer, take: Callable[[Viewer], np.ndarray]) -> tuple[np.ndarray, int]:
    """The picture, and how often the canvas was drawn for it."""
    drawn = []
    canvas = viewer.window._qt_viewer.canvas._scene_canvas
    canvas.events.draw.connect(drawn.append)
    picture = take(viewer)
    canvas.events.draw.disconnect(drawn.append)
    return picture, len(drawn)


def test_the_view_is_taken_at_twice_its_size_with_one_drawing(viewer: Viewer, qapp: QApplication) -> None:
    camera, canvas = viewer.scene.camera, viewer.window._qt_viewer.canvas
    camera.center, camera.zoom = (0, 29.5, 39.5), 40.0  # only the middle is seen
    for _ in range(10):
        qapp.processEvents()
    size = canvas.size
    picture, count = draws(viewer, enlarged_view)
    assert count == 1
    assert picture.shape[:2] == (2 * size[0], 2 * size[1])
    assert 0.24 < (picture[..., 0] > 128).mean() < 0.26
    assert canvas.size == size
    assert camera.zoom == 40.0
    assert canvas.native.updatesEnabled()


def test_all_of_the_slice_is_taken_with_one_drawing(viewer: Viewer) -> None:
    viewer.scene.camera.zoom = 40.0
    picture, count = draws(viewer, whole_slice)
    assert count == 1
    height, width = picture.shape[:2]
    assert width >= 1200
    assert (width % 80, height * 80) == (0, width * 60)  # enlarged by a whole number, none of it cut off
    assert (picture[..., 0] > 128).mean() == pytest.approx(0.25, abs=0.01)
    assert viewer.scene.camera.zoom == 40.0

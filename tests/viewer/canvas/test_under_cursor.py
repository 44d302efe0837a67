"""The status bar says how many mark the pixel below the mouse."""

from collections.abc import Callable

import numpy as np
import pytest
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot

from napari_ambiseg.viewer.canvas.under_cursor import UnderCursor, pixel_told
from napari_ambiseg.viewer.session.blinding import Hidden
from napari_ambiseg.viewer.session.result import Result
from napari_ambiseg.viewer.session.showing import Showing

NAPARIS = {"layer_base": "ct", "source_type": "", "plugin": "", "coordinates": " [32 40]: 0.5"}


@pytest.fixture
def viewer() -> ViewerModel:
    viewer = ViewerModel()
    viewer.add_image(np.zeros((64, 64), np.float32), scale=(0.5, 0.5), units=("mm", "mm"))
    return viewer


@pytest.fixture
def showing(make_result: Callable[..., Result]) -> Showing:
    showing = Showing(threshold=0.0)
    showing.show(make_result())
    return showing


def test_counts_are_those_of_the_masks(showing: Showing, expert_masks: np.ndarray) -> None:
    result, view = showing.result, showing.view
    for row, column in ((32, 32), (32, 40), (25, 38), (0, 0), (63, 63)):
        model = int(view.readings[:, row, column].sum())
        experts = int(expert_masks[:, row, column].sum())
        assert pixel_told(result, view, row, column, Hidden()) == f"model {model} of 16, experts {experts} of 3"
    assert pixel_told(result, view, -1, 3, Hidden()) == pixel_told(result, view, 3, 64, Hidden()) == ""


def test_what_is_hidden_is_not_counted(showing: Showing) -> None:
    at = showing.result, showing.view, 32, 32
    assert "model" not in pixel_told(*at, Hidden(model=True))
    assert "experts" not in pixel_told(*at, Hidden(experts=True))
    assert pixel_told(*at, Hidden(model=True, experts=True)) == ""


def test_naparis_status_is_kept_and_ours_added(viewer: ViewerModel, showing: Showing) -> None:
    under = UnderCursor(viewer, showing, lambda: viewer.layers[0])
    viewer.cursor.position = (16.0, 20.1)  # in mm: row 32, column 40
    viewer.status = NAPARIS
    told = pixel_told(showing.result, showing.view, 32, 40, Hidden())
    assert viewer.status == {**NAPARIS, "coordinates": f"{NAPARIS['coordinates']}   {told}"}
    showing.hide(experts=True)
    assert "experts" not in viewer.status["coordinates"]
    showing.hide(model=True)
    assert viewer.status == NAPARIS
    showing.hide(model=False, experts=False)
    viewer.status = "Ready"
    assert viewer.status == "Ready"
    showing.clear()
    viewer.status = NAPARIS
    assert viewer.status == NAPARIS
    assert under.told() == ""


def test_nothing_is_added_when_the_dock_is_gone(qtbot: QtBot, viewer: ViewerModel, showing: Showing) -> None:
    under = UnderCursor(viewer, showing, lambda: viewer.layers[0])
    viewer.cursor.position = (16.0, 20.0)
    with qtbot.waitSignal(under.destroyed):
        under.deleteLater()
    viewer.status = NAPARIS
    assert viewer.status == NAPARIS

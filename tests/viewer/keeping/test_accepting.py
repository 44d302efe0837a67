"""Readings accepted as masks of the user's own, painted on with napari's tools."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels
from napari.layers.labels._labels_mouse_bindings import draw
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QTimer

from napari_ambiseg.readings.place import among, place
from napari_ambiseg.viewer.image.where import Where
from napari_ambiseg.viewer.keeping.accepted import accept, accepted_of, mask_on, place_told
from napari_ambiseg.viewer.keeping.accepting import Accepting
from napari_ambiseg.viewer.session.result import Result
from napari_ambiseg.viewer.session.showing import Showing


@pytest.fixture
def image() -> Image:
    pixels = np.random.default_rng(0).random((5, 64, 64), dtype=np.float32)
    return Image(pixels, scale=(2, 0.5, 0.5), translate=(7, 1, 2), units=("mm",) * 3, name="ct")


@pytest.fixture
def viewer(image: Image) -> ViewerModel:
    viewer = ViewerModel()
    viewer.add_layer(image)
    viewer.dims.set_point(0, 7 + 3 * 2)
    return viewer


@pytest.fixture
def result(image: Image, make_result: Callable[..., Result]) -> Result:
    return make_result(layer=image, point=(7 + 3 * 2, 0, 0), readings=8)


@pytest.fixture
def showing(result: Result) -> Showing:
    showing = Showing()
    showing.show(result)
    return showing


@pytest.fixture
def accepting(qtbot: QtBot, showing: Showing, viewer: ViewerModel) -> Accepting:
    accepting = Accepting(showing, viewer)
    qtbot.addWidget(accepting)
    accepting.show()
    return accepting


def test_an_accepted_reading_is_a_layer_of_the_images_own_size_and_place(
    qtbot: QtBot, accepting: Accepting, showing: Showing, image: Image, viewer: ViewerModel
) -> None:
    accepting.button.click()
    layer = viewer.layers[-1]
    assert isinstance(layer, Labels)
    qtbot.waitUntil(lambda: viewer.layers.selection.active is layer)
    assert layer.data.shape == image.data.shape
    np.testing.assert_array_equal(layer.data[3], showing.view.readings[showing.selected])
    assert not layer.data[[0, 1, 2, 4]].any()
    for point in ((0, 0, 0), (3, 10, 20)):
        np.testing.assert_allclose(layer.data_to_world(point), image.data_to_world(point))
    assert layer.units == image.units


@pytest.mark.parametrize("is_removed", [False, True])
def test_controls_brush_and_polygons_follow_one_by_one_in_turns_of_their_own(
    qtbot: QtBot, accepting: Accepting, viewer: ViewerModel, image: Image, is_removed: bool
) -> None:
    """Each makes napari build widgets or visuals: all together in one turn of the event loop would be a freeze."""
    done: list[set[str]] = [set()]  # in each turn
    turns = QTimer()
    turns.timeout.connect(lambda: done.append(set()))
    turns.start()
    viewer.layers.selection.active = image
    viewer.layers.selection.events.active.connect(lambda: done[-1].add("selected"))
    layer = accepting.accept()
    aids = layer._overlays.values()
    assert viewer.layers.selection.active is image
    assert not any(aid.visible for aid in aids)
    for name, aid in layer._overlays.items():
        aid.events.visible.connect(lambda _event, name=name: done[-1].add(name))
    if is_removed:
        viewer.layers.remove(layer)  # it is left as napari made it
    usual = [aid.visible for aid in Labels(np.zeros((4, 4), np.uint8))._overlays.values()]
    qtbot.waitUntil(lambda: [aid.visible for aid in aids] == usual)
    turns.stop()
    assert viewer.layers.selection.active is (image if is_removed else layer)
    assert max(len(in_turn) for in_turn in done) == 1
    assert set.union(*done) >= {"brush_stroke", "polygon"}


def test_a_mask_that_would_be_too_large_is_the_slice_alone_in_its_place(
    showing: Showing, result: Result, image: Image
) -> None:
    layer = accept(result, showing.view, 1, shape=(10**6, 64, 64))
    assert layer.data.shape == (1, 64, 64)
    np.testing.assert_allclose(layer.data_to_world((0, 10, 20)), image.data_to_world((3, 10, 20)))
    np.testing.assert_array_equal(mask_on(layer, result.request.where), showing.view.readings[1])


def test_what_was_accepted_stays_whatever_is_selected_or_set_then(
    accepting: Accepting, showing: Showing, viewer: ViewerModel
) -> None:
    accepting.accept()
    layer = viewer.layers[-1]
    layer.paint((3, 1, 1), 1)
    before = layer.data.copy()
    showing.set_threshold(1.0)
    showing.select(3)
    accepting.accept()
    showing.clear()
    np.testing.assert_array_equal(layer.data, before)
    assert [kept.name for kept in viewer.layers[1:]] == [layer.name, "My mask from reading 4"]


def stroke(layer: Labels, viewer: ViewerModel, start: tuple[float, ...], end: tuple[float, ...]) -> None:
    """A drag of the mouse with the brush, between two points of the layer's array."""
    layer.mode = "paint"
    common = {
        "view_direction": None,
        "dims_displayed": list(viewer.dims.displayed),
        "dims_point": list(viewer.dims.point),
    }
    event = SimpleNamespace(type="mouse_press", position=layer.data_to_world(start), button=1, modifiers=(), **common)
    drag = draw(layer, event)
    next(drag)
    event.type, event.position = "mouse_move", layer.data_to_world(end)
    next(drag)
    event.type = "mouse_release"
    next(drag, None)


def test_the_line_follows_brush_undo_and_threshold(
    accepting: Accepting, showing: Showing, result: Result, viewer: ViewerModel, qtbot: QtBot
) -> None:
    layer = accepting.accept()
    experts = result.request.experts.masks

    def expected() -> str:
        prepared = among(samples=showing.view.readings, experts=experts, spacing_mm=(0.5, 0.5))
        return f"{layer.name}: {place_told(layer.data[3] != 0, prepared)}"

    qtbot.waitUntil(lambda: accepting.line.text() == expected())
    accepted = accepting.line.text()
    assert "8 readings" in accepted
    assert "3 experts" in accepted
    stroke(layer, viewer, (3, 2, 2), (3, 2, 40))
    assert layer.data[3, 2, 30]
    qtbot.waitUntil(lambda: accepting.line.text() == expected())
    painted = accepting.line.text()
    assert painted != accepted
    layer.undo()
    qtbot.waitUntil(lambda: accepting.line.text() == accepted)
    layer.redo()
    qtbot.waitUntil(lambda: accepting.line.text() == painted)
    showing.set_threshold(1.0)
    qtbot.waitUntil(lambda: accepting.line.text() == expected())
    layer.name = "mine"
    qtbot.waitUntil(lambda: accepting.line.text().startswith("mine: "))
    viewer.layers.remove(layer)
    qtbot.waitUntil(accepting.line.isHidden)


def test_on_another_slice_only_what_is_painted_there_counts(
    accepting: Accepting,
    result: Result,
    make_result: Callable[..., Result],
    showing: Showing,
    image: Image,
    qtbot: QtBot,
) -> None:
    layer = accepting.accept()
    showing.show(make_result(layer=image, point=(7 + 2 * 2, 0, 0), readings=4))
    qtbot.waitUntil(accepting.line.isHidden)
    layer.paint((2, 30, 30), 1)
    qtbot.waitUntil(accepting.line.isVisible)
    pixels = np.count_nonzero(layer.data[2])
    assert f": {pixels * 0.25:.0f} mm²" in accepting.line.text()


def test_without_readings_there_is_nothing_to_accept(accepting: Accepting, showing: Showing) -> None:
    showing.clear()
    assert not accepting.button.isEnabled()
    assert accepting.accept() is None
    assert accepting.line.isHidden()


def test_masks_are_hidden_while_the_image_shows_another_slice_of_its_file(
    accepting: Accepting, result: Result, viewer: ViewerModel
) -> None:
    layer, here = accepting.accept(), result.request.where
    accepting.attend(Where(here.layer, (None, "bundled", 1), here.index))
    assert not layer.visible
    assert mask_on(layer, Where(here.layer, (None, "bundled", 1), here.index)) is None
    accepting.attend(here)
    assert layer.visible
    assert accepted_of(layer).seed == result.sampled.seeds[accepted_of(layer).reading]


def test_the_way_that_a_mask_is_like_is_told_with_its_number_of_readings(showing: Showing, result: Result) -> None:
    prepared = among(samples=showing.view.readings, experts=result.request.experts.masks, spacing_mm=(0.5, 0.5))
    mask = showing.view.readings[showing.selected]
    mode = prepared.modes[place(mask, prepared).mode]
    assert f"way {place(mask, prepared).mode + 1} ({len(mode.members)} of 8 readings)" in place_told(mask, prepared)


def test_a_mask_like_a_reading_that_is_alone_is_like_no_way() -> None:
    masks = np.zeros((4, 8, 8), np.bool_)
    masks[:3, :2], masks[3, 6:] = True, True
    prepared = among(samples=masks, experts=masks[:0], spacing_mm=(1, 1))
    assert place_told(masks[3], prepared).endswith(" · like reading 4, which no other is like")
    assert place_told(masks[0], prepared).endswith(" · most like way 1 (3 of 4 readings)")
    assert "(" not in place_told(np.eye(8, dtype=np.bool_), prepared)

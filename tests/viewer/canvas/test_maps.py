"""Maps below the outlines and colours of the readings, on a viewer without a window."""

import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Layer
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QCoreApplication, QEvent, QPoint
from qtpy.QtGui import QHelpEvent

from napari_ambiseg.readings.modes import mode_numbers
from napari_ambiseg.readings.staple import staple
from napari_ambiseg.viewer.canvas import maps
from napari_ambiseg.viewer.canvas.colouring import Colouring, told
from napari_ambiseg.viewer.canvas.layers import Canvas
from napari_ambiseg.viewer.canvas.look_box import LookBox
from napari_ambiseg.viewer.canvas.looking import Looking
from napari_ambiseg.viewer.canvas.looks import MODEL_COLOUR, rgba
from napari_ambiseg.viewer.canvas.maps import Map
from napari_ambiseg.viewer.canvas.presenter import Presenter
from napari_ambiseg.viewer.image.origin import Role, role_of
from napari_ambiseg.viewer.image.outlines import outline_segments
from napari_ambiseg.viewer.session.grouping import Grouping
from napari_ambiseg.viewer.session.result import Result
from napari_ambiseg.viewer.session.showing import Showing


@pytest.fixture
def looking(showing: Showing) -> Looking:
    return Looking(showing, Grouping(showing, showing), showing)


@pytest.fixture
def viewer(showing: Showing, looking: Looking) -> Iterator[ViewerModel]:
    viewer = ViewerModel()
    presenter = Presenter(Canvas(viewer), showing, looking, lambda: [((Role.READINGS, Role.SELECTED), True)])
    showing.result_changed.emit()
    yield viewer
    del presenter


def layer(viewer: ViewerModel, role: Role) -> Layer | None:
    return next((layer for layer in viewer.layers if role_of(layer) is role), None)


def outlined(layer: Layer) -> np.ndarray:
    """Which segments are seen."""
    return np.abs(layer.data[:, 1]).sum(axis=1) > 0


def test_one_map_is_seen_at_a_time(viewer: ViewerModel, looking: Looking) -> None:
    for chosen in (Map.CONTOURS, Map.ENTROPY, Map.CONSENSUS, Map.NONE, Map.PROBABILITY):
        looking.choose_map(chosen)
        seen = {role for role in maps.ROLES.values() if layer(viewer, role) is not None and layer(viewer, role).visible}
        assert seen == ({maps.ROLES[chosen]} if chosen in maps.ROLES else set())


@pytest.mark.parametrize("threshold", [0.0, 0.3])
def test_entropy_is_that_of_the_readings_that_are_left(
    viewer: ViewerModel, showing: Showing, looking: Looking, threshold: float
) -> None:
    looking.choose_map(Map.ENTROPY)
    showing.set_threshold(threshold)
    view = showing.view
    row, column = 32, 40
    share = float(view.readings[:, row, column].mean())
    assert 0 < share < 1
    bits = -share * math.log2(share) - (1 - share) * math.log2(1 - share)
    rows, columns = view.window
    assert layer(viewer, Role.ENTROPY).data[row - rows.start, column - columns.start] == pytest.approx(bits, abs=1e-5)


def test_iso_contours_enclose_what_so_many_readings_mark(
    viewer: ViewerModel, showing: Showing, looking: Looking
) -> None:
    looking.choose_map(Map.CONTOURS)
    showing.set_threshold(0.2)
    votes = showing.view.readings.sum(axis=0)
    found = layer(viewer, Role.CONTOURS)
    for share, colour in zip((0.25, 0.5, 0.75, 0.95), maps.ISO_COLOURS, strict=True):
        of_share = outlined(found) & np.isclose(found.edge_color, rgba(colour), atol=1e-6).all(axis=1)
        expected, _ = outline_segments((votes >= math.ceil(share * 16))[None])
        np.testing.assert_allclose(found.data[of_share], expected)
    assert "25&nbsp;%&nbsp;(4+&nbsp;of&nbsp;16)" in looking.map_legend()
    assert "95&nbsp;%&nbsp;(all&nbsp;16)" in looking.map_legend()


def test_consensus_outlines_majority_and_staple_of_both_groups(
    viewer: ViewerModel, showing: Showing, looking: Looking, expert_masks: np.ndarray
) -> None:
    looking.choose_map(Map.CONSENSUS)
    found = layer(viewer, Role.CONSENSUS)
    view = showing.view
    for masks, colour in ((view.readings, MODEL_COLOUR), (expert_masks, maps.EXPERTS_COLOUR)):
        chosen = outlined(found) & np.isclose(found.edge_color, rgba(colour), atol=1e-6).all(axis=1)
        majority, _ = outline_segments((2 * masks.sum(axis=0) > len(masks))[None])
        dashed, _ = outline_segments(staple(masks).mask[None])
        drawn = found.data[chosen]
        np.testing.assert_allclose(drawn[: len(majority)], majority)
        dashes = {tuple(segment.ravel().tolist()) for segment in drawn[len(majority) :]}
        assert dashes < {tuple(segment.ravel().tolist()) for segment in dashed}  # with gaps
        assert len(dashes) > len(dashed) / 4


def test_staple_waits_until_the_hand_rests(
    qtbot: QtBot, viewer: ViewerModel, showing: Showing, looking: Looking
) -> None:
    looking.choose_map(Map.CONSENSUS)
    looking.map_look(showing.result, showing.view)
    before = showing.view.areas_mm2
    showing.set_threshold(0.2)
    assert not np.array_equal(before, showing.view.areas_mm2)
    in_haste = int(outlined(layer(viewer, Role.CONSENSUS)).sum())
    qtbot.waitUntil(lambda: int(outlined(layer(viewer, Role.CONSENSUS)).sum()) > in_haste, timeout=20_000)


def test_more_lines_than_there_is_room_for_keep_their_colours(
    make_result: Callable[..., Result], viewer: ViewerModel, showing: Showing, looking: Looking
) -> None:
    looking.choose_colouring(Colouring.EACH)
    showing.show(make_result(readings=100))
    found = layer(viewer, Role.READINGS)
    assert outlined(found).sum() > 2048
    colours = looking.colours(showing.result, showing.view)
    segments, sample = outline_segments(showing.view.readings)
    order = np.lexsort(found.data[outlined(found)].reshape(len(segments), -1).T)
    expected = np.lexsort(segments.reshape(len(segments), -1).T)
    assert len(order) == len(expected)
    np.testing.assert_allclose(found.edge_color[: len(segments)], colours[sample], atol=1e-6)


def test_readings_have_their_own_colours_and_experts_keep_theirs(
    viewer: ViewerModel, showing: Showing, looking: Looking
) -> None:
    experts = layer(viewer, Role.EXPERTS).edge_color.copy()
    for chosen in Colouring:
        looking.choose_colouring(chosen)
        np.testing.assert_array_equal(layer(viewer, Role.EXPERTS).edge_color, experts)
    looking.choose_colouring(Colouring.EACH)
    assert len(np.unique(looking.colours(showing.result, showing.view), axis=0)) == 16
    looking.choose_colouring(Colouring.ONE)
    found = layer(viewer, Role.READINGS)
    np.testing.assert_allclose(found.edge_color[outlined(found)], [rgba(MODEL_COLOUR)] * outlined(found).sum())


def test_readings_of_one_way_have_one_colour(viewer: ViewerModel, showing: Showing, looking: Looking) -> None:
    looking.choose_colouring(Colouring.WAY)
    colours = looking.colours(showing.result, showing.view)
    numbers = mode_numbers(looking._grouping.found)
    for i in range(16):
        for j in range(i):
            if numbers[i] == numbers[j]:
                np.testing.assert_array_equal(colours[i], colours[j])
    assert len(np.unique(colours, axis=0)) > 1


def test_larger_readings_are_brighter(showing: Showing, looking: Looking) -> None:
    looking.choose_colouring(Colouring.AREA)
    areas, colours = showing.view.areas_mm2, looking.colours(showing.result, showing.view)
    luminance = colours[:, :3] @ [0.2126, 0.7152, 0.0722]
    assert luminance[areas.argmax()] == luminance.max()
    assert f"{areas.max():.0f} mm²" in looking.colours_told()


def test_without_experts_there_is_no_dice_to_colour_by(showing: Showing) -> None:
    view = showing.view
    alone = type(view)(
        view.threshold, view.readings, view.areas_mm2, view.areas_mm2[:0], view.probability, view.window, None
    )
    assert "no experts" in told(Colouring.DICE, alone)


def test_a_colour_that_the_user_has_given_stays(viewer: ViewerModel, showing: Showing) -> None:
    layer(viewer, Role.READINGS).edge_color = "green"
    showing.set_threshold(0.3)
    assert layer(viewer, Role.READINGS).edge_color[0].tolist() == pytest.approx([0, 128 / 255, 0, 1], abs=0.01)


def test_what_is_chosen_can_be_told_and_chosen_again(qtbot: QtBot, showing: Showing, looking: Looking) -> None:
    box = LookBox(showing, looking)
    qtbot.addWidget(box)
    box.map.setCurrentText("Entropy")
    box.colouring.setCurrentText("Way")
    box.seen["Readings"].setChecked(False)
    assert (looking.map, looking.colouring) == (Map.ENTROPY, Colouring.WAY)
    told = box.seen_now()
    box.see({"Readings": True, "Map: Consensus": True, "Colour: Area": True, "Map: Weather": True})
    assert (box.map.currentText(), box.colouring.currentText()) == ("Consensus", "Area")
    box.see(told)
    assert box.seen_now() == told


def test_legends_follow_what_is_chosen(qtbot: QtBot, showing: Showing, looking: Looking) -> None:
    box = LookBox(showing, looking)
    qtbot.addWidget(box)
    box.show()
    assert not box.legend.isVisible()
    looking.choose_map(Map.CONSENSUS)
    assert "dashed STAPLE" in box.legend.text()
    assert "STAPLE" in box.map.toolTip()
    looking.choose_colouring(Colouring.WAY)
    QCoreApplication.sendEvent(box.colouring, QHelpEvent(QEvent.Type.ToolTip, QPoint(1, 1), QPoint(1, 1)))
    assert "way 1" in box.colouring.toolTip()
    showing.clear()
    assert not box.legend.isVisible()

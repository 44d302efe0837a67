"""A reading beside an expert: the table's cells, the sentence, the picture."""

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Layer
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from skimage.color import deltaE_ciede2000, rgb2lab

from napari_ambiseg.viewer.canvas.layers import Canvas
from napari_ambiseg.viewer.canvas.looking import Looking
from napari_ambiseg.viewer.canvas.looks import rgba
from napari_ambiseg.viewer.canvas.pair import PAIR_COLOURS, pair_told
from napari_ambiseg.viewer.canvas.presenter import Presenter
from napari_ambiseg.viewer.image.origin import Role, role_of
from napari_ambiseg.viewer.session.grouping import Grouping
from napari_ambiseg.viewer.session.showing import Showing
from napari_ambiseg.viewer.tabs.table_tab import TableTab

WANTED = [((Role.EXPERTS,), True), ((Role.READINGS, Role.SELECTED), True)]

# Machado, Oliveira, Fernandes (2009), severity 1, on linear RGB.
SIGHT = {
    "usual": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}


@pytest.fixture
def viewer(showing: Showing) -> Iterator[ViewerModel]:
    """What is shown, on a viewer without a window."""
    viewer = ViewerModel()
    presenter = Presenter(Canvas(viewer), showing, Looking(showing, Grouping(showing)), lambda: WANTED)
    showing.result_changed.emit()
    yield viewer
    del presenter


@pytest.fixture
def tab(qtbot: QtBot, showing: Showing) -> TableTab:
    tab = TableTab(showing)
    qtbot.addWidget(tab)
    tab.resize(340, 300)
    tab.show()
    return tab


def click(qtbot: QtBot, tab: TableTab, row: int, column: int) -> None:
    table = tab.table
    place = table.visualRect(table.model().index(row, column)).center()
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)


def layer(viewer: ViewerModel, role: Role) -> Layer | None:
    return next((layer for layer in viewer.layers if role_of(layer) is role), None)


def opacities(layer: Layer) -> set[float]:
    """Of the segments that are seen."""
    return set(layer.edge_color[np.abs(layer.data[:, 1]).sum(axis=1) > 0, 3].tolist())


def test_a_click_on_a_cell_shows_that_pair(qtbot: QtBot, tab: TableTab, showing: Showing) -> None:
    for row, column in ((2, 2), (2, 1), (3, 3)):
        with qtbot.waitSignal(showing.selection_changed):
            click(qtbot, tab, row, column)
        assert (showing.selected, showing.expert) == (row, column - 1)
        assert tab.legend.isVisible()
        assert f"Reading {row + 1} beside expert {column}:" in tab.pair_line.text()


@pytest.mark.parametrize("column", [0, 4])  # area and mean
def test_the_reading_alone_comes_back(qtbot: QtBot, tab: TableTab, showing: Showing, column: int) -> None:
    click(qtbot, tab, 2, 1)
    click(qtbot, tab, 3, column)
    assert (showing.selected, showing.expert) == (3, None)
    assert "Click a cell" in tab.hint.text()
    assert not tab.pair_line.isVisible()
    assert not tab.legend.isVisible()


def test_arrow_keys_go_from_pair_to_pair(qtbot: QtBot, tab: TableTab, showing: Showing) -> None:
    key = Qt.Key
    showing.select(2)  # not from the table
    keys = (key.Key_Right, key.Key_Right, key.Key_Down, key.Key_Right, key.Key_Right, key.Key_Up, key.Key_Home)
    seen = []
    for pressed in keys:
        qtbot.keyClick(tab.table, pressed)
        seen.append((showing.selected, showing.expert))
    assert seen == [(2, 0), (2, 1), (3, 1), (3, 2), (3, None), (2, None), (2, None)]  # the last column is the mean
    assert tab.table.currentIndex().column() == 0


def test_arrow_keys_go_on_from_a_pair_that_was_chosen_elsewhere(qtbot: QtBot, tab: TableTab, showing: Showing) -> None:
    showing.select(4, 1)
    qtbot.keyClick(tab.table, Qt.Key.Key_Down)
    assert (showing.selected, showing.expert) == (5, 1)
    showing.select(7)  # alone
    qtbot.keyClick(tab.table, Qt.Key.Key_Down)
    assert (showing.selected, showing.expert) == (8, None)


def test_sorting_leaves_the_pair_that_is_shown_selected(qtbot: QtBot, tab: TableTab, showing: Showing) -> None:
    showing.select(3, 1)
    for order in (Qt.SortOrder.DescendingOrder, Qt.SortOrder.AscendingOrder):
        tab.table.sortByColumn(0, order)
        current = tab.table.currentIndex()
        assert (tab.table.reading_at(current), tab.table.expert_at(current)) == (3, 1)
        assert [tab.table.reading_at(row) for row in tab.table.selectionModel().selectedRows()] == [3]
    assert (showing.selected, showing.expert) == (3, 1)


def test_one_click_is_told_once(qtbot: QtBot, tab: TableTab, showing: Showing) -> None:
    told = []
    showing.selection_changed.connect(lambda: told.append((showing.selected, showing.expert)))
    click(qtbot, tab, 4, 2)
    assert told == [(4, 1)]


def test_a_sorted_table_shows_the_pair_of_its_row(qtbot: QtBot, tab: TableTab, showing: Showing) -> None:
    tab.table.sortByColumn(0, Qt.SortOrder.DescendingOrder)
    click(qtbot, tab, 0, 1)
    view = showing.view
    assert view is not None
    assert view.areas_mm2[showing.selected] == view.areas_mm2.max()
    assert showing.expert == 0


def test_the_sentence_says_what_the_masks_say(showing: Showing, expert_masks: np.ndarray) -> None:
    view = showing.view
    assert view is not None
    selected = int(view.areas_mm2.argmax())
    mask, expert = view.readings[selected], expert_masks[0]
    dice = 2 * (mask & expert).sum() / (mask.sum() + expert.sum())
    more = 0.25 * (int(mask.sum()) - int(expert.sum()))
    assert f"Dice {dice:.2f}" in pair_told(view, selected=selected, expert=0)
    assert pair_told(view, selected=selected, expert=0).endswith(f"{more:.0f} mm² more than the expert")
    empty = int(view.areas_mm2.argmin())
    assert "the reading sees nothing, the expert marks" in pair_told(view, selected=empty, expert=0)
    assert pair_told(view, selected=empty, expert=2).endswith("both see nothing")
    assert "the expert sees nothing" in pair_told(view, selected=selected, expert=2)


def test_the_picture_tells_three_regions_apart(viewer: ViewerModel, showing: Showing, expert_masks: np.ndarray) -> None:
    assert layer(viewer, Role.PAIR) is None
    selected = showing.selected
    showing.select(selected, 1)
    pair, mask = layer(viewer, Role.PAIR), showing.view.readings[selected]
    assert pair.visible
    expert = expert_masks[1]
    np.testing.assert_array_equal(pair.data, 1 * (mask & expert) + 2 * (mask & ~expert) + 3 * (expert & ~mask))
    seen = [pair.colormap.map(np.array([value / 3]))[0] for value in (1, 2, 3)]
    np.testing.assert_allclose(seen, [rgba(colour) for colour in PAIR_COLOURS], atol=1e-6)


def test_map_and_other_outlines_make_room_for_a_pair_and_come_back(viewer: ViewerModel, showing: Showing) -> None:
    aside = (Role.PROBABILITY, Role.READINGS)
    showing.select(showing.selected, 0)
    assert not any(layer(viewer, role).visible for role in aside)
    showing.select(showing.selected, 1)
    assert not any(layer(viewer, role).visible for role in aside)
    showing.go_to(0)
    assert not layer(viewer, Role.PAIR).visible  # the way to the readings is no pair
    showing.go_to(None)
    assert layer(viewer, Role.PAIR).visible
    assert opacities(layer(viewer, Role.EXPERTS)) == {0.25, 1.0}
    showing.select(showing.selected, None)
    assert opacities(layer(viewer, Role.EXPERTS)) == {1.0}
    assert all(layer(viewer, role).visible for role in aside)
    assert not layer(viewer, Role.PAIR).visible


def test_a_pair_follows_the_threshold(viewer: ViewerModel, showing: Showing) -> None:
    view = showing.view
    smallest = int(np.where(view.areas_mm2 > 0, view.areas_mm2, np.inf).argmin())
    showing.select(smallest, 0)
    assert 1 in layer(viewer, Role.PAIR).data
    showing.set_threshold(1.0)
    assert set(np.unique(layer(viewer, Role.PAIR).data)) == {0, 3}


@pytest.mark.parametrize("sight", SIGHT)
def test_the_colours_of_a_pair_differ_for_all_eyes_on_dark_and_bright_tissue(sight: str) -> None:
    for grey in (0.1, 0.35, 0.6):
        colours = [0.6 * np.array(rgba(colour)[:3]) + 0.4 * grey for colour in PAIR_COLOURS] + [np.full(3, grey)]
        linear = [np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) for c in colours]
        seen = np.clip([np.array(SIGHT[sight]) @ c for c in linear], 0, 1)
        encoded = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
        lab = rgb2lab(encoded[:, None])[:, 0]
        assert min(deltaE_ciede2000(a, b) for a, b in itertools.combinations(lab, 2)) > 10

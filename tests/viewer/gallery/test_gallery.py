"""The gallery: its order, what it says, and that pointing at it selects."""

from collections.abc import Callable

import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QMainWindow

from napari_ambiseg.readings.modes import mode_numbers, modes
from napari_ambiseg.viewer.gallery.dock import GalleryDock
from napari_ambiseg.viewer.gallery.gallery import Gallery
from napari_ambiseg.viewer.gallery.items import (
    Order,
    SortBy,
    area_text,
    captions,
    expert_told,
    head_line,
    orders,
    reading_told,
    sorted_readings,
)
from napari_ambiseg.viewer.session.grouping import Grouping
from napari_ambiseg.viewer.session.result import Result, View, derive
from napari_ambiseg.viewer.session.showing import Showing

LARGE = 0.5  # threshold at which the toy's smallest disc counts as nothing


@pytest.fixture
def view(result: Result) -> View:
    return derive(result, LARGE)


@pytest.fixture
def showing(result: Result) -> Showing:
    showing = Showing(LARGE)
    showing.show(result)
    return showing


@pytest.fixture
def gallery(qtbot: QtBot, showing: Showing) -> Gallery:
    gallery = Gallery(showing, Grouping(showing, showing))
    qtbot.addWidget(gallery)
    gallery.resize(330, 900)
    with qtbot.waitExposed(gallery):
        gallery.show()
    return gallery


def rows(gallery: Gallery) -> list[tuple[bool, int]]:
    tiles = [gallery.model.tile(row) for row in range(gallery.model.rowCount())]
    return [(tile.is_expert, tile.number) for tile in tiles]


def click(qtbot: QtBot, gallery: Gallery, *, reading: int | None = None, expert: int | None = None) -> None:
    row = rows(gallery).index((True, expert) if expert is not None else (False, reading))
    index = gallery.model.index(row)
    gallery.tiles.scrollTo(index)
    qtbot.mouseClick(gallery.tiles.viewport(), Qt.MouseButton.LeftButton, pos=gallery.tiles.visualRect(index).center())


def choose_order(gallery: Gallery, name: str) -> None:
    gallery.order_box.setCurrentIndex(gallery.order_box.findText(name))


@pytest.mark.parametrize("backwards", [False, True])
def test_sorted_by_area_or_dice_each_reading_is_at_most_the_one_before(view: View, backwards: bool) -> None:
    assert view.comparison is not None
    dice = view.comparison.dice
    for by, expert, values in [
        (SortBy.AREA, 0, view.areas_mm2),
        (SortBy.MEAN, 0, dice.mean(axis=1)),
        (SortBy.EXPERT, 1, dice[:, 1]),
    ]:
        numbers = sorted_readings(view, (), Order(by, expert, backwards))
        assert sorted(numbers) == list(range(16))
        steps = np.diff(values[numbers])
        assert (steps >= 0).all() if backwards else (steps <= 0).all()


def test_sorted_by_way_the_commonest_comes_first_and_its_typical_reading_leads(view: View) -> None:
    found = modes(view.readings)
    numbers = sorted_readings(view, found, Order(SortBy.WAY))
    way = mode_numbers(found)[numbers]
    assert (np.diff(way) >= 0).all()
    assert sorted(numbers) == list(range(16))
    starts = [int(np.flatnonzero(way == i)[0]) for i in range(len(found))]
    assert [numbers[start] for start in starts] == [mode.medoid for mode in found]


def test_as_drawn_is_the_order_of_the_numbers(view: View) -> None:
    assert sorted_readings(view, (), Order()) == list(range(16))
    assert sorted_readings(view, (), Order(backwards=True)) == list(range(15, -1, -1))


def test_captions_say_what_the_order_is_about(view: View) -> None:
    assert view.comparison is not None
    found, largest = modes(view.readings), int(view.areas_mm2.argmax())
    empty = int(np.flatnonzero(view.areas_mm2 == 0)[0])
    assert captions(view, (), Order())[largest] == f"{largest + 1}: {view.areas_mm2[largest]:.0f} mm²"
    assert captions(view, (), Order())[empty] == f"{empty + 1}: nothing"
    dice = view.comparison.dice[largest, 0]
    assert captions(view, (), Order(SortBy.EXPERT, 0))[largest] == f"{largest + 1}: {dice:.2f}"
    way = mode_numbers(found)[largest] + 1
    assert captions(view, found, Order(SortBy.WAY))[largest] == f"{largest + 1}: way {way}"


@pytest.mark.parametrize(("area", "text"), [(0.0, "nothing"), (0.25, "0.2 mm²"), (9.4, "9.4 mm²"), (87.6, "88 mm²")])
def test_only_what_is_empty_is_called_nothing(area: float, text: str) -> None:
    assert area_text(area) == text


def test_the_head_line_counts_who_sees_nothing(view: View) -> None:
    empty = sum(not mask.any() for mask in view.readings)
    assert empty > 1
    assert head_line(view) == f"16 readings, {empty} see nothing · 3 experts, 1 sees nothing"
    assert head_line(None) == "No readings yet"


def test_a_reading_is_told_with_its_sizes_and_every_expert(result: Result, view: View) -> None:
    assert view.comparison is not None
    number = int(view.areas_mm2.argmax())
    told = reading_told(result, view, number)
    for one in result.sizes:
        assert (f"{one.samples[number]:.0f} mm²" if one.unit == "mm²" else f"{one.samples[number]:.1f} mm") in told
    for expert, name in enumerate("ABC"):
        assert f"E{expert + 1} ({name}): {view.comparison.dice[number, expert]:.2f}" in told
    assert f"Mean Dice: {view.comparison.dice[number].mean():.2f}" in told


def test_a_reading_that_the_threshold_empties_is_told_with_what_was_drawn(result: Result, view: View) -> None:
    drawn = result.sizes.area.samples
    emptied = int(np.flatnonzero((drawn > 0) & (view.areas_mm2 == 0))[0])
    told = reading_told(result, view, emptied)
    assert f"Reading {emptied + 1} sees nothing" in told
    assert f"It marks {area_text(float(drawn[emptied]))}, which is below 50 % of the largest reading" in told
    never = int(np.flatnonzero(drawn == 0)[0])
    assert "below" not in reading_told(result, view, never)


def test_an_expert_who_marked_nothing_is_told_so(result: Result, view: View) -> None:
    assert "Expert 3 (C): sees nothing" in expert_told(result, view, 2, selected=0)
    assert "Expert 1 (A): 52 mm²" in expert_told(result, view, 0, selected=0)


def test_experts_come_first_in_their_colours(gallery: Gallery) -> None:
    assert rows(gallery) == [*((True, i) for i in range(3)), *((False, i) for i in range(16))]
    assert [gallery.model.tile(i).stroke.colour for i in range(4)] == ["#E69F00", "#56B4E9", "#009E73", "#FF5CC8"]


def test_a_click_selects_the_reading_wherever_it_is_sorted_to(qtbot: QtBot, gallery: Gallery, showing: Showing) -> None:
    choose_order(gallery, "Area")
    for reading in (11, 4):
        click(qtbot, gallery, reading=reading)
        assert showing.selected == reading
        framed = [tile for tile in map(gallery.model.tile, range(19)) if tile.frame is not None]
        assert [(tile.is_expert, tile.number) for tile in framed] == [(False, reading)]


def test_a_click_on_an_expert_sets_him_beside_the_reading_and_another_takes_him_away(
    qtbot: QtBot, gallery: Gallery, showing: Showing
) -> None:
    click(qtbot, gallery, reading=7)
    click(qtbot, gallery, expert=1)
    assert (showing.selected, showing.expert) == (7, 1)
    assert gallery.model.tile(1).frame == "#56B4E9"
    click(qtbot, gallery, reading=9)
    assert (showing.selected, showing.expert) == (9, 1)
    click(qtbot, gallery, expert=1)
    assert (showing.selected, showing.expert) == (9, None)


def test_arrow_keys_go_from_reading_to_reading_and_through_the_experts(
    qtbot: QtBot, gallery: Gallery, showing: Showing
) -> None:
    click(qtbot, gallery, reading=0)
    qtbot.keyClick(gallery.tiles, Qt.Key.Key_Right)
    assert showing.selected == 1
    for _ in range(3):
        qtbot.keyClick(gallery.tiles, Qt.Key.Key_Left)
    assert (showing.selected, showing.expert) == (0, 1)


def test_the_gallery_follows_what_others_select(gallery: Gallery, showing: Showing) -> None:
    choose_order(gallery, "Mean Dice")
    showing.select(13)
    current = gallery.model.tile(gallery.tiles.currentIndex().row())
    assert (current.is_expert, current.number) == (False, 13)


def test_the_threshold_empties_tiles_and_keeps_their_places(gallery: Gallery, showing: Showing) -> None:
    showing.set_threshold(0.0)
    before = rows(gallery)
    assert showing.view is not None
    assert showing.view.empty == 2
    assert "16 readings, 2 see nothing" in gallery.head.text()
    showing.set_threshold(1.0)
    assert rows(gallery) == before
    for is_expert, number in before[3:]:
        tile = gallery.model.tile(gallery.model.row_of(reading=number))
        assert not is_expert
        assert (len(tile.stroke.segments) > 0) == bool(showing.view.areas_mm2[number])
    assert f"16 readings, {showing.view.empty} see nothing" in gallery.head.text()


def test_a_gallery_that_nobody_sees_waits(qtbot: QtBot, showing: Showing, make_result: Callable[..., Result]) -> None:
    gallery = Gallery(showing, Grouping(showing, showing))
    qtbot.addWidget(gallery)
    assert gallery.model.rowCount() == 0
    showing.set_threshold(0.3)
    showing.select(2)
    assert gallery.model.rowCount() == 0
    gallery.show()
    assert gallery.model.rowCount() == 19
    gallery.hide()
    showing.clear()
    gallery.show()
    assert gallery.model.rowCount() == 0
    assert gallery.head.text() == "No readings yet"


def test_without_experts_there_is_nothing_to_compare_with(result: Result) -> None:
    names = [name for name, _ in orders(None)]
    assert names == ["As drawn", "Area", "Way"]
    assert [name for name, _ in orders(result)][-1] == "Dice with E3 (C)"


@pytest.mark.parametrize("width", [300, 340, 700])
def test_thumbnails_fill_the_width(qtbot: QtBot, gallery: Gallery, width: int) -> None:
    gallery.resize(width, 900)
    qtbot.wait(1)
    room, cell = gallery.tiles.viewport().width(), gallery.tiles.gridSize().width()
    columns = room // cell
    assert columns >= 3
    assert room - columns * cell < columns + 2
    first = [gallery.tiles.visualRect(gallery.model.index(row)) for row in range(columns)]
    assert len({rect.top() for rect in first}) == 1
    assert gallery.tiles.visualRect(gallery.model.index(columns)).top() > first[0].top()


def test_the_large_gallery_is_a_window_that_shows_the_same_and_can_be_closed_and_opened(
    qtbot: QtBot, showing: Showing
) -> None:
    window, gallery = QMainWindow(), Gallery(showing, Grouping(showing, showing))
    qtbot.addWidget(window)
    window.resize(330, 600)
    window.setCentralWidget(gallery)
    window.show()
    opener = GalleryDock(gallery, showing, Grouping(showing, showing))
    gallery.enlarge.click()
    dock = opener.dock
    assert dock is not None
    large = dock.widget()
    assert isinstance(large, Gallery)
    assert dock.isFloating()
    assert large.model.rowCount() == 19
    assert large.tiles.gridSize().width() > gallery.tiles.gridSize().width()
    click(qtbot, large, reading=6)
    assert showing.selected == 6
    dock.close()
    gallery.enlarge.click()
    assert opener.dock is dock
    assert dock.isVisible()

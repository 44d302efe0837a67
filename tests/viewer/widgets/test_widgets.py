"""Table and player on their own."""

from collections.abc import Callable

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt

from napari_ambiseg.viewer.session.result import Result, View, derive
from napari_ambiseg.viewer.tabs.player import Player
from napari_ambiseg.viewer.tabs.table import Metric, ReadingsTable
from napari_ambiseg.viewer.widgets.elided import ElidedLabel


@pytest.fixture
def view(make_result: Callable[..., Result]) -> View:
    return derive(make_result(), 0.5)


@pytest.fixture
def table(qtbot: QtBot, view: View) -> ReadingsTable:
    table = ReadingsTable()
    qtbot.addWidget(table)
    table.show_view(view, ("A", "B", "C"), Metric.DICE, selected=0)
    return table


def texts(table: ReadingsTable, row: int) -> list[str]:
    model = table.model()
    return [model.index(row, column).data() for column in range(model.columnCount())]


def test_the_table_says_what_the_comparison_says(table: ReadingsTable, view: View) -> None:
    for i in range(16):
        area = f"{view.areas_mm2[i]:.0f}" if view.areas_mm2[i] else "empty"
        scores = [*view.comparison.dice[i], view.comparison.dice[i].mean()]
        assert texts(table, i) == [area, *(f"{score:.2f}" for score in scores)]


def test_the_table_shows_iou_instead_of_dice(table: ReadingsTable, view: View) -> None:
    table.show_view(view, ("A", "B", "C"), Metric.IOU, selected=0)
    assert texts(table, 2)[1] == f"{view.comparison.iou[2, 0]:.2f}"
    assert "IoU with A" in table.model().headerData(1, Qt.Orientation.Horizontal, Qt.ItemDataRole.ToolTipRole)


def test_sorting_keeps_readings_with_their_numbers(qtbot: QtBot, table: ReadingsTable, view: View) -> None:
    table.sortByColumn(0, Qt.SortOrder.DescendingOrder)
    numbers = [int(table.model().headerData(i, Qt.Orientation.Vertical)) - 1 for i in range(16)]
    areas = [view.areas_mm2[i] for i in numbers]
    assert areas == sorted(view.areas_mm2, reverse=True)
    with qtbot.waitSignal(table.selected) as chosen:
        table.selectRow(5)
    assert chosen.args == [numbers[5], None]


def test_selecting_a_reading_from_outside_tells_nobody(qtbot: QtBot, table: ReadingsTable) -> None:
    with qtbot.assertNotEmitted(table.selected):
        table.select(7)
    assert table.currentIndex().row() == 7


def test_without_experts_there_are_only_areas(table: ReadingsTable, view: View) -> None:
    alone = View(view.threshold, view.readings, view.areas_mm2, view.areas_mm2[:0], view.probability, view.window, None)
    table.show_view(alone, (), Metric.DICE, selected=0)
    assert table.model().columnCount() == 1


def test_the_player_plays_from_the_start_to_the_end_and_stops(qtbot: QtBot) -> None:
    player, seen = Player(), []
    qtbot.addWidget(player)
    player.moved.connect(seen.append)
    player.load(steps=range(1, 31), log_snr=[0.0] * 30)
    assert player.is_at_end
    player.toggle()
    assert player.is_playing
    qtbot.waitUntil(lambda: not player.is_playing, timeout=20_000)
    assert seen == list(range(30))


def test_the_player_pauses_where_it_is(qtbot: QtBot) -> None:
    player = Player()
    qtbot.addWidget(player)
    player.load(steps=(1, 2, 3), log_snr=(-9.0, 0.5, 20.0))
    player.toggle()
    player.go_to(1)
    player.toggle()
    assert not player.is_playing
    assert player.position == 1


def test_one_state_cannot_be_played(qtbot: QtBot) -> None:
    player = Player()
    qtbot.addWidget(player)
    player.load(steps=(1,), log_snr=(float("inf"),))
    assert not player.isEnabled()


def test_long_names_lose_their_middle_and_keep_it_in_the_tooltip(qtbot: QtBot) -> None:
    label = ElidedLabel()
    qtbot.addWidget(label)
    label.resize(120, 20)
    name = "Rendered slice 1 (outlines: a subject with a long name)"
    label.show_text(name)
    assert label.text()[0] == "R"
    assert label.text()[-1] == ")"
    assert "…" in label.text()
    assert label.toolTip() == name
    label.resize(2000, 20)
    label.show_text(name)
    assert label.text() == name

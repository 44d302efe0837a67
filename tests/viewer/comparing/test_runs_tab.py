"""The tab with runs and the comparison, driven as a user would; slices that are gone are told."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QPoint, Qt
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QTabWidget

from napari_ambiseg.viewer.asking.choosers import ImageChooser
from napari_ambiseg.viewer.comparing.going import Going
from napari_ambiseg.viewer.comparing.runs_tab import RunsTab
from napari_ambiseg.viewer.image.experts import Experts
from napari_ambiseg.viewer.image.origin import origin_of
from napari_ambiseg.viewer.image.where import where_of
from napari_ambiseg.viewer.opening.sources import bundled_sample, go_to
from napari_ambiseg.viewer.session.result import Result
from napari_ambiseg.viewer.session.showing import Showing
from napari_ambiseg.viewer.session.study import Study


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


@pytest.fixture
def volume(viewer: ViewerModel) -> Image:
    data = np.random.default_rng(0).random((4, 64, 64), dtype=np.float32)
    return viewer.add_image(data, name="ct", scale=(2.5, 0.5, 0.5), units=("mm", "mm", "mm"))


@pytest.fixture
def study() -> Study:
    return Study()


@pytest.fixture
def showing() -> Showing:
    return Showing(0.0)


@pytest.fixture
def tab(qtbot: QtBot, viewer: ViewerModel, volume: Image, showing: Showing, study: Study) -> RunsTab:
    images = ImageChooser(viewer)
    qtbot.addWidget(images)
    tab = RunsTab(showing, study, Going(viewer, images, showing, lambda *_: None), lambda: False)
    tabs = QTabWidget()
    qtbot.addWidget(tabs)
    tab.add_to(tabs)
    tabs.resize(340, 400)
    with qtbot.waitExposed(tabs):
        tabs.show()
    return tab


@pytest.fixture
def runs(make_result: Callable[..., Result], volume: Image, study: Study, tab: RunsTab) -> list[Result]:
    """Two of slice 1, one of slice 3, which is the newest."""
    found = [make_result(layer=volume, point=(z, 0, 0), readings=4) for z in (2.5, 2.5, 7.5)]
    found[1] = with_steps(found[1], 500)
    for result in found:
        study.add(result)
    return found


def with_steps(result: Result, steps: int) -> Result:
    options = replace(result.sampled.options, steps=steps)
    settings = replace(result.request.settings, options=options)
    return Result(replace(result.request, settings=settings), replace(result.sampled, options=options))


def row_of(tab: RunsTab, result: Result) -> int:
    return next(i for i, row in enumerate(tab.model.rows) if row.result is result)


def click(qtbot: QtBot, tab: RunsTab, result: Result, column: int = 1) -> None:
    place = tab.table.visualRect(tab.model.index(row_of(tab, result), column)).center()
    qtbot.mouseClick(tab.table.viewport(), Qt.MouseButton.LeftButton, pos=place)


def tick(qtbot: QtBot, tab: RunsTab, result: Result) -> None:
    cell = tab.table.visualRect(tab.model.index(row_of(tab, result), 0))
    qtbot.mouseClick(tab.table.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(cell.left() + 10, cell.center().y()))


def title(tab: RunsTab) -> str:
    tabs = tab.parent().parent()
    assert isinstance(tabs, QTabWidget)
    return tabs.tabText(0)


def test_a_click_goes_to_the_slice_of_a_run_and_shows_it(
    qtbot: QtBot, tab: RunsTab, runs: list[Result], viewer: ViewerModel, showing: Showing
) -> None:
    for result, z in ((runs[2], 7.5), (runs[0], 2.5), (runs[1], 2.5)):
        click(qtbot, tab, result)
        assert showing.result is result
        assert viewer.dims.point[0] == z
        assert tab.table.currentIndex().row() == row_of(tab, result)
        assert tab.model.index(row_of(tab, result), 1).data(Qt.ItemDataRole.FontRole).bold()


def test_a_run_whose_image_is_gone_is_not_drawn_and_this_is_said(
    qtbot: QtBot, tab: RunsTab, runs: list[Result], viewer: ViewerModel, volume: Image, showing: Showing
) -> None:
    click(qtbot, tab, runs[0])
    viewer.add_image(np.zeros((64, 64), np.float32))
    viewer.layers.remove(volume)
    showing.clear()
    with qtbot.waitSignal(tab.told) as said:
        click(qtbot, tab, runs[1])
    assert "no longer open" in said.args[0]
    assert showing.result is None


def test_a_volume_that_has_become_shorter_is_told(
    qtbot: QtBot, tab: RunsTab, runs: list[Result], volume: Image, showing: Showing
) -> None:
    volume.data = volume.data[:2]
    with qtbot.waitSignal(tab.told) as said:
        click(qtbot, tab, runs[2])
    assert "no slice 3" in said.args[0]
    assert showing.result is None


def test_in_three_dimensions_nothing_is_shown(
    qtbot: QtBot, tab: RunsTab, runs: list[Result], viewer: ViewerModel, showing: Showing
) -> None:
    viewer.dims.ndisplay = 3
    with qtbot.waitSignal(tab.told) as said:
        click(qtbot, tab, runs[0])
    assert "3D" in said.args[0]
    assert showing.result is None


def test_the_tab_tells_how_many_runs_there_are_of_the_slice(
    qtbot: QtBot, tab: RunsTab, runs: list[Result], showing: Showing
) -> None:
    assert title(tab) == "Runs"
    tab.show_run(runs[0])
    assert title(tab) == "Runs (2)"
    tab.show_run(runs[2])
    assert title(tab) == "Runs"


def test_ticks_choose_what_is_compared_and_show_nothing(
    qtbot: QtBot, tab: RunsTab, runs: list[Result], showing: Showing
) -> None:
    tab.show_run(runs[2])
    assert not tab.compare.isEnabled()
    tick(qtbot, tab, runs[0])
    assert not tab.compare.isEnabled()
    tick(qtbot, tab, runs[1])
    assert tab.compare.isEnabled()
    assert tab.compare.text() == "Compare 2"
    assert showing.result is runs[2]
    tick(qtbot, tab, runs[2])
    assert not tab.compare.isEnabled()
    assert "different slices" in tab.hint.text()
    tick(qtbot, tab, runs[2])
    assert tab.compare.isEnabled()


def test_without_ticks_all_runs_of_the_slice_are_compared(qtbot: QtBot, tab: RunsTab, runs: list[Result]) -> None:
    tab.show_run(runs[0])
    qtbot.mouseClick(tab.compare, Qt.MouseButton.LeftButton)
    comparison = tab.comparison
    assert comparison.isVisible()
    assert comparison.model.beside is not None
    assert [one is other for one, other in zip(comparison.model.beside.results, runs[:2], strict=True)] == [True, True]
    assert (comparison.model.rowCount(), comparison.model.columnCount()) == (2, 4)


def test_a_click_on_a_picture_shows_that_reading_of_that_run(
    qtbot: QtBot, tab: RunsTab, runs: list[Result], showing: Showing
) -> None:
    tab.show_run(runs[0])
    tab.open_comparison()
    table, model = tab.comparison.table, tab.comparison.model
    for row, column in ((1, 2), (0, 1)):
        table.scrollTo(model.index(row, column))
        place = table.visualRect(model.index(row, column)).center()
        qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)
        assert showing.result is runs[row]
        assert showing.selected == column
        assert [(r, c) for r in range(2) for c in range(4) if model.is_selected(r, c)] == [(row, column)]


def test_list_and_comparison_follow_the_threshold(
    qtbot: QtBot, tab: RunsTab, runs: list[Result], showing: Showing
) -> None:
    tab.show_run(runs[0])
    tab.open_comparison()
    model, empty = tab.model, []
    for threshold in (0.0, 1.0):
        showing.set_threshold(threshold)
        assert showing.view is not None
        text = f"{showing.view.empty} of 4"
        assert model.index(row_of(tab, runs[0]), 4).data() == text
        told = tab.comparison.model.headerData(0, Qt.Orientation.Vertical)
        assert text in told
        drawn = [bool(len(tab.comparison.model.strokes(0, i)[0].segments)) for i in range(4)]
        assert drawn == (showing.view.areas_mm2 > 0).tolist()
        empty.append(showing.view.empty)
    assert empty[0] < empty[1]


def told_in(tab: RunsTab) -> str:
    """Everything that can be read in the comparison."""
    comparison, model = tab.comparison, tab.comparison.model
    roles = (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole)
    heads = [model.headerData(row, Qt.Orientation.Vertical, role) for row in range(model.rowCount()) for role in roles]
    cells = [
        str(model.index(row, column).data(role))
        for row in range(model.rowCount())
        for column in range(model.columnCount())
        for role in roles
    ]
    return "\n".join([comparison.head.text(), comparison.cautions.text(), *heads, *cells])


def test_hidden_experts_are_not_given_away_by_the_comparison(
    tab: RunsTab, runs: list[Result], showing: Showing
) -> None:
    tab.show_run(runs[0])
    tab.open_comparison()
    comparison = tab.comparison
    comparison.experts.setChecked(True)
    before, strokes = told_in(tab), len(comparison.model.strokes(0, 0))
    assert "GED" in before
    assert strokes == 1 + 3
    showing.hide(experts=True)
    assert not any(word in told_in(tab) for word in ("GED", "Dice"))
    assert "The experts are hidden" in told_in(tab)
    assert "mm²" in told_in(tab)  # the model is not hidden
    assert not comparison.experts.isVisible()
    assert len(comparison.model.strokes(0, 0)) == 1
    showing.set_threshold(0.5)  # figures are counted anew
    assert not any(word in told_in(tab) for word in ("GED", "Dice"))
    showing.set_threshold(0.0)
    showing.hide(experts=False)
    assert told_in(tab) == before
    assert len(comparison.model.strokes(0, 0)) == strokes


def test_where_hidden_experts_marked_something_does_not_move_the_window_of_the_pictures(
    tab: RunsTab, runs: list[Result], showing: Showing, study: Study
) -> None:
    far = np.zeros((1, 64, 64), np.bool_)
    far[0, 2, 2] = True
    experts = Experts(far, ("A",))
    moved = [replace(one, request=replace(one.request, experts=experts)) for one in runs[:2]]
    showing.hide(experts=True)
    pictures = []
    for results in (runs[:2], moved):
        tab.comparison.compare(results)
        pictures.append(tab.comparison.model.thumbnails[0].crop.grey)
    np.testing.assert_array_equal(*pictures)


def test_a_hidden_model_empties_the_comparison_until_it_is_shown(
    tab: RunsTab, runs: list[Result], showing: Showing, study: Study
) -> None:
    tab.show_run(runs[0])
    tab.open_comparison()
    before = told_in(tab)
    showing.hide(model=True)
    assert tab.comparison.model.rowCount() == 0
    assert not tab.comparison.table.isVisible()
    assert told_in(tab).strip() == "The model is hidden."
    study.remove(runs[2])  # another slice's
    showing.hide(model=False)
    assert tab.comparison.table.isVisible()
    assert told_in(tab) == before


def test_a_forgotten_run_leaves_list_and_comparison_and_can_be_taken_back(
    qtbot: QtBot, tab: RunsTab, runs: list[Result], showing: Showing, study: Study
) -> None:
    tab.show_run(runs[1])
    tab.open_comparison()
    assert tab.undo.isHidden()
    qtbot.mouseClick(tab.forget, Qt.MouseButton.LeftButton)
    assert [id(one) for one in study.results] == [id(runs[0]), id(runs[2])]
    assert showing.result is runs[0]  # the other one of this slice
    assert tab.comparison.model.rowCount() == 1
    qtbot.mouseClick(tab.undo, Qt.MouseButton.LeftButton)
    assert {id(one) for one in study.results} == {id(one) for one in runs}
    assert showing.result is runs[1]
    assert tab.undo.isHidden()


def test_the_last_run_of_a_slice_can_be_forgotten(
    qtbot: QtBot, tab: RunsTab, runs: list[Result], showing: Showing
) -> None:
    tab.show_run(runs[2])
    qtbot.mouseClick(tab.forget, Qt.MouseButton.LeftButton)
    assert showing.result is None
    assert not tab.forget.isEnabled()


def test_the_menu_asks_for_what_is_not_drawn_yet_on_the_slice_that_is_shown(
    qtbot: QtBot, tab: RunsTab, runs: list[Result]
) -> None:
    tab.show_run(runs[2])
    tab.again.fill()
    menu = tab.again.menu()
    assert menu is not None
    entries = {action.text(): action for action in menu.actions() if action.text()}
    with qtbot.waitSignal(tab.again_wanted) as wanted:
        entries["50 steps"].trigger()
    (request,) = wanted.args[0]
    assert request.where == runs[2].request.where
    assert request.settings.options.steps == 50
    assert request.settings.seeds == runs[2].sampled.seeds
    with qtbot.waitSignal(tab.again_wanted) as wanted:
        entries["All of these numbers of steps"].trigger()
    assert [one.settings.options.steps for one in wanted.args[0]] == [5, 10, 20, 50]
    usual = runs[2].sampled.options.sampler
    assert [entry.isEnabled() for text, entry in entries.items() if f"({usual})" in text] == [False]


def test_nothing_else_is_asked_of_a_model_that_answers_in_one_step(tab: RunsTab, runs: list[Result]) -> None:
    sampled = runs[2].sampled
    at_once = replace(
        sampled, steps=sampled.steps[-1:], x_t=sampled.x_t[-1:], x_hat=sampled.x_hat[-1:], log_snr=np.array([np.inf])
    )
    tab.show_run(replace(runs[2], sampled=at_once))
    tab.again.fill()
    menu = tab.again.menu()
    assert menu is not None
    (entry,) = menu.actions()
    assert entry.text() == "The model answers in one step, however it is asked"
    assert not entry.isEnabled()


def test_areas_over_slices_are_offered_where_there_are_several(
    qtbot: QtBot, tab: RunsTab, runs: list[Result], showing: Showing
) -> None:
    tab.show_run(runs[1])  # the only one with so many steps
    assert tab.slices_button.isHidden()
    tab.show_run(runs[0])
    assert not tab.slices_button.isHidden()
    tab.slices_button.setChecked(True)
    assert [tab.slices_model.index(row, 0).data() for row in range(2)] == ["1", "3"]
    assert "no volume" in tab.hint.text()
    place = tab.slices.visualRect(tab.slices_model.index(1, 1)).center()
    qtbot.mouseClick(tab.slices.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert showing.result is runs[2]


def test_what_is_seen_is_what_is_copied(qtbot: QtBot, tab: RunsTab, runs: list[Result]) -> None:
    tab.show_run(runs[0])
    qtbot.mouseClick(tab.copy, Qt.MouseButton.LeftButton)
    assert QGuiApplication.clipboard().text().count("\n") == 3
    tab.slices_button.setChecked(True)
    qtbot.mouseClick(tab.copy, Qt.MouseButton.LeftButton)
    assert QGuiApplication.clipboard().text().startswith("slice\treadings\tempty")


def test_the_space_bar_ticks(qtbot: QtBot, tab: RunsTab, runs: list[Result]) -> None:
    tab.show_run(runs[1])
    qtbot.keyClick(tab.table, Qt.Key.Key_Space)
    assert [one is runs[1] for one in tab.model.ticked_results] == [True]


def test_a_slice_of_a_file_is_gone_to(qtbot: QtBot, make_result: Callable[..., Result]) -> None:
    viewer, showing = ViewerModel(), Showing()
    data, options, _ = bundled_sample()[0]
    image = viewer.add_image(data, **options)
    images = ImageChooser(viewer)
    qtbot.addWidget(images)

    def go_to_slice(index: int, split: str) -> None:
        origin = origin_of(image)
        assert origin is not None
        go_to(origin, index, [image], split=split)

    result = make_result(readings=2)
    there = replace(result.request, where=where_of(image, ()))
    go_to_slice(2, "bundled")
    going = Going(viewer, images, showing, go_to_slice)
    first = Result(there, result.sampled)
    assert going.show(first) == ""
    assert showing.result is first
    assert where_of(image, ()) == there.where

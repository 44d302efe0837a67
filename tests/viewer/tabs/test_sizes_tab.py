"""Sizes: dots where the numbers are, and numbers that can be copied."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QGuiApplication

from napari_ambiseg.readings.distribution import Distribution, sizes
from napari_ambiseg.viewer.session.showing import Showing
from napari_ambiseg.viewer.tabs.sizes_tab import SizesTab
from napari_ambiseg.viewer.tabs.sizes_text import head_line, number_text, spread_text
from napari_ambiseg.viewer.tabs.strips import DOT, GUTTER, spots_of

VALUES = st.lists(st.just(0.0) | st.floats(0.01, 300), min_size=1, max_size=40)


@pytest.fixture
def tab(qtbot: QtBot, showing: Showing) -> SizesTab:
    tab = SizesTab(showing)
    qtbot.addWidget(tab)
    tab.resize(330, 420)
    with qtbot.waitExposed(tab):
        tab.show()
    return tab


def measured(samples: list[float], experts: list[float]) -> Distribution:
    return Distribution("area", "mm²", np.array(samples), np.array(experts), median=1, low=1, high=1)


@given(VALUES, VALUES)
def test_dots_and_marks_lie_where_their_values_are_and_who_sees_nothing_stands_apart(
    samples: list[float], experts: list[float]
) -> None:
    spots = spots_of(measured(samples, experts), left=60, right=310, above=20, y=60)
    for points, values in ((spots.readings, samples), (spots.experts, experts)):
        drawn = np.array(values) > 0
        expected = 60 + 250 * np.array(values) / spots.scale.top
        np.testing.assert_allclose(points[drawn, 0], expected[drawn])
        if points is spots.readings:
            assert (points[~drawn, 0] < GUTTER).all()
    assert (spots.readings[:, 1] <= 60 - DOT / 2).all()
    assert (spots.readings[:, 1] >= 20 + DOT / 2 - 1e-9).all()


def test_marks_of_experts_who_agree_hang_one_below_the_other() -> None:
    marks = spots_of(measured([10.0], [50.0, 80.0, 50.0]), left=60, right=310, above=20, y=60).experts
    assert marks[0, 0] == marks[2, 0]
    assert marks[0, 1] == marks[1, 1] < marks[2, 1]


@pytest.mark.parametrize(("value", "text"), [(0.4, "0.4"), (99.44, "99.4"), (99.5, "100"), (1234.0, "1234")])
def test_numbers_have_about_three_digits(value: float, text: str) -> None:
    assert number_text(value) == text


def test_figures_are_told_with_how_many_readings_they_are_of() -> None:
    masks = np.array([np.arange(40) < count for count in (4, 8, 12, 0)])[:, None] & np.ones((1, 10, 1), np.bool_)
    area = sizes(samples=masks, experts=masks[:0], spacing_mm=(1, 1)).area
    assert head_line(area) == "3 of 4 readings have a size; 1 sees nothing"
    low, high = np.percentile([40, 80, 120], (5, 95))
    assert spread_text(area) == f"median 80.0 (5–95 %: {low:.1f}–{high:.0f})"
    nothing = sizes(samples=masks[3:], experts=masks[:0], spacing_mm=(1, 1)).area
    assert head_line(nothing) == "0 of 1 readings have a size; 1 sees nothing"
    assert spread_text(nothing) == "no reading has a size"


@pytest.mark.parametrize("threshold", [0.0, 0.5])
def test_the_numbers_are_those_of_the_readings_at_the_threshold(
    qtbot: QtBot, tab: SizesTab, showing: Showing, threshold: float
) -> None:
    showing.set_threshold(threshold)
    assert showing.view is not None
    areas = showing.view.areas_mm2
    drawn = areas[areas > 0]
    tab.copy.click()
    lines = QGuiApplication.clipboard().text().splitlines()
    assert lines[0].startswith(f"{len(drawn)} of 16 readings have a size; {16 - len(drawn)} see")
    low, middle, high = (number_text(value) for value in np.percentile(drawn, (5, 50, 95)))
    assert lines[1].startswith(f"Area, mm²: median {middle} (5–95 %: {low}–{high}); E1 52.0; ")
    assert lines[1].endswith("E3 nothing")
    assert lines[-3:] == ["E1: A", "E2: B", "E3: C"]


def test_a_click_on_a_dot_selects_its_reading(qtbot: QtBot, tab: SizesTab, showing: Showing) -> None:
    for spots in tab.strips.spots():
        for reading in (3, 8, 15):
            place = QPointF(*spots.readings[reading])
            nearest = np.hypot(*(spots.readings - spots.readings[reading]).T)
            qtbot.mouseClick(tab.strips, Qt.MouseButton.LeftButton, pos=QPoint(round(place.x()), round(place.y())))
            assert nearest[showing.selected] < DOT / 2  # itself, or one squeezed on top of it


def test_a_click_on_an_experts_mark_sets_him_beside_the_reading(qtbot: QtBot, tab: SizesTab, showing: Showing) -> None:
    x, y = tab.strips.spots()[0].experts[1]
    for expected in (1, None):
        qtbot.mouseClick(tab.strips, Qt.MouseButton.LeftButton, pos=QPoint(round(x), round(y) + 5))
        assert showing.expert == expected


def test_nobody_is_where_no_dot_is(tab: SizesTab) -> None:
    spots = tab.strips.spots()[0]
    assert tab.strips.who_is_at(QPointF(*spots.readings[4])) is not None
    assert tab.strips.who_is_at(QPointF(spots.scale.right + 15, spots.scale.above)) is None


def test_arrow_keys_go_to_the_next_larger_and_smaller_reading(qtbot: QtBot, tab: SizesTab, showing: Showing) -> None:
    assert showing.view is not None
    areas = showing.view.areas_mm2
    by_size = np.argsort(areas, kind="stable")
    showing.select(int(by_size[5]))
    qtbot.keyClick(tab.strips, Qt.Key.Key_Right)
    assert showing.selected == by_size[6]
    qtbot.keyClick(tab.strips, Qt.Key.Key_Left)
    qtbot.keyClick(tab.strips, Qt.Key.Key_Left)
    assert showing.selected == by_size[4]
    showing.select(int(by_size[-1]))
    qtbot.keyClick(tab.strips, Qt.Key.Key_Right)
    assert showing.selected == by_size[-1]


def test_strips_are_painted_in_the_colours_of_model_and_experts(tab: SizesTab) -> None:
    image = tab.strips.grab().toImage()
    seen = {image.pixelColor(x, y).name().upper() for x in range(image.width()) for y in range(image.height())}
    assert {"#FF5CC8", "#E69F00", "#56B4E9", "#009E73"} <= seen


def test_what_is_shown_goes_with_the_readings(tab: SizesTab, showing: Showing) -> None:
    showing.clear()
    assert tab.head.text() == "No readings yet"
    assert tab.numbers.toPlainText() == ""
    assert tab.strips.spots() == []
    assert tab.strips.who_is_at(QPointF(10, 10)) is None
    tab.strips.repaint()

"""The typical readings: what is said is what was counted, and a click shows the reading that stands for a way."""

from dataclasses import replace

import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt

from napari_ambiseg.readings.modes import modes, share, told
from napari_ambiseg.viewer.session.grouping import Grouping, Stand
from napari_ambiseg.viewer.session.result import Result, View
from napari_ambiseg.viewer.session.showing import Showing
from napari_ambiseg.viewer.tabs.ways import frequency, interval, strangers
from napari_ambiseg.viewer.tabs.ways_tab import WaysTab


@pytest.fixture
def grouping(showing: Showing) -> Grouping:
    return Grouping(showing, showing)


@pytest.fixture
def tab(qtbot: QtBot, showing: Showing, grouping: Grouping) -> WaysTab:
    tab = WaysTab(showing, grouping)
    qtbot.addWidget(tab)
    tab.resize(330, 700)
    with qtbot.waitExposed(tab):
        tab.show()
    return tab


def view_of(showing: Showing) -> View:
    assert showing.view is not None
    return showing.view


def texts(tab: WaysTab) -> list[str]:
    return [tab.model.index(row).data() for row in range(tab.model.rowCount())]


@pytest.mark.parametrize("threshold", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("position", [20, 50, 95])
def test_the_sentence_is_what_was_counted(tab: WaysTab, showing: Showing, threshold: float, position: int) -> None:
    showing.set_threshold(threshold)
    tab.slider.setValue(position)
    found = modes(view_of(showing).readings, similar_iou=position / 100)
    assert tab.sentence.text() == told(found)
    assert tab.model.rowCount() == len(found)


def test_counts_and_intervals_stand_beside_the_percentages(tab: WaysTab, showing: Showing) -> None:
    for text, mode in zip(texts(tab), modes(view_of(showing).readings), strict=True):
        count = len(mode.members)
        lines = text.splitlines()
        assert lines[1] == f"{count} of 16 readings, {100 * count / 16:.0f} %"
        wilson = share(count, 16)
        assert lines[2] == f"95 % interval {100 * wilson.low:.0f} to {100 * wilson.high:.0f} %"


def test_two_of_sixteen_are_told_with_their_interval() -> None:
    assert frequency(share(2, 16)) == "2 of 16 readings, 12 %"
    assert interval(share(2, 16)) == "95 % interval 3 to 36 %"


def test_a_tooltip_says_that_intervals_of_readings_in_pairs_are_approximate(
    tab: WaysTab, showing: Showing, result: Result
) -> None:
    settings = replace(result.request.settings, antithetic=False)
    independent = Result(replace(result.request, settings=settings), result.sampled)
    for shown, approximate in ((result, True), (independent, False)):
        showing.show(shown)
        tips = [tab.model.index(row).data(Qt.ItemDataRole.ToolTipRole) for row in range(tab.model.rowCount())]
        assert {"approximate, as readings come in pairs" in tip for tip in tips} == {approximate}
        assert all("Share and interval are the model's; of experts it may be another" in tip for tip in tips)
        assert sum("Click to show" in tip for tip in tips) == sum(
            not mode.empty for mode in modes(view_of(showing).readings)
        )
        assert not any("approximate" in text for text in texts(tab))


def test_each_expert_stands_with_the_way_whose_readings_are_most_like_his_mask(
    showing: Showing, grouping: Grouping
) -> None:
    readings, experts = view_of(showing).readings, view_of(showing)
    assert experts.comparison is not None
    found = modes(readings)
    for expert, stand in enumerate(grouping.stands()):
        means = [np.mean([experts.comparison.iou[i, expert] for i in mode.members]) for mode in found]
        assert stand.mode == int(np.argmax(means))
        assert stand.iou == pytest.approx(max(means))
        assert stand.belongs == (max(means) >= 0.5)
    assert found[grouping.stands()[2].mode].empty  # expert C saw nothing


@pytest.mark.parametrize(
    ("threshold", "strangers"), [(0.0, 0), (0.5, 1)]
)  # at 0.5 the readings like A count as nothing
def test_experts_are_named_once_with_their_way_or_as_strangers(
    tab: WaysTab, showing: Showing, grouping: Grouping, threshold: float, strangers: int
) -> None:
    showing.set_threshold(threshold)
    assert sum(not stand.belongs for stand in grouping.stands()) == strangers
    words = "\n".join(text for text in texts(tab))
    for expert, (stand, name) in enumerate(zip(grouping.stands(), "ABC", strict=True)):
        assert (f"E{expert + 1} ({name})" in words) == stand.belongs
        assert (f"E{expert + 1} reads it like none of these" in tab.strangers.text()) == (not stand.belongs)


def test_a_stranger_is_told_the_nearest_way(showing: Showing, grouping: Grouping) -> None:
    showing.set_threshold(0.5)
    found, stands = grouping.found, grouping.stands()
    lines = strangers(view_of(showing), found, stands).splitlines()
    assert any(stand.belongs for stand in stands)
    outside = [i for i, stand in enumerate(stands) if not stand.belongs]
    assert len(lines) == len(outside) == 1
    for line, expert in zip(lines, outside, strict=True):
        assert line.startswith(f"E{expert + 1} ")
        assert line.endswith(f"mean IoU {stands[expert].iou:.2f}")


def test_experts_whom_no_reading_meets_are_told_so(showing: Showing) -> None:
    view = view_of(showing)
    nobody = tuple(Stand(mode=0, iou=0.0, belongs=False) for _ in range(3))
    told_of_all = strangers(view, modes(view.readings), nobody).splitlines()
    assert told_of_all == [
        "E1 marks what no reading marks",
        "E2 marks what no reading marks",
        "E3 sees nothing, which no reading does",
    ]


def test_a_click_shows_the_reading_that_stands_for_a_way(qtbot: QtBot, tab: WaysTab, showing: Showing) -> None:
    found = modes(view_of(showing).readings)
    assert len(found) >= 3
    for row in (2, 0, 1):
        index = tab.model.index(row)
        tab.list.scrollTo(index)
        place = tab.list.visualRect(index).center()
        qtbot.mouseClick(tab.list.viewport(), Qt.MouseButton.LeftButton, pos=place)
        assert showing.selected == found[row].medoid
        assert [tab.model.is_selected(i) for i in range(len(found))] == [i == row for i in range(len(found))]


def test_the_keyboard_goes_from_way_to_way(qtbot: QtBot, tab: WaysTab, showing: Showing) -> None:
    tab.list.setCurrentIndex(tab.model.index(0))
    qtbot.keyClick(tab.list, Qt.Key.Key_Down)
    assert showing.selected == modes(view_of(showing).readings)[1].medoid


def test_the_expert_stays_beside_the_reading(qtbot: QtBot, tab: WaysTab, showing: Showing) -> None:
    showing.select(showing.selected, expert=1)
    tab.list.chosen.emit(1, True)
    assert showing.expert == 1


def test_outlines_of_a_way_are_those_of_its_readings(tab: WaysTab, showing: Showing) -> None:
    for row, mode in enumerate(modes(view_of(showing).readings)):
        strokes = tab.model.strokes(row)
        assert len(strokes) == (0 if mode.empty else len(mode.members))
        if strokes:
            assert tab.model.thumbnails is not None
            np.testing.assert_array_equal(strokes[-1].segments, tab.model.thumbnails.crop.readings[mode.medoid])


def test_ways_are_counted_once_for_all_who_ask(
    monkeypatch: pytest.MonkeyPatch, showing: Showing, grouping: Grouping
) -> None:
    counted = []
    monkeypatch.setattr(
        "napari_ambiseg.viewer.session.grouping.modes",
        lambda *args, **given: counted.append(1) or modes(*args, **given),
    )
    assert grouping.found == grouping.found
    showing.set_threshold(0.001)  # empties nothing
    assert grouping.found
    assert len(counted) == 1
    showing.set_threshold(1.0)
    assert grouping.found == modes(view_of(showing).readings)
    grouping.set_similar_iou(0.9)
    assert grouping.found == modes(view_of(showing).readings, similar_iou=0.9)
    assert len(counted) == 3


def test_without_readings_there_are_no_ways(tab: WaysTab, showing: Showing, grouping: Grouping) -> None:
    showing.clear()
    assert tab.sentence.text() == "No readings yet"
    assert tab.model.rowCount() == 0
    assert grouping.stands() == ()

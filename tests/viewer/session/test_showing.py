import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from napari_ambiseg.readings.agreement import compare
from napari_ambiseg.readings.relative_area import relative_area
from napari_ambiseg.viewer.session.result import Result
from napari_ambiseg.viewer.session.showing import Showing


def test_a_result_is_shown_with_its_first_reading_that_is_not_empty(qtbot: QtBot, result: Result) -> None:
    showing = Showing()
    with qtbot.waitSignal(showing.result_changed):
        showing.show(result)
    assert showing.view is not None
    assert showing.view.areas_mm2[showing.selected] > 0
    assert not showing.view.areas_mm2[: showing.selected].any()
    assert (showing.expert, showing.step) == (None, None)


@pytest.mark.parametrize("threshold", [0.0, 0.3, 1.0])
def test_figures_at_a_threshold_are_those_of_the_masks_that_are_left(result: Result, threshold: float) -> None:
    showing = Showing()
    showing.show(result)
    showing.set_threshold(threshold)
    view = showing.view
    assert view is not None
    assert view.comparison is not None
    left = relative_area(result.sampled.readings, threshold)
    expected = compare(samples=left, experts=result.request.experts.masks)
    np.testing.assert_array_equal(view.readings, left)
    np.testing.assert_allclose(view.comparison.iou, expected.iou)
    assert view.comparison.ged == pytest.approx(expected.ged)
    assert view.comparison.hm_iou == pytest.approx(expected.hm_iou)


def test_what_does_not_change_is_not_told(qtbot: QtBot, result: Result) -> None:
    showing = Showing()
    showing.show(result)
    with qtbot.assertNotEmitted(showing.selection_changed), qtbot.assertNotEmitted(showing.view_changed):
        showing.select(showing.selected)
        showing.set_threshold(showing.threshold)
        showing.select(10_000)  # there is no such reading
    with qtbot.waitSignal(showing.selection_changed):
        showing.select(showing.selected, expert=0)


def test_nothing_is_left_when_it_is_cleared(qtbot: QtBot, result: Result) -> None:
    showing = Showing()
    showing.show(result)
    showing.go_to(0)
    with qtbot.waitSignal(showing.result_changed):
        showing.clear()
    assert (showing.result, showing.view, showing.expert, showing.step) == (None, None, None, None)
    with qtbot.assertNotEmitted(showing.result_changed):
        showing.clear()

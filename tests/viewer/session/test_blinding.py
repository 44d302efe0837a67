"""Blinded reading: nothing that is hidden can be seen, and nothing of it is lost."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels, Layer
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QLabel

from napari_ambiseg.viewer.canvas.layers import Canvas
from napari_ambiseg.viewer.canvas.presenter import Presenter
from napari_ambiseg.viewer.image.origin import Role, role_of
from napari_ambiseg.viewer.session.blinding import HiddenMasks
from napari_ambiseg.viewer.session.result import Result
from napari_ambiseg.viewer.session.showing import Showing
from napari_ambiseg.viewer.tabs.results import ResultsBox
from napari_ambiseg.viewer.widgets.sentence import Sentence

OF_MODEL = {Role.READINGS, Role.SELECTED, Role.PROBABILITY, Role.TRAJECTORY, Role.PAIR}


@pytest.fixture
def showing() -> Showing:
    return Showing(threshold=0.0)


@pytest.fixture
def box(qtbot: QtBot, showing: Showing, make_result: Callable[..., Result]) -> ResultsBox:
    box = ResultsBox(showing)
    qtbot.addWidget(box)
    box.resize(360, 500)
    box.show()
    showing.show(make_result())
    return box


@pytest.fixture
def viewer(showing: Showing, box: ResultsBox) -> Iterator[ViewerModel]:
    viewer = ViewerModel()
    presenter = Presenter(Canvas(viewer), showing, box.looking, box.seen_roles)
    showing.result_changed.emit()
    yield viewer
    del presenter


def seen(viewer: ViewerModel) -> set[Role]:
    return {role for layer in viewer.layers if layer.visible and (role := role_of(layer)) is not None}


def texts(box: ResultsBox) -> str:
    said = [*box.findChildren(QLabel), *box.findChildren(Sentence)]
    return "\n".join(one.text() for one in said if one.isVisible())


def layer(viewer: ViewerModel, role: Role) -> Layer:
    return next(layer for layer in viewer.layers if role_of(layer) is role)


def test_hidden_experts_are_nowhere_to_be_seen(viewer: ViewerModel, box: ResultsBox, showing: Showing) -> None:
    before, agreement = seen(viewer), texts(box)
    assert "GED" in agreement
    showing.select(showing.selected, 1)
    box.look_box.hide_experts.click()
    assert seen(viewer) == before - {Role.EXPERTS}
    assert box.table.model().columnCount() == 1
    assert not any(word in texts(box) for word in ("GED", "Dice 0.", "E1", "expert 2"))
    assert "The experts are hidden (Alt+2 to show)" in texts(box)
    for number in range(box.tabs.count()):
        box.tabs.setCurrentIndex(number)
        assert not any(word in texts(box) for word in ("4 experts", "3 experts", "Dice with", "E1"))
    assert all(box.gallery.model.tile(row).is_expert is False for row in range(box.gallery.model.rowCount()))
    box.tabs.setCurrentIndex(0)
    box.look_box.hide_experts.click()
    assert seen(viewer) == before
    assert texts(box) == agreement


def test_a_hidden_model_is_nowhere_to_be_seen(viewer: ViewerModel, box: ResultsBox, showing: Showing) -> None:
    before, said = seen(viewer), texts(box)
    box.look_box.hide_model.click()
    assert seen(viewer) == {Role.EXPERTS}
    assert not box.tabs.isVisible()
    assert not box.player.isVisible()
    assert "mm²" not in texts(box)
    assert "The model is hidden (Alt+1 to show)" in texts(box)
    showing.set_threshold(0.4)
    showing.select(5)
    showing.go_to(0)
    assert not seen(viewer) & OF_MODEL
    showing.go_to(None)
    showing.set_threshold(0.0)
    box.look_box.hide_model.click()
    assert seen(viewer) == before
    assert texts(box) == said


def test_results_that_come_meanwhile_are_hidden_too(
    viewer: ViewerModel, box: ResultsBox, showing: Showing, make_result: Callable[..., Result]
) -> None:
    showing.hide(model=True, experts=True)
    result = make_result(readings=4)
    showing.show(result)
    assert seen(viewer) == set()
    assert showing.result is result
    assert "Model and experts are hidden (Alt+1 and Alt+2 to show)" in texts(box)
    showing.hide(model=False)
    assert showing.seen_view is not None
    np.testing.assert_array_equal(showing.seen_view.readings, showing.view.readings)
    assert len(showing.seen_result.request.experts.masks) == 0
    assert len(showing.result.request.experts.masks) == 3


def test_the_experts_own_layers_come_back_as_they_were() -> None:
    shown, not_shown = (Labels(np.zeros((4, 4), np.uint8), visible=visible) for visible in (True, False))
    masks = HiddenMasks()
    for _ in range(2):  # as often as it likes
        masks.attend([shown, not_shown], are_hidden=True)
        assert not shown.visible
    masks.attend([shown, not_shown], are_hidden=False)
    assert (shown.visible, not_shown.visible) == (True, False)


def test_tabs_that_know_nothing_of_it_are_closed(box: ResultsBox, showing: Showing) -> None:
    box.tabs.addTab(QLabel("GED 0.1"), "More")
    number = box.tabs.count() - 1
    showing.hide(experts=True)
    assert not box.tabs.isTabVisible(number)
    showing.hide(experts=False)
    assert box.tabs.isTabVisible(number)

"""What the upper half of the dock asks for, on a viewer without a window: real widgets, real runs."""

import gc
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels
from napari.utils.interactions import mouse_move_callbacks, mouse_press_callbacks, mouse_release_callbacks
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QThreadPool

from napari_ambiseg.viewer.asking.ask import Ask
from napari_ambiseg.viewer.asking.batch import Batch
from napari_ambiseg.viewer.asking.box import Box
from napari_ambiseg.viewer.asking.form import Form
from napari_ambiseg.viewer.asking.runs import Runs
from napari_ambiseg.viewer.canvas.field_of_view import FieldOfView
from napari_ambiseg.viewer.canvas.layers import Canvas
from napari_ambiseg.viewer.image.plane import plane_of
from napari_ambiseg.viewer.image.where import Where, where_of
from napari_ambiseg.viewer.session.settings import Settings, remembered_settings
from napari_ambiseg.viewer.session.showing import Showing
from napari_ambiseg.viewer.session.study import Study
from tests.viewer.asking.conftest import Unseen

LONG = 60_000  # milliseconds


@dataclass
class Dock:
    """The parts of the dock that ask."""

    viewer: ViewerModel
    form: Form
    box: Box
    ask: Ask
    runs: Runs
    study: Study
    showing: Showing

    def texts(self) -> list[str]:
        """What the bar says at each step of a run."""
        said: list[str] = []
        self.runs.progressed.connect(lambda _: said.append(self.form.progress.format()))
        return said


@dataclass
class Mouse:
    """What napari tells of the mouse; canvas pixels are millimetres here."""

    type: str
    position: tuple[float, ...]
    button: int = 1
    modifiers: tuple[str, ...] = ()
    handled: bool = False

    is_dragging: bool = True

    @property
    def pos(self) -> tuple[float, ...]:
        return self.position[-2:]


@pytest.fixture
def dock(qtbot: QtBot, toy_model: Path, own_settings: Path) -> Iterator[Dock]:
    viewer = ViewerModel()
    form = Form(viewer, {"toy": toy_model})
    qtbot.addWidget(form)
    showing, study = Showing(), Study()

    def where() -> Where | None:
        image = form.image.image
        if image is None:
            return None
        plane = plane_of(image, point=viewer.dims.point, displayed=viewer.dims.displayed)
        return where_of(image, plane.index)

    canvas = Canvas(viewer)
    runs = Runs(showing, study, Unseen(), where)
    box = Box(form, FieldOfView(viewer, canvas), showing)
    ask = Ask(viewer, form, box, showing, runs, where, own_settings)
    ask.show_settings(Settings(model=str(toy_model), readings=4))
    yield Dock(viewer, form, box, ask, runs, study, showing)
    assert QThreadPool.globalInstance().waitForDone(LONG)


def add_image(dock: Dock, *leading: int, size: int = 96) -> Image:
    """An image of pixels of half a millimetre; slices are 2 mm apart."""
    pixels = np.random.default_rng(0).random((*leading, size, size), dtype=np.float32)
    image = dock.viewer.add_image(pixels, scale=(*(2.0 for _ in leading), 0.5, 0.5), units=("mm",) * pixels.ndim)
    dock.form.image.refresh(image)
    dock.form.experts.refresh(image)
    dock.box.draw(add_missing=True)
    dock.ask.refresh()
    return image


def mark(dock: Dock, image: Image, slices: Sequence[int], at: tuple[int, int] = (48, 48)) -> None:
    """An expert who has drawn a point on some slices."""
    masks = np.zeros(image.data.shape, np.uint8)
    masks[list(slices), at[0], at[1]] = 1
    layer = dock.viewer.add_labels(masks, scale=image.scale)
    dock.form.experts.refresh(image)
    dock.form.experts.choose([layer])


def ended(dock: Dock, qtbot: QtBot, start: Callable[[], None]) -> None:
    with qtbot.waitSignal(dock.runs.ended, timeout=LONG):
        start()
        assert dock.runs.is_running, dock.form.status.text()


def drag(dock: Dock, *path_mm: tuple[float, float], release: bool = True, **press) -> Mouse:
    """Press at the first point, move along the others, let go at the last."""
    layer = dock.viewer.layers.selection.active
    event = Mouse("mouse_press", path_mm[0], **press)

    def tell(callbacks: Callable) -> None:
        callbacks(dock.viewer, event)
        if layer is not None:
            callbacks(layer, event)

    tell(mouse_press_callbacks)
    for at in path_mm[1:]:
        event.type, event.position = "mouse_move", at
        tell(mouse_move_callbacks)
    if release:
        event.type = "mouse_release"
        tell(mouse_release_callbacks)
    return event


def middle_mm(dock: Dock) -> tuple[float, float]:
    """Where the middle of the box is; the image begins at -1/4 mm."""
    (top, bottom), (left, right) = dock.ask.requests()[0].placement.bounds_px
    return (top + bottom) / 4, (left + right) / 4


# The box: 16 x 16 mm, on an image of 48 x 48 mm


def test_a_drag_from_inside_takes_the_box_along_in_millimetres(dock: Dock) -> None:
    add_image(dock)
    before = middle_mm(dock)
    dock.form.place.setChecked(True)
    event = drag(dock, (20.0, 20.0), (22.0, 21.0), (26.0, 17.0))
    assert event.handled  # napari neither pans nor does anything else with it
    np.testing.assert_allclose(middle_mm(dock), (before[0] + 6, before[1] - 3), atol=0.26)
    assert dock.form.place.isChecked()  # until Esc
    assert dock.ask.requests()[0].slice_input.spacing_mm == (0.5, 0.5)


@pytest.mark.parametrize("at", [(20.0, 26.0), (10.0, 38.0)])  # inside and outside the box
def test_a_click_brings_its_middle_there(dock: Dock, at: tuple[float, float]) -> None:
    add_image(dock)
    dock.form.place.setChecked(True)
    drag(dock, at, (at[0] + 1, at[1]))  # a hand that trembles still clicks
    np.testing.assert_allclose(middle_mm(dock), at, atol=1.3)


def test_the_box_is_drawn_where_it_is_dragged_to_and_stays_on_the_image(dock: Dock) -> None:
    add_image(dock)
    dock.form.place.setChecked(True)
    drag(dock, (24.0, 24.0), (60.0, -60.0))
    corners = dock.viewer.layers["Field of view"].data[:, 0]
    np.testing.assert_allclose((corners[:, 0].max(), corners[:, 1].min()), (95.5, -0.5))


def test_the_view_zooms_to_where_the_box_is_now(dock: Dock) -> None:
    add_image(dock)
    dock.form.zoom.click()
    before = dock.viewer.scene.camera.zoom
    dock.form.settings.region.setValue(32.0)
    dock.form.place.setChecked(True)
    drag(dock, (24.0, 24.0), (28.0, 20.0))
    dock.form.zoom.click()
    np.testing.assert_allclose(dock.viewer.scene.camera.center[-2:], middle_mm(dock), atol=0.3)
    assert dock.viewer.scene.camera.zoom == pytest.approx(before / 2, rel=0.05)


def test_escape_takes_a_drag_back_then_ends_placing(dock: Dock) -> None:
    add_image(dock)
    before, at_rest = middle_mm(dock), len(dock.viewer.mouse_drag_callbacks)
    assert not dock.form.escape.isEnabled()
    dock.form.place.setChecked(True)
    assert dock.form.escape.isEnabled()
    drag(dock, (24.0, 24.0), (34.0, 34.0), release=False)
    assert middle_mm(dock) != before
    dock.form.escape.activated.emit()
    assert middle_mm(dock) == before
    assert dock.form.place.isChecked()
    dock.form.escape.activated.emit()
    assert not dock.form.place.isChecked()
    assert not dock.form.escape.isEnabled()  # it is napari's again
    assert len(dock.viewer.mouse_drag_callbacks) == at_rest


@pytest.mark.parametrize("press", [{"button": 2}, {"modifiers": ("Alt",)}])
def test_other_buttons_and_keys_stay_with_napari(dock: Dock, press: dict) -> None:
    add_image(dock)
    before = middle_mm(dock)
    dock.form.place.setChecked(True)
    dock.viewer.layers.selection.active = None
    on_press = dock.viewer.mouse_drag_callbacks[-1]
    event = Mouse("mouse_press", (10.0, 10.0), **press)
    assert list(on_press(dock.viewer, event)) == []
    assert not event.handled
    assert middle_mm(dock) == before


def test_nothing_is_painted_while_the_box_is_placed(dock: Dock) -> None:
    image = add_image(dock)
    painted = dock.viewer.add_labels(np.zeros((96, 96), np.uint8), scale=image.scale)
    painted.mode = "paint"
    dock.viewer.layers.selection.active = painted
    dock.form.place.setChecked(True)
    drag(dock, (24.0, 24.0), (30.0, 30.0))
    assert not painted.data.any()
    assert painted.mode == "paint"
    assert len(painted._undo_history) == 0


def test_an_image_that_goes_ends_placing(dock: Dock) -> None:
    image = add_image(dock)
    dock.form.place.setChecked(True)
    dock.viewer.layers.remove(image)
    dock.form.image.refresh()
    dock.box.go_back()
    assert not dock.form.place.isChecked()
    assert not dock.box.is_being_placed
    dock.form.place.setChecked(True)
    assert not dock.form.place.isChecked()  # there is nothing to place it on


def test_the_box_begins_on_what_experts_marked_until_it_is_placed(dock: Dock) -> None:
    image = add_image(dock, 5, size=256)
    assert middle_mm(dock) == pytest.approx((64.0, 64.0), abs=0.3)
    mark(dock, image, [1], at=(60, 200))
    mark(dock, image, [2], at=(80, 190))
    first, second = (layer for layer in dock.viewer.layers if isinstance(layer, Labels))
    dock.form.experts.choose([first, second])
    first.data[2, 90, 210] = 1  # on slice 2 both have marked something
    for slice_number, expected in ((1, (60, 200)), (2, (85, 200)), (4, (85, 200)), (1, (60, 200)), (0, (60, 200))):
        dock.viewer.dims.set_point(0, 2.0 * slice_number)
        assert middle_mm(dock) == pytest.approx([0.5 * at for at in expected], abs=0.3)
        assert dock.ask.requests()[0].placement == dock.box.placement(dock.form.settings.model.path)
    dock.form.place.setChecked(True)
    drag(dock, (30.0, 40.0), (30.0, 40.0))
    assert middle_mm(dock) == pytest.approx((30.0, 40.0), abs=0.3)
    dock.viewer.dims.set_point(0, 4.0)
    assert middle_mm(dock) == pytest.approx((30.0, 40.0), abs=0.3)
    dock.box.go_back()
    assert middle_mm(dock) == pytest.approx((42.5, 100.0), abs=0.3)


def test_the_box_does_not_tell_where_hidden_experts_marked_something(dock: Dock) -> None:
    image = add_image(dock, 5, size=256)
    mark(dock, image, [2], at=(60, 200))
    dock.viewer.dims.set_point(0, 4.0)
    assert middle_mm(dock) == pytest.approx((30.0, 100.0), abs=0.3)
    dock.showing.hide(experts=True)
    assert middle_mm(dock) == pytest.approx((63.75, 63.75), abs=0.3)


def test_on_a_slice_without_marks_the_box_lies_on_those_of_the_nearest_whatever_was_seen_before(dock: Dock) -> None:
    image = add_image(dock, 9, size=256)
    mark(dock, image, [1], at=(60, 200))
    mark(dock, image, [6], at=(80, 190))
    first, second = (layer for layer in dock.viewer.layers if isinstance(layer, Labels))
    dock.form.experts.choose([first, second])
    expected = dict.fromkeys(range(4), (30.0, 100.0)) | dict.fromkeys(range(4, 9), (40.0, 95.0))
    for slice_number in (0, 8, 3, 4, 7, 2, 5):
        dock.viewer.dims.set_point(0, 2.0 * slice_number)
        assert middle_mm(dock) == pytest.approx(expected[slice_number], abs=0.3)
    first.data[5, 100, 100] = 1  # an expert paints on the slice that is shown
    dock.viewer.dims.set_point(0, 8.0)
    assert middle_mm(dock) == pytest.approx((50.0, 50.0), abs=0.3)


def test_after_a_run_over_slices_the_box_is_drawn_where_the_model_looked(dock: Dock, qtbot: QtBot) -> None:
    image = add_image(dock, 5)
    masks = np.zeros(image.data.shape, np.uint8)
    for number in range(5):
        masks[number, 44 + 2 * number, 48] = 1  # a lesion that lies askew
    layer = dock.viewer.add_labels(masks, scale=image.scale)
    dock.form.experts.refresh(image)
    dock.form.experts.choose([layer])
    dock.viewer.dims.set_point(0, 4.0)
    begun_at = dock.box.placement(dock.form.settings.model.path)
    ended(dock, qtbot, dock.ask.run_marked)
    assert len(dock.study.results) == 5
    for number in range(5):
        dock.viewer.dims.set_point(0, 2.0 * number)
        dock.showing.clear()
        (result,) = dock.study.of(dock.ask.requests()[0].where)
        dock.showing.show(result)
        assert result.sampled.placement == begun_at == dock.box.placement(dock.form.settings.model.path)
        assert dock.form.buttons.more.isEnabled(), dock.form.buttons.more.toolTip()
        corners = dock.viewer.layers["Field of view"].data[:, 0, -2:]
        edges = begun_at.bounds_px
        np.testing.assert_allclose((corners.min(axis=0), corners.max(axis=0)), np.transpose(edges), atol=0.51)


def test_another_size_stretches_the_models_grid_and_is_warned_of(dock: Dock, own_settings: Path) -> None:
    add_image(dock)
    region = dock.form.settings.region
    assert region.text() == "16.0 mm (model's)"
    assert dock.form.hint.isHidden()
    region.setValue(24.0)
    request = dock.ask.requests()[0]
    assert request.slice_input.extent_mm == (24.0, 24.0)
    assert [b - a for a, b in request.placement.bounds_px] == [48.0, 48.0]
    assert not dock.form.hint.isHidden()
    assert "made for a box of 16 mm" in dock.form.hint.text()
    assert "smaller" in dock.form.hint.text()
    corners = dock.viewer.layers["Field of view"].data[:, 0]
    assert np.ptp(corners[:, 0]) == 48.0
    region.setValue(16.0)
    assert dock.ask.requests()[0].slice_input.extent_mm is None
    assert dock.form.hint.isHidden()


# Several slices, several models


def test_all_slices_that_experts_marked_are_read(dock: Dock, qtbot: QtBot) -> None:
    image = add_image(dock, 7)
    mark(dock, image, [2, 3, 5])
    mark_far = np.zeros((7, 96, 96), np.uint8)
    mark_far[6, 2, 2] = 1  # outside the box
    dock.form.experts.choose([*dock.form.experts.layers, dock.viewer.add_labels(mark_far, scale=image.scale)])
    dock.viewer.dims.set_point(0, 6.0)
    menu = dock.form.buttons.menu
    menu.refresh()
    assert menu.marked_action.text() == "Run on all slices that experts marked (3)"
    said = dock.texts()
    ended(dock, qtbot, menu.marked_action.trigger)
    assert [r.request.plane.index for r in dock.study.results] == [(3,), (2,), (5,)]
    assert {text.split(",")[0] for text in said} == {f"slice {i} of 3" for i in (1, 2, 3)}
    assert said[-1] == "slice 3 of 3, 4 of 4 readings"
    assert dock.form.progress.value() == dock.form.progress.maximum() == 3 * 4 * Settings().options.steps
    assert dock.showing.result is dock.study.results[0]  # the slice that is looked at


def test_hidden_experts_are_not_given_away_by_the_number_of_slices_that_they_marked(dock: Dock) -> None:
    image = add_image(dock, 7)
    mark(dock, image, [2, 3, 5])
    menu = dock.form.buttons.menu
    dock.showing.hide(experts=True)
    menu.refresh()
    assert menu.marked_action.text() == "Run on all slices that experts marked (the experts are hidden)"
    assert not menu.marked_action.isEnabled()
    dock.showing.hide(experts=False)
    menu.refresh()
    assert menu.marked_action.isEnabled()


def test_slices_near_the_one_that_is_shown_are_read(dock: Dock, qtbot: QtBot) -> None:
    add_image(dock, 7)
    dock.viewer.dims.set_point(0, 6.0)
    menu = dock.form.buttons.menu
    menu.reach.setValue(2.0)
    assert menu.near_action.text() == "Run on slices ± 2 mm (3)"
    assert not menu.marked_action.isEnabled()
    ended(dock, qtbot, menu.near_action.trigger)
    assert [r.request.plane.index for r in dock.study.results] == [(3,), (2,), (4,)]
    assert dock.ask.settings.reach_mm == 2.0


def test_a_single_slice_has_no_menu(dock: Dock) -> None:
    add_image(dock)
    assert dock.form.buttons.choose.isHidden()
    add_image(dock, 3)
    assert not dock.form.buttons.choose.isHidden()


def test_cancelling_keeps_the_slices_that_are_done(
    dock: Dock, qtbot: QtBot, toy: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_image(dock, 7)
    monkeypatch.setattr(toy, "delay", 0.02)
    dock.runs.drawn.connect(lambda _: dock.ask.cancel())
    ended(dock, qtbot, lambda: dock.ask.run_near(20.0))
    done = len(dock.study.results)
    assert 1 <= done < 7
    assert dock.form.status.text() == f"Cancelled after {done} of 7 slices, which are kept."


def test_no_volume_is_kept_when_its_run_has_ended(dock: Dock, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    add_image(dock, 3)
    batches, prepare = [], dock.runs.prepare

    def prepared(batch: Batch) -> None:
        batches.append(weakref.ref(batch))
        prepare(batch)

    monkeypatch.setattr(dock.runs, "prepare", prepared)
    ended(dock, qtbot, lambda: dock.ask.run_near(20.0))
    gc.collect()
    assert [batch() for batch in batches] == [None]


def test_slices_that_cannot_be_read_are_left_out_and_told_of(dock: Dock, qtbot: QtBot) -> None:
    image = add_image(dock, 3)
    image.data[2] = 0.5
    ended(dock, qtbot, lambda: dock.ask.run_near(20.0))
    assert len(dock.study.results) == 2
    assert "2 of 2 slices read. 1 could not be" in dock.form.status.text()
    assert "every pixel of the image is 0.5" in dock.form.status.text()


def test_a_second_run_during_a_run_is_not_started(
    dock: Dock, qtbot: QtBot, toy: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_image(dock, 3)
    monkeypatch.setattr(toy, "delay", 0.01)

    def twice() -> None:
        dock.ask.run()
        dock.ask.run_near(20.0)
        dock.ask.run_more()

    ended(dock, qtbot, twice)
    assert len(dock.study.results) == 1


def test_models_are_compared_on_the_same_seeds(
    dock: Dock, qtbot: QtBot, toy_model: Path, one_shot_model: Path, own_settings: Path
) -> None:
    add_image(dock)
    dock.form.settings.model.choose(str(toy_model), also=[str(one_shot_model)])
    assert dock.form.settings.model.compare.text() == "+1"
    ended(dock, qtbot, dock.ask.run)
    first, second = dock.study.results
    assert (first.sampled.model_name, second.sampled.model_name) == ("toy", "one shot")
    assert first.sampled.seeds == second.sampled.seeds
    assert first.request.where == second.request.where
    assert remembered_settings(own_settings).models == (str(toy_model), str(one_shot_model))


def test_a_model_is_not_compared_with_itself(dock: Dock, toy_model: Path, one_shot_model: Path) -> None:
    chooser = dock.form.settings.model
    chooser.choose(str(toy_model), also=[str(one_shot_model), "gone.safetensors"])
    assert chooser.also == (str(one_shot_model),)
    chooser.choose(str(one_shot_model))
    assert chooser.also == ()
    chooser.choose(str(toy_model))
    assert chooser.also == (str(one_shot_model),)


# More readings, seeds, time


def test_more_readings_go_on_from_those_that_are_shown(dock: Dock, qtbot: QtBot) -> None:
    add_image(dock)
    assert not dock.form.buttons.more.isEnabled()
    ended(dock, qtbot, dock.ask.run)
    four = dock.showing.result
    dock.form.settings.readings.value = 3
    assert dock.form.buttons.more.text() == "+3 more"
    ended(dock, qtbot, dock.form.buttons.more.click)
    seven = dock.showing.result
    assert dock.study.results == (seven,)
    assert seven.sampled.seeds[:4] == four.sampled.seeds
    assert len(set(seven.sampled.seeds)) == 7
    np.testing.assert_array_equal(seven.sampled.readings[:4], four.sampled.readings)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda dock: setattr(dock.form.settings.steps, "value", 5), "number of steps"),
        (lambda dock: setattr(dock.form.settings.sampler, "value", "ddpm"), "sampler"),
        (lambda dock: setattr(dock.form.settings.eta, "value", 0.5), "sampler"),
        (lambda dock: setattr(dock.form.settings.seed, "value", 5), "seed"),
        (lambda dock: setattr(dock.form.settings.pairs, "value", False), "choice of pairs"),
        (lambda dock: dock.form.settings.region.setValue(20.0), "place or size of the box"),
        (lambda dock: dock.form.settings.model.choose("toy"), "model"),
    ],
)
def test_more_readings_need_the_same_settings(
    dock: Dock, qtbot: QtBot, change: Callable[[Dock], None], reason: str
) -> None:
    add_image(dock)
    ended(dock, qtbot, dock.ask.run)
    assert dock.form.buttons.more.isEnabled()
    change(dock)
    assert not dock.form.buttons.more.isEnabled()
    assert f"another {reason}" in dock.form.buttons.more.toolTip()
    dock.ask.run_more()
    assert not dock.runs.is_running


def test_more_readings_need_the_same_place(dock: Dock, qtbot: QtBot) -> None:
    add_image(dock)
    ended(dock, qtbot, dock.ask.run)
    dock.form.place.setChecked(True)
    drag(dock, (24.0, 24.0), (34.0, 34.0))
    assert not dock.form.buttons.more.isEnabled()


def test_there_are_never_more_than_a_hundred_readings(dock: Dock, qtbot: QtBot) -> None:
    add_image(dock)
    dock.form.settings.readings.value, dock.form.settings.steps.value = 60, 1
    ended(dock, qtbot, dock.ask.run)
    ended(dock, qtbot, dock.ask.run_more)
    assert len(dock.showing.result.sampled.seeds) == 100
    assert not dock.form.buttons.more.isEnabled()


def test_a_seed_that_is_not_kept_is_another_at_each_run(dock: Dock, qtbot: QtBot) -> None:
    add_image(dock)
    dock.form.settings.keep_seed.value = False
    for _ in range(2):
        ended(dock, qtbot, dock.ask.run)
        assert dock.showing.result.request.settings.seed == dock.form.settings.seed.value
        assert dock.form.buttons.more.isEnabled()  # with the seed that was drawn
    first, second = (result.request.settings.seed for result in dock.study.results)
    assert first != second
    dock.form.settings.keep_seed.value = True
    ended(dock, qtbot, dock.ask.run)
    assert dock.showing.result.request.settings.seed == second


def test_the_heading_says_at_once_whether_the_seed_is_kept(dock: Dock) -> None:
    add_image(dock)
    assert "a new one for each run" not in dock.form.fold.heading.toolTip()
    dock.form.settings.keep_seed.value = False
    assert "a new one for each run" in dock.form.fold.heading.toolTip()


def test_the_time_is_told_once_a_run_has_been_made(
    dock: Dock, qtbot: QtBot, toy: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_image(dock)
    assert "after the first run" in dock.form.buttons.expected.text()
    ended(dock, qtbot, dock.ask.run)
    result = dock.showing.result
    slow = replace(result, sampled=replace(result.sampled, seconds=400.0))
    dock.runs.drawn.emit(slow)  # as if it had taken so long
    dock.ask.refresh()
    assert dock.form.buttons.expected.text() == "Takes about 3 min"
    dock.form.settings.readings.value = 1
    assert dock.form.buttons.expected.text() == "Takes about 50 s"
    assert "On the CPU this takes about 50 s" in dock.form.wait_hint.text()


def test_settings_come_back_in_the_next_session(dock: Dock, qtbot: QtBot, toy_model: Path, own_settings: Path) -> None:
    add_image(dock)
    chosen = Settings(
        model=str(toy_model),
        readings=2,
        seed=7,
        keep_seed=True,
        region_mm=20.0,
        reach_mm=8.0,
        device="cpu",
        antithetic=False,
    )
    dock.ask.show_settings(chosen)
    assert dock.ask.settings == chosen
    ended(dock, qtbot, dock.ask.run)
    assert remembered_settings(own_settings) == chosen


def test_a_choice_is_remembered_without_a_run(dock: Dock, qtbot: QtBot, own_settings: Path) -> None:
    add_image(dock)
    assert not own_settings.exists()
    dock.showing.set_threshold(0.35)
    dock.form.settings.steps.value = 9
    dock.form.buttons.menu.reach.setValue(3.0)
    assert not own_settings.exists()  # not at each turn of a slider
    qtbot.waitUntil(own_settings.exists, timeout=LONG)
    kept = remembered_settings(own_settings)
    assert (kept.threshold, kept.options.steps, kept.reach_mm) == (0.35, 9, 3.0)


def test_a_choice_is_remembered_before_the_dock_goes(dock: Dock, own_settings: Path) -> None:
    dock.form.show()
    dock.form.settings.readings.value = 5
    dock.form.hide()
    assert remembered_settings(own_settings).readings == 5


def test_what_is_only_filled_in_is_nobodys_choice(dock: Dock, own_settings: Path) -> None:
    dock.form.show()
    dock.ask.show_settings(replace(dock.ask.settings, readings=5))
    dock.form.hide()
    assert not own_settings.exists()


def test_the_menu_says_how_long_several_slices_take(dock: Dock, qtbot: QtBot) -> None:
    image = add_image(dock, 7)
    mark(dock, image, [2, 3])
    menu = dock.form.buttons.menu
    menu.refresh()
    assert menu.marked_action.text().endswith("marked (2)")  # nobody knows yet
    ended(dock, qtbot, dock.ask.run)
    result = dock.showing.result
    slow = replace(result, sampled=replace(result.sampled, seconds=80.0))
    for _ in range(60):  # as if all had taken so long
        dock.runs.drawn.emit(slow)
    menu.reach.setValue(2.0)
    assert menu.marked_action.text().endswith("marked (2, about 3 min)")
    menu.reach.setValue(6.0)
    count = menu.near(6.0)
    assert menu.near_action.text() == f"Run on slices ± 6 mm ({count}, about {round(80 * count / 60)} min)"

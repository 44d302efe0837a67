"""The dock in a viewer that nobody sees: runs, cancels, refuses, and survives what users do meanwhile."""

from pathlib import Path

import napari
import numpy as np
import pytest
from napari.layers import Image
from napari.utils.notifications import notification_manager
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QThreadPool

from napari_ambiseg.models.checkpoint import Grid, Header, save_checkpoint
from napari_ambiseg.viewer.canvas.looks import ON_REQUEST
from napari_ambiseg.viewer.image.origin import Role, role_of
from napari_ambiseg.viewer.opening import sources
from napari_ambiseg.viewer.panel import ReadingsPanel
from napari_ambiseg.viewer.session.result import frame_of
from napari_ambiseg.viewer.session.settings import Settings, remembered_settings
from trainer.config import with_overrides
from trainer.kinds import KINDS, make_objective, model_config
from trainer.recipes import named_recipe

LONG = 60_000  # milliseconds; runs take a fraction of a second, but a test machine may be busy
Viewer = napari.viewer.Viewer


def texture(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).random(shape, dtype=np.float32)


def add_slice(viewer: Viewer, **options) -> Image:
    return viewer.add_image(texture((64, 64)), **{"scale": (0.5, 0.5), "units": ("mm", "mm"), **options})


def role_layer(viewer: Viewer, role: Role):
    return next(layer for layer in viewer.layers if role_of(layer) is role)


def run(panel: ReadingsPanel, qtbot: QtBot) -> None:
    with qtbot.waitSignal(panel.run_ended, timeout=LONG):
        panel.run()
        assert panel.is_running, panel.form.status.text()


def test_a_run_fills_layers_and_table(
    viewer: Viewer, panel: ReadingsPanel, qtbot: QtBot, expert_masks: np.ndarray
) -> None:
    add_slice(viewer, name="ct")
    experts = viewer.add_labels(expert_masks.astype(np.uint8), name="experts", scale=(1, 0.5, 0.5))
    panel.form.experts.choose([experts])
    run(panel, qtbot)
    assert {role_of(layer) for layer in viewer.layers} == {None, *Role} - {*ON_REQUEST}
    assert panel.results.table.model().rowCount() == 8
    assert panel.results.table.model().columnCount() == 5
    assert "GED" in panel.results.summary_label.text()
    assert panel.error is None
    assert panel.form.run.isEnabled()
    assert not panel.form.cancel.isEnabled()
    assert notification_manager.records == [] or "error" not in str(notification_manager.records[-1].severity).lower()


def test_a_result_is_explored_without_sampling(
    viewer: Viewer, panel: ReadingsPanel, qtbot: QtBot, own_settings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = add_slice(viewer)
    panel.showing.set_threshold(0.25)
    run(panel, qtbot)
    assert panel.form.image.count() == 1  # layers of results are not offered as input
    assert panel.form.image.image is image
    assert remembered_settings(own_settings) == panel.settings
    assert panel.settings.threshold == 0.25
    monkeypatch.setattr("napari_ambiseg.engine.run", None)  # anything that sampled now would fail
    check_threshold(viewer, panel)
    check_rows(viewer, panel)
    check_player(viewer, panel)


def check_threshold(viewer: Viewer, panel: ReadingsPanel) -> None:
    """The larger the threshold, the fewer outlines."""
    drawn = {}
    for threshold in (1.0, 0.0):
        panel.showing.set_threshold(threshold)
        drawn[threshold] = int(np.abs(role_layer(viewer, Role.READINGS).data[:, 1]).any(axis=1).sum())
        assert f"{panel.view.empty} of 8" in panel.results.summary_label.text()
    assert 0 < drawn[1.0] < drawn[0.0]


def check_rows(viewer: Viewer, panel: ReadingsPanel) -> None:
    """The reading whose row is clicked on stands out."""
    for reading in np.flatnonzero(panel.view.areas_mm2)[:3]:
        panel.results.table.selectRow(int(reading))
        rows, _ = np.nonzero(panel.view.readings[reading])
        data = role_layer(viewer, Role.SELECTED).data
        starts = data[np.abs(data[:, 1]).any(axis=1), 0, 0]
        assert starts.max() == rows.max() + 0.5


def check_player(viewer: Viewer, panel: ReadingsPanel) -> None:
    """Noise on the way, the readings at the end."""
    noise = role_layer(viewer, Role.TRAJECTORY)
    panel.results.player.go_to(2)
    assert noise.visible
    np.testing.assert_array_equal(noise.data, panel.result.sampled.x_t[2, panel.showing.selected])
    panel.results.player.go_to(9)
    assert not noise.visible


def test_cancel_stops_the_run_and_the_next_one_runs(
    viewer: Viewer, panel: ReadingsPanel, qtbot: QtBot, toy: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_slice(viewer)
    monkeypatch.setattr(toy, "delay", 0.1)
    panel.form.settings.steps.value = 1000
    with qtbot.waitSignal(panel.run_ended, timeout=LONG):
        panel.run()
        qtbot.waitUntil(lambda: panel.form.progress.value() > 0, timeout=LONG)
        panel.cancel()
        assert panel.form.cancel.text() == "Cancelling…"
    assert panel.result is None
    assert panel.form.status.text() == "Cancelled."
    monkeypatch.setattr(toy, "delay", 0.0)
    panel.form.settings.steps.value = 5
    run(panel, qtbot)
    assert panel.result is not None


def test_the_first_readings_are_seen_while_others_are_computed(
    viewer: Viewer, panel: ReadingsPanel, qtbot: QtBot, toy: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_slice(viewer)
    monkeypatch.setattr(toy, "delay", 0.1)
    panel.form.settings.chunk.value = 1  # one after the other

    def is_seen() -> bool:
        return (
            Role.READINGS in {role_of(layer) for layer in viewer.layers}
            and len(role_layer(viewer, Role.READINGS).data) > 0
        )

    with qtbot.waitSignal(panel.run_ended, timeout=LONG):
        panel.run()
        qtbot.waitUntil(is_seen, timeout=LONG)
        assert panel.is_running
        assert panel.form.progress.text() != "8 of 8 readings"
        viewer.layers.remove(role_layer(viewer, Role.READINGS))
        panel.cancel()
    assert Role.READINGS not in {
        role_of(layer) for layer in viewer.layers
    }  # what the user removes during a run is gone
    assert not any(layer.visible for layer in viewer.layers if role_of(layer) in (Role.SELECTED, Role.TRAJECTORY))


def test_a_second_run_during_a_run_is_not_started(
    viewer: Viewer, panel: ReadingsPanel, qtbot: QtBot, toy: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_slice(viewer)
    monkeypatch.setattr(toy, "delay", 0.05)
    with qtbot.waitSignal(panel.run_ended, timeout=LONG):
        panel.run()
        panel.form.settings.readings.value = 3
        panel.run()
    assert len(panel.result.sampled.seeds) == 8


@pytest.mark.parametrize("failure", [RuntimeError("CUDA error"), MemoryError()])
def test_a_failing_run_is_shown_and_nothing_is_lost(
    viewer: Viewer, panel: ReadingsPanel, qtbot: QtBot, toy: type, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    add_slice(viewer)
    run(panel, qtbot)
    before = panel.result
    monkeypatch.setattr(toy, "failure", failure)
    run(panel, qtbot)
    assert panel.result is before
    assert type(panel.error).__name__ == "ComputeError"
    assert panel.form.status.text() == str(panel.error)
    assert str(panel.error) in notification_manager.records[-1].message
    assert panel.form.run.isEnabled()


UNREADABLE = [
    (np.zeros((64, 64, 3), np.uint8), {"rgb": True}, "RGB"),
    (np.ones((64, 64)), {}, "every pixel"),
    (np.where(np.eye(64), np.nan, texture((64, 64))), {}, "NaN"),
    (texture((20, 64)), {}, "smaller than"),
    (np.zeros((0, 64)), {"visible": False, "contrast_limits": (0, 1)}, "no pixels"),
]


def test_images_that_cannot_be_read_are_refused_in_one_sentence(viewer: Viewer, panel: ReadingsPanel) -> None:
    panel.run()
    assert "no image is open" in panel.form.status.text()
    for count, (pixels, options, words) in enumerate(UNREADABLE, start=1):
        viewer.add_image(pixels, name="bad", scale=(0.5, 0.5), **options)
        panel.run()
        assert not panel.is_running
        assert words in panel.form.status.text()
        assert words in notification_manager.records[-1].message
        assert sum(role_of(layer) is None for layer in viewer.layers) == count


def test_experts_of_another_shape_are_refused_by_name(viewer: Viewer, panel: ReadingsPanel) -> None:
    add_slice(viewer)
    wrong = viewer.add_labels(np.ones((10, 10), int), name="wrong one")
    panel.form.experts.choose([wrong])
    panel.run()
    assert "'wrong one'" in panel.form.status.text()
    assert not panel.is_running


def test_readings_belong_to_the_image_that_was_chosen_when_run_was_pressed(
    viewer: Viewer, panel: ReadingsPanel, qtbot: QtBot, toy: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = add_slice(viewer, name="first", translate=(100, 200))
    monkeypatch.setattr(toy, "delay", 0.05)
    with qtbot.waitSignal(panel.run_ended, timeout=LONG):
        panel.run()
        add_slice(viewer, name="second")
        assert panel.form.image.image.name == "second"
    assert panel.result is None
    assert "the readings are kept" in panel.form.status.text()
    panel.form.image.choose(first)
    qtbot.waitUntil(lambda: panel.result is not None, timeout=LONG)
    assert panel.result.request.image_name == "first"
    qtbot.waitUntil(lambda: any(role_of(layer) is Role.READINGS for layer in viewer.layers), timeout=LONG)
    assert tuple(role_layer(viewer, Role.READINGS).translate) == (100, 200)
    viewer.layers.remove(first)
    qtbot.wait(50)
    assert panel.result is None
    assert len(panel.study.results) == 1  # the image is gone, its result is not


def test_each_slice_of_a_stack_has_readings_of_its_own(viewer: Viewer, panel: ReadingsPanel, qtbot: QtBot) -> None:
    viewer.add_image(texture((5, 64, 64)), scale=(2, 0.5, 0.5))
    for point, index in ((6.0, 3), (2.0, 1)):
        viewer.dims.set_point(0, point)
        assert panel.result is None
        run(panel, qtbot)
        assert panel.result.request.plane.index == (index,)
        assert role_layer(viewer, Role.SELECTED).data[0, 0, 0] == index
    viewer.dims.set_point(0, 4.0)
    assert panel.result is None  # nobody has read this one
    assert not role_layer(viewer, Role.READINGS).visible
    assert role_layer(viewer, Role.FIELD_OF_VIEW).data[0, 0, 0] == 2
    viewer.dims.set_point(0, 6.0)
    qtbot.waitUntil(lambda: panel.result is not None, timeout=LONG)
    assert panel.result.request.plane.index == (3,)
    assert role_layer(viewer, Role.READINGS).visible


def test_a_click_moves_the_field_of_view(viewer: Viewer, panel: ReadingsPanel, MouseEvent: type) -> None:
    add_slice(viewer)
    panel.form.place.setChecked(True)
    press = MouseEvent(type="mouse_press", position=(12.0, 20.0), button=1)
    press.modifiers = ()
    drag = viewer.mouse_drag_callbacks[-1](viewer, press)
    next(drag)
    assert press.handled
    press.type = "mouse_release"
    assert next(drag, None) is None
    assert panel.request().slice_input.centre_px == (24.0, 40.0)
    (top, bottom), (left, right) = panel.request().placement.bounds_px
    assert abs((top + bottom) / 2 - 24) <= 0.5
    assert abs((left + right) / 2 - 40) <= 0.5


def test_closing_the_dock_during_a_run_is_safe(
    viewer: Viewer, panel: ReadingsPanel, qtbot: QtBot, toy: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_slice(viewer)
    monkeypatch.setattr(toy, "delay", 0.05)
    panel.form.settings.steps.value = 1000
    panel.run()
    qtbot.waitUntil(lambda: panel.form.progress.value() > 0, timeout=LONG)
    dock = next(iter(viewer.window.dock_widgets))
    assert dock == "Readings"
    with qtbot.waitSignal(panel.destroyed, timeout=LONG):
        viewer.window.remove_dock_widget(panel)
        panel.deleteLater()
    assert QThreadPool.globalInstance().waitForDone(LONG)
    add_slice(viewer, name="later")  # events that the dock listened to


def test_experts_opened_with_an_image_are_chosen_and_slices_can_be_changed(
    viewer: Viewer, panel: ReadingsPanel, qtbot: QtBot
) -> None:
    for data, options, kind in sources.bundled_sample():
        getattr(viewer, f"add_{kind}")(data, **options)
    assert len(panel.form.experts.layers) == 4
    assert not panel.form.rendered.isHidden()
    qtbot.waitUntil(lambda: Role.EXPERTS in map(role_of, viewer.layers), timeout=LONG)  # before any run
    assert not any(layer.visible for layer in panel.form.experts.layers)
    run(panel, qtbot)
    before = viewer.layers[0].data
    panel.form.slice_number.setValue(2)
    assert not np.array_equal(viewer.layers[0].data, before)
    assert panel.result is None
    assert not role_layer(viewer, Role.READINGS).visible
    run(panel, qtbot)
    assert role_layer(viewer, Role.READINGS).visible
    shown, _ = sources.other_slice(panel.form.image.image.metadata["napari-ambiseg"], 1)
    np.testing.assert_array_equal(panel.result.request.experts.masks, shown.readings)


def test_removing_everything_adds_nothing_meanwhile(viewer: Viewer, panel: ReadingsPanel, qtbot: QtBot) -> None:
    """A layer added while others are removed crashes napari."""
    viewer.add_image(texture((5, 64, 64)), scale=(2, 0.5, 0.5))
    run(panel, qtbot)
    added = []
    viewer.layers.events.inserted.connect(lambda event: added.append(event.value.name))
    viewer.layers.clear()
    qtbot.wait(50)
    assert added == []
    add_slice(viewer)
    run(panel, qtbot)
    assert panel.error is None


def outlines_seen(viewer: Viewer, role: Role) -> int:
    layer = role_layer(viewer, role)
    return int(np.abs(layer.data[:, 1]).any(axis=1).sum()) if layer.visible else 0


def test_another_image_is_not_shown_with_the_readings_of_the_one_before(
    viewer: Viewer, panel: ReadingsPanel, qtbot: QtBot
) -> None:
    first = add_slice(viewer, name="first")
    run(panel, qtbot)
    assert panel.results.image_name.toolTip() == "first"
    for data, options, kind in sources.bundled_sample():
        getattr(viewer, f"add_{kind}")(data, **options)
    qtbot.waitUntil(lambda: outlines_seen(viewer, Role.EXPERTS) > 0, timeout=LONG)
    assert panel.result is None
    assert panel.results.table.model().rowCount() == 0
    assert panel.results.image_name.isHidden()
    assert not any(role_layer(viewer, role).visible for role in (Role.READINGS, Role.SELECTED, Role.PROBABILITY))
    panel.form.image.choose(first)
    qtbot.waitUntil(lambda: outlines_seen(viewer, Role.EXPERTS) == 0, timeout=LONG)


def test_masks_that_were_painted_are_kept_when_the_slice_is_changed(
    viewer: Viewer, panel: ReadingsPanel, qtbot: QtBot
) -> None:
    for data, options, kind in sources.bundled_sample():
        getattr(viewer, f"add_{kind}")(data, **options)
    painted = panel.form.experts.layers[1]
    painted.data[:4, :4] = 1
    before = painted.data.copy()
    panel.form.slice_number.setValue(2)
    (kept,) = (layer for layer in viewer.layers if "as painted on" in layer.name)
    np.testing.assert_array_equal(kept.data, before)
    assert kept.name in panel.form.status.text()
    assert kept not in panel.form.experts.layers


def test_a_view_in_3d_is_refused(viewer: Viewer, panel: ReadingsPanel) -> None:
    viewer.add_image(texture((5, 64, 64)), scale=(2, 0.5, 0.5))
    viewer.dims.ndisplay = 3
    panel.run()
    assert not panel.is_running
    assert "switch to 2D" in panel.form.status.text()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_model_that_can_be_fitted_is_sampled_alike(
    viewer: Viewer, panel: ReadingsPanel, qtbot: QtBot, expert_masks: np.ndarray, tmp_path: Path, kind: str
) -> None:
    config = with_overrides(named_recipe("tiny"), {"kind": kind, "grid_px": 32})
    made = make_objective(config).model
    header = Header(kind=kind, config=model_config(config), grid=Grid((32, 32)), name=kind)
    save_checkpoint(tmp_path / "made.safetensors", made, header)
    add_slice(viewer)
    experts = viewer.add_labels(expert_masks.astype(np.uint8), scale=(1, 0.5, 0.5))
    panel.form.experts.choose([experts])
    panel.show_settings(Settings(model=str(tmp_path / "made.safetensors"), readings=3))
    run(panel, qtbot)
    assert panel.error is None
    assert panel.result.sampled.readings.shape == (3, 64, 64)
    assert panel.results.table.model().rowCount() == 3


def test_a_model_of_one_step_is_told_as_such(
    viewer: Viewer, panel: ReadingsPanel, qtbot: QtBot, one_shot_model: Path
) -> None:
    add_slice(viewer)
    panel.show_settings(Settings(model=str(one_shot_model), readings=2))
    run(panel, qtbot)
    assert panel.error is None
    assert (panel.form.progress.value(), panel.form.progress.maximum()) == (2, 2)  # one step of each
    assert frame_of(panel.result.sampled, 0).total == 1
    assert not panel.results.player.isEnabled()


def test_images_of_other_axes_in_turn_leave_no_layers_behind(
    viewer: Viewer, panel: ReadingsPanel, qtbot: QtBot
) -> None:
    flat = add_slice(viewer)
    volume = viewer.add_image(texture((5, 64, 64)), scale=(2, 0.5, 0.5))
    for image in (flat, volume, flat):
        panel.form.image.choose(image)
        run(panel, qtbot)
    qtbot.waitUntil(lambda: not any("earlier" in layer.name for layer in viewer.layers), timeout=LONG)
    assert sum(role_of(layer) is None for layer in viewer.layers) == 2
    assert {role_layer(viewer, role).ndim for role in (Role.READINGS, Role.PROBABILITY, Role.FIELD_OF_VIEW)} == {2}


def test_slices_are_counted_from_one(viewer: Viewer, panel: ReadingsPanel) -> None:
    for data, options, kind in sources.bundled_sample()[:1]:
        getattr(viewer, f"add_{kind}")(data, **options)
    assert panel.form.slice_number.text() == "1 of 8"
    panel.form.slice_number.setValue(3)
    assert panel.form.image.image.metadata["napari-ambiseg"].index == 2
    assert panel.form.image.image.name in panel.form.image.toolTip()

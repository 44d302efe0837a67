"""From results to layers, on a viewer without a window."""

import time
from collections.abc import Callable

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Layer

from napari_ambiseg.viewer.canvas import looks
from napari_ambiseg.viewer.canvas.layers import Canvas
from napari_ambiseg.viewer.canvas.looks import field_of_view_look
from napari_ambiseg.viewer.image.origin import Role, role_of
from napari_ambiseg.viewer.image.plane import Plane
from napari_ambiseg.viewer.session.result import Result, View, derive, frame_of, summary

Make = Callable[..., Result]
RESULTS = [role for role in Role if role not in (Role.FIELD_OF_VIEW, *looks.ON_REQUEST)]


def view_looks(plane: Plane, view: View, *, selected: int) -> list[looks.Look]:
    """What depends on the threshold."""
    return [looks.probability_look(plane, view), *looks.reading_looks(plane, view, selected=selected)]


def all_looks(result: Result, view: View, *, selected: int) -> list[looks.Look]:
    return [looks.probability_look(result.request.plane, view), *looks.looks(result, view, selected=selected)]


def by_role(viewer: ViewerModel) -> dict[Role, Layer]:
    return {role: layer for layer in viewer.layers if (role := role_of(layer)) is not None}


def outlined(layer: Layer) -> np.ndarray:
    """Segments that are seen."""
    return layer.data[np.abs(layer.data[:, 1]).sum(axis=1) > 0]


def shown(result: Result, threshold: float = 0.0) -> tuple[ViewerModel, Canvas]:
    viewer = ViewerModel()
    canvas = Canvas(viewer)
    canvas.show(all_looks(result, derive(result, threshold), selected=0))
    return viewer, canvas


def test_the_threshold_empties_small_readings_and_changes_nothing_else(make_result: Make) -> None:
    result = make_result(readings=32)
    areas = result.sampled.readings.sum(axis=(1, 2)) * 0.25
    for threshold in (0.0, 0.3, 0.9, 1.0):
        view = derive(result, threshold)
        kept = areas >= threshold * areas.max()
        np.testing.assert_allclose(view.areas_mm2, np.where(kept, areas, 0))
        np.testing.assert_array_equal(view.readings[kept], result.sampled.readings[kept])
        assert view.empty == int((view.areas_mm2 == 0).sum())
        whole = np.zeros((64, 64))
        whole[view.window] = view.probability
        np.testing.assert_allclose(whole, view.readings.mean(axis=0), atol=1e-6)


def test_the_summary_counts_empty_readings(make_result: Make) -> None:
    view = derive(make_result(), 1.0)
    assert f"{view.empty} of 16 empty" in summary(view)
    assert f"GED {view.comparison.ged:.3f}" in summary(view)


def test_a_result_becomes_one_layer_of_each_kind(make_result: Make) -> None:
    viewer, _ = shown(make_result())
    assert sorted(by_role(viewer), key=RESULTS.index) == RESULTS
    assert not by_role(viewer)[Role.TRAJECTORY].visible


def test_images_lie_below_the_outlines_that_were_there_before(make_result: Make) -> None:
    result = make_result()
    viewer = ViewerModel()
    canvas = Canvas(viewer)
    canvas.show([field_of_view_look(result.request.plane, result.sampled.placement)])
    canvas.show([looks.experts_look(result.request.plane, result.request.experts.masks)])
    canvas.show(all_looks(result, derive(result, 0.0), selected=0))
    assert [role_of(layer) for layer in viewer.layers] == [*RESULTS, Role.FIELD_OF_VIEW]


def test_outlines_surround_the_readings(make_result: Make) -> None:
    result = make_result()
    viewer, _ = shown(result)
    layer = by_role(viewer)[Role.READINGS]
    starts = outlined(layer)[:, 0]
    rows, columns = np.nonzero(result.sampled.readings.any(axis=0))
    np.testing.assert_allclose(starts.min(axis=0), (rows.min() - 0.5, columns.min() - 0.5))
    np.testing.assert_allclose(starts.max(axis=0), (rows.max() + 0.5, columns.max() + 0.5))
    assert tuple(layer.scale) == (0.5, 0.5)


def test_layers_are_updated_in_place(make_result: Make) -> None:
    result = make_result()
    viewer, canvas = shown(result)
    before = dict(by_role(viewer))
    canvas.show(all_looks(result, derive(result, 1.0), selected=3))
    assert by_role(viewer) == before
    fewer, all_of_them = (derive(result, t).readings.any(axis=(1, 2)).sum() for t in (1.0, 0.0))
    assert fewer < all_of_them
    canvas.show(
        looks.step_looks(result.request.plane, result.sampled.placement, frame_of(result.sampled, 0), selected=1)
    )
    assert by_role(viewer) == before
    assert before[Role.TRAJECTORY].visible


def test_more_outlines_than_there_is_room_for_are_all_shown(make_result: Make) -> None:
    result = make_result(readings=4)
    viewer, canvas = shown(result)
    many = make_result(readings=100)
    view = derive(many, 0.0)
    canvas.show(all_looks(many, view, selected=0))
    wanted = next(look for look in view_looks(many.request.plane, view, selected=0) if look.role is Role.READINGS)
    np.testing.assert_array_equal(outlined(by_role(viewer)[Role.READINGS]), wanted.data)
    assert len(wanted.data) > 2048


def test_layers_that_the_user_has_removed_stay_away_until_the_next_run(make_result: Make) -> None:
    result = make_result()
    viewer, canvas = shown(result)
    viewer.layers.remove(by_role(viewer)[Role.PROBABILITY])
    canvas.show(view_looks(result.request.plane, derive(result, 0.2), selected=0), add_missing=False)
    assert Role.PROBABILITY not in by_role(viewer)
    canvas.show(all_looks(result, derive(result, 0.2), selected=0))
    assert Role.PROBABILITY in by_role(viewer)


def test_a_slice_of_a_volume_gets_results_on_that_slice_only(make_result: Make) -> None:
    volume = Image(np.random.default_rng(0).random((5, 64, 64)), scale=(2, 0.5, 0.5), units="mm")
    viewer = ViewerModel()
    viewer.add_layer(volume)
    result = make_result(layer=volume, point=(6.0, 0, 0))
    canvas = Canvas(viewer)
    canvas.show(all_looks(result, derive(result, 0.0), selected=0))
    assert (outlined(by_role(viewer)[Role.READINGS])[:, 0, 0] == 3).all()
    probability = by_role(viewer)[Role.PROBABILITY]
    assert probability.extent.world[:, 0].tolist() == [6, 6]
    assert viewer.dims.nsteps[0] == 5


def test_a_result_of_other_axes_takes_over_from_the_one_before(make_result: Make) -> None:
    viewer, canvas = shown(make_result())
    volume = Image(np.random.default_rng(0).random((5, 64, 64)), scale=(2, 0.5, 0.5), units="mm")
    result = make_result(layer=volume, point=(6.0, 0, 0))
    canvas.show(all_looks(result, derive(result, 0.0), selected=0))
    assert all(layer.ndim == 3 for layer in by_role(viewer).values())
    assert not any(layer.visible for layer in viewer.layers if role_of(layer) is None)


def test_the_field_of_view_box_is_as_large_as_the_grid(make_result: Make) -> None:
    result = make_result()
    viewer = ViewerModel()
    Canvas(viewer).show([field_of_view_look(result.request.plane, result.sampled.placement)])
    starts = outlined(viewer.layers[0])[:, 0]
    np.testing.assert_allclose((starts.max(axis=0) - starts.min(axis=0)) * 0.5, (16, 16))


def test_a_new_threshold_is_shown_within_a_frame(make_result: Make) -> None:
    """Derivation and layers, in processor time, because the machine may be busy with something else."""
    result = make_result()
    _, canvas = shown(result)
    seconds = []
    for i in range(30):
        started = time.thread_time()
        canvas.show(view_looks(result.request.plane, derive(result, i / 30), selected=i % 16), add_missing=False)
        seconds.append(time.thread_time() - started)
    assert min(seconds) < 1 / 60, f"{1000 * min(seconds):.1f} ms"


def test_a_trajectory_starts_as_noise_and_ends_as_the_readings(make_result: Make) -> None:
    sampled = make_result().sampled
    first, last = frame_of(sampled, 0), frame_of(sampled, len(sampled.steps) - 1)
    assert first.step == 1
    assert last.step == last.total
    assert first.x_t.std() > 0.5
    np.testing.assert_array_equal(sampled.placement.readings(last.x_hat), sampled.readings)


@pytest.mark.parametrize("selected", [0, 7])
def test_the_selected_reading_is_outlined_alone(make_result: Make, selected: int) -> None:
    result = make_result()
    view = derive(result, 0.0)
    found = [k for k in view_looks(result.request.plane, view, selected=selected) if k.role is Role.SELECTED]
    rows, _ = np.nonzero(view.readings[selected])
    starts = found[0].data[:, 0, 0]
    assert (len(starts) == 0) == (len(rows) == 0)
    if len(rows):
        assert (starts.min(), starts.max()) == (rows.min() - 0.5, rows.max() + 0.5)

"""Whatever the user does during a run: the window goes on at once, and nothing lands where it does not belong.

The toy model stands still in the middle of a step until a test lets it go on. A dock that waited for the step would
therefore wait for ever; here it would wait so long that the test says so.
"""

import threading
from collections.abc import Callable, Iterator

import napari
import numpy as np
import pytest
from napari.layers import Image
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QThreadPool

from napari_ambiseg.viewer.image.origin import role_of
from napari_ambiseg.viewer.panel import ReadingsPanel

LONG = 60_000  # milliseconds
PATIENCE_S = 20.0
Viewer = napari.viewer.Viewer


class Gate:
    """Where the model stands still."""

    def __init__(self) -> None:
        self._reached, self._open = threading.Event(), threading.Event()
        self.was_waited_for = False

    def pass_through(self, _model: object = None) -> float:
        """Wait in a step; how much longer it takes then."""
        self._reached.set()
        if not self._open.wait(PATIENCE_S):
            self.was_waited_for = True  # whoever could have opened it stood still, too
        return 0.0

    @property
    def is_reached(self) -> bool:
        """Whether a step is being computed."""
        return self._reached.is_set()

    def open(self) -> None:
        """Let all steps go on."""
        assert not self.was_waited_for
        self._open.set()


@pytest.fixture
def gate(toy: type, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate = Gate()
    monkeypatch.setattr(toy, "delay", property(gate.pass_through))
    yield gate
    gate.open()
    assert QThreadPool.globalInstance().waitForDone(LONG)


@pytest.fixture
def volume(viewer: Viewer, panel: ReadingsPanel) -> Image:
    data = np.random.default_rng(0).random((5, 64, 64), dtype=np.float32)
    return viewer.add_image(data, name="ct", scale=(2, 0.5, 0.5), units=("mm",) * 3)


def begin(panel: ReadingsPanel, gate: Gate, qtbot: QtBot) -> None:
    """Start a run; a step is being computed then, and goes on as long as the gate is closed."""
    panel.run()
    qtbot.waitUntil(lambda: gate.is_reached, timeout=LONG)
    assert panel.is_running


def end(panel: ReadingsPanel, gate: Gate, qtbot: QtBot) -> None:
    qtbot.wait(20)  # the window goes on while the step does not
    with qtbot.waitSignal(panel.run_ended, timeout=LONG):
        gate.open()
    assert panel.error is None
    assert panel.form.run.isEnabled()


def results_seen(viewer: Viewer) -> set[str]:
    """Layers of readings that are seen; the box is none."""
    return {layer.name for layer in viewer.layers if layer.visible and role_of(layer)} - {"Field of view"}


def test_cancelling_returns_at_once_though_a_step_is_being_computed(
    viewer: Viewer, panel: ReadingsPanel, volume: Image, gate: Gate, qtbot: QtBot
) -> None:
    begin(panel, gate, qtbot)
    panel.cancel()
    assert panel.is_running  # until the step is done
    assert panel.form.cancel.text() == "Cancelling…"
    panel.cancel()  # an impatient user
    end(panel, gate, qtbot)
    assert panel.form.status.text() == "Cancelled."
    assert panel.study.results == ()
    assert results_seen(viewer) == set()


def test_removing_the_image_during_a_run_leaves_its_readings_in_the_list(
    viewer: Viewer, panel: ReadingsPanel, volume: Image, gate: Gate, qtbot: QtBot
) -> None:
    other = viewer.add_image(np.random.default_rng(1).random((64, 64), dtype=np.float32), scale=(0.5, 0.5))
    panel.form.image.choose(volume)
    begin(panel, gate, qtbot)
    viewer.layers.remove(volume)
    assert panel.form.image.image is other
    end(panel, gate, qtbot)
    (result,) = panel.study.results
    assert result.request.image_name == "ct"
    assert panel.result is None
    assert results_seen(viewer) == set()


def test_removing_everything_during_a_run_is_survived(
    viewer: Viewer, panel: ReadingsPanel, volume: Image, gate: Gate, qtbot: QtBot
) -> None:
    begin(panel, gate, qtbot)
    viewer.layers.clear()
    end(panel, gate, qtbot)
    qtbot.wait(20)
    assert len(viewer.layers) == 0
    assert len(panel.study.results) == 1


def test_readings_do_not_follow_to_the_slice_that_is_shown_by_then(
    viewer: Viewer, panel: ReadingsPanel, volume: Image, gate: Gate, qtbot: QtBot
) -> None:
    viewer.dims.set_point(0, 2.0)
    begin(panel, gate, qtbot)
    viewer.dims.set_point(0, 6.0)
    end(panel, gate, qtbot)
    (result,) = panel.study.results
    assert result.request.plane.index == (1,)
    assert panel.result is None
    assert results_seen(viewer) == set()
    viewer.dims.set_point(0, 2.0)
    qtbot.waitUntil(lambda: "Model's readings" in results_seen(viewer), timeout=LONG)
    assert panel.result is result


def test_what_is_painted_during_a_run_does_not_reach_it(
    viewer: Viewer, panel: ReadingsPanel, volume: Image, gate: Gate, qtbot: QtBot
) -> None:
    experts = viewer.add_labels(np.ones(volume.data.shape, np.uint8), scale=volume.scale)
    panel.form.experts.choose([experts])
    pixels = volume.data[int(viewer.dims.current_step[0])].copy()
    begin(panel, gate, qtbot)
    volume.data[:] = 0
    experts.data[:] = 0
    end(panel, gate, qtbot)
    request = panel.study.results[0].request
    np.testing.assert_array_equal(request.slice_input.pixels, pixels)
    assert request.experts.masks.all()


@pytest.mark.parametrize(
    "start",
    [
        lambda panel: panel.run(),
        lambda panel: panel.ask.run_near(20.0),
        lambda panel: panel.ask.run_more(),
        lambda panel: panel.ask.start([panel.request()]),
    ],
)
def test_a_second_run_is_not_begun_before_the_first_has_ended(
    panel: ReadingsPanel, volume: Image, gate: Gate, qtbot: QtBot, start: Callable[[ReadingsPanel], None]
) -> None:
    begin(panel, gate, qtbot)
    panel.form.settings.readings.value = 3
    start(panel)
    end(panel, gate, qtbot)
    (result,) = panel.study.results
    assert len(result.sampled.seeds) == 8


def test_closing_the_viewer_during_a_run_does_not_wait_for_the_step(
    viewer: Viewer, panel: ReadingsPanel, volume: Image, gate: Gate, qtbot: QtBot
) -> None:
    begin(panel, gate, qtbot)
    drawn = []
    panel.runs.drawn.connect(drawn.append)
    viewer.close()
    qtbot.wait(20)
    gate.open()
    assert QThreadPool.globalInstance().waitForDone(LONG)
    qtbot.wait(20)
    assert drawn == []

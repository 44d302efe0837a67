"""How long the window's thread is at work without a pause while readings are computed."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QTimer

from napari_ambiseg.viewer.panel import ReadingsPanel
from tests.viewer.conftest import LONG, ToyDiscs, Viewer

FREEZE_S = 0.1


@pytest.fixture
def ready(viewer: Viewer, panel: ReadingsPanel, expert_masks: np.ndarray) -> ReadingsPanel:
    """The dock with a slice that three experts have marked."""
    viewer.add_image(np.random.default_rng(0).random((64, 64), np.float32), scale=(0.5, 0.5), units=("mm", "mm"))
    panel.form.experts.choose([viewer.add_labels(mask.astype(np.uint8), scale=(0.5, 0.5)) for mask in expert_masks])
    return panel


@contextmanager
def ticking(tick: QTimer) -> Iterator[None]:
    tick.start(1)
    yield
    tick.stop()


@pytest.mark.parametrize("drawing_s", [0.0, 0.1], ids=["", "while drawing takes so long that news queue up"])
def test_layers_of_a_first_run_come_one_at_a_time(
    drawing_s: float,
    ready: ReadingsPanel,
    viewer: Viewer,
    toy: type[ToyDiscs],
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What else waits for the window gets its turn between any two: napari takes long for each."""
    monkeypatch.setattr(toy, "delay", 0.02)
    viewer.layers.events.inserted.connect(lambda _: time.sleep(drawing_s))
    qtbot.wait(50)
    added, tick = list[int](), QTimer()
    tick.timeout.connect(lambda: added.append(len(viewer.layers)))
    before = len(viewer.layers)
    with ticking(tick), qtbot.waitSignal(ready.run_ended, timeout=LONG):
        ready.run()
    added.append(len(viewer.layers))
    steps = np.diff([before, *added])
    assert steps.sum() >= 4
    assert steps.max() == 1


def test_the_window_is_never_at_work_for_a_tenth_of_a_second_while_readings_are_computed(
    ready: ReadingsPanel, toy: type[ToyDiscs], qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted in processor time of its own thread, which other programs on the machine do not make longer."""
    with qtbot.waitSignal(ready.run_ended, timeout=LONG):
        ready.run()  # layers are made and libraries loaded
    qtbot.wait(100)
    monkeypatch.setattr(toy, "delay", 0.03)
    at_work, tick = [time.thread_time()], QTimer()
    tick.timeout.connect(lambda: at_work.append(time.thread_time()))
    with ticking(tick), qtbot.waitSignal(ready.run_ended, timeout=LONG):
        ready.run()
    assert len(at_work) > 50
    longest = max(np.diff(at_work))
    assert longest < FREEZE_S, f"{longest * 1e3:.0f} ms without a pause"

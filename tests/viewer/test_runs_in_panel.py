"""Runs of one slice, asked for from the tab of the dock and gone back to."""

from pathlib import Path

import napari
import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from napari_ambiseg.viewer.panel import ReadingsPanel
from napari_ambiseg.viewer.session import variants
from napari_ambiseg.viewer.session.settings import Settings

LONG = 60_000  # milliseconds
Viewer = napari.viewer.Viewer


@pytest.fixture
def panel(panel: ReadingsPanel, viewer: Viewer, toy_model: Path) -> ReadingsPanel:
    panel.show_settings(Settings(model=str(toy_model), readings=4))
    data = np.random.default_rng(0).random((3, 64, 64), dtype=np.float32)
    viewer.add_image(data, name="ct", scale=(2.0, 0.5, 0.5), units=("mm",) * 3)
    return panel


def title(panel: ReadingsPanel) -> str:
    tabs = panel.results.tabs
    return tabs.tabText(tabs.indexOf(panel.runs_tab))


def test_runs_of_a_slice_are_drawn_again_from_the_same_seeds_and_gone_back_to(
    viewer: Viewer, panel: ReadingsPanel, qtbot: QtBot
) -> None:
    with qtbot.waitSignal(panel.run_ended, timeout=LONG):
        panel.run()
    first = panel.result
    assert first is not None
    assert title(panel) == "Runs"
    panel.form.settings.seed.value = 99  # what is set has no part in it
    with qtbot.waitSignal(panel.run_ended, timeout=LONG):
        panel.runs_tab.again_wanted.emit([variants.with_steps(first.request, steps) for steps in (3, 4)])
        assert panel.is_running
        panel.runs_tab.again_wanted.emit([first.request])  # one batch at a time
    assert [one.sampled.options.steps for one in panel.study.results[1:]] == [3, 4]
    assert all(one.sampled.seeds == first.sampled.seeds for one in panel.study.results)
    assert panel.result is panel.study.results[-1]  # the newest
    assert title(panel) == "Runs (3)"
    viewer.dims.set_point(0, 4.0)
    qtbot.waitUntil(lambda: panel.result is None, timeout=LONG)
    assert title(panel) == "Runs"
    panel.runs_tab.show_run(first)
    assert panel.result is first
    qtbot.wait(50)  # nothing that was put off shows another one
    assert panel.result is first
    assert panel.where() == first.request.where


def test_a_run_whose_image_is_removed_is_told_in_the_dock(viewer: Viewer, panel: ReadingsPanel, qtbot: QtBot) -> None:
    with qtbot.waitSignal(panel.run_ended, timeout=LONG):
        panel.run()
    viewer.layers.remove("ct")
    qtbot.wait(50)
    panel.runs_tab.show_run(panel.study.results[0])
    assert "no longer open" in panel.form.status.text()

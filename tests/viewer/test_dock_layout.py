"""The real dock in a real window: narrow in every state, and low enough for a laptop."""

from collections.abc import Callable, Iterator
from pathlib import Path

import napari
import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt, QThreadPool, QTimer
from qtpy.QtWidgets import QAbstractButton, QTabWidget, QWidget

from napari_ambiseg.viewer.canvas.maps import Map
from napari_ambiseg.viewer.panel import ReadingsPanel
from napari_ambiseg.viewer.session import variants
from napari_ambiseg.viewer.session.settings import Settings
from napari_ambiseg.viewer.widgets import shortcuts

pytestmark = pytest.mark.window
LONG = 60_000  # milliseconds
WIDEST = 380  # pixels
LAPTOP = (1280, 720)
NAME = "a-name-without-a-single-space-" * 4
Viewer = napari.viewer.Viewer


@pytest.fixture
def viewer(make_napari_viewer: Callable[..., Viewer]) -> Iterator[Viewer]:
    viewer = make_napari_viewer(strict_qt="raise", show=True)
    viewer.window.resize(*LAPTOP)
    yield viewer
    assert QThreadPool.globalInstance().waitForDone(LONG)


@pytest.fixture
def panel(viewer: Viewer, toy_model: Path, expert_masks: np.ndarray) -> ReadingsPanel:
    """On a CT volume with three experts."""
    panel = ReadingsPanel(viewer)
    viewer.window.add_dock_widget(panel, name="Readings", area="right")
    hu = np.random.default_rng(0).integers(-1000, 1500, (12, 64, 64)).astype(np.int16)
    options = {"scale": (2.0, 0.5, 0.5), "units": ("mm",) * 3}
    viewer.add_image(hu, name=NAME, **options)
    masks = np.repeat(expert_masks[:, None], 12, axis=1).astype(np.uint8)
    experts = [viewer.add_labels(mask, name=f"{NAME}{i}", **options) for i, mask in enumerate(masks)]
    panel.form.experts.choose(experts)
    panel.show_settings(Settings(model=str(toy_model), readings=16))
    return panel


def run(panel: ReadingsPanel, qtbot: QtBot) -> None:
    with qtbot.waitSignal(panel.run_ended, timeout=LONG):
        panel.run()


def needed(panel: ReadingsPanel, qtbot: QtBot) -> int:
    """The width that the dock asks for now."""
    qtbot.wait(20)  # style sheets and layouts come in later turns
    return max(panel.minimumWidth(), panel.minimumSizeHint().width())


def wide(panel: ReadingsPanel) -> list[str]:
    """Who asks for most, for the message of a failure."""
    seen = [w for w in panel.findChildren(QWidget) if w.isVisible()]
    most = sorted(seen, key=lambda w: -max(w.minimumSizeHint().width(), w.minimumWidth()))[:12]
    return [f"{type(w).__name__} {w.minimumSizeHint().width()}" for w in most]


def test_no_state_makes_the_dock_wider_than_a_laptop_has_room_for(
    viewer: Viewer, panel: ReadingsPanel, qtbot: QtBot, toy: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(state: str) -> None:
        assert needed(panel, qtbot) <= WIDEST, (state, wide(panel))

    form, results = panel.form, panel.results
    check("before a run")
    run(panel, qtbot)
    check("after a run")
    form.fold.fold(False)
    form.settings.model._also = [NAME]
    form.settings.model._fill()
    form.settings.region.value()
    form.settings.region.setValue(100.0)
    form.settings.readings.value, form.settings.steps.value = 100, 1000
    check("everything set otherwise")
    panel.show_settings(Settings(model=panel.settings.model, readings=16))
    for number in range(results.tabs.count()):
        results.tabs.setCurrentIndex(number)
        check(f"tab {results.tabs.tabText(number)}")
    for chosen in Map:
        results.looking.choose_map(chosen)
        check(f"map {chosen}")
    results.tabs.setCurrentIndex(0)
    panel.showing.select(3, 1)
    check("a pair")
    panel.keeping.accepting.accept()
    panel.keeping.accepting.refresh()
    check("a mask of one's own")
    panel.keeping.progress.setVisible(True)
    check("files are written")
    form.say(f"cannot save to /{'/'.join([NAME] * 3)}", is_error=True)
    check("an error with a path")
    results.look_box.hide_experts.click()
    check("experts hidden")
    results.look_box.hide_model.click()
    check("all hidden")


def test_many_runs_and_a_batch_do_not_widen_the_dock(
    viewer: Viewer, panel: ReadingsPanel, qtbot: QtBot, toy: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(panel, qtbot)
    panel.results.tabs.setCurrentWidget(panel.runs_tab)
    with qtbot.waitSignal(panel.run_ended, timeout=LONG):
        panel.runs_tab.again_wanted.emit([variants.with_steps(panel.result.request, steps) for steps in (3, 4, 250)])
    panel.runs_tab.forget.click()
    assert needed(panel, qtbot) <= WIDEST, wide(panel)
    monkeypatch.setattr(toy, "delay", 0.02)
    with qtbot.waitSignal(panel.run_ended, timeout=LONG):
        panel.ask.run_near(4.0)
        qtbot.waitUntil(lambda: panel.form.progress.value() > 0, timeout=LONG)
        assert needed(panel, qtbot) <= WIDEST, wide(panel)
        monkeypatch.setattr(toy, "delay", 0.0)
    assert panel.runs_tab.slices_button.isVisible()
    panel.runs_tab.slices_button.click()
    assert needed(panel, qtbot) <= WIDEST, wide(panel)


def test_sixteen_readings_threshold_and_player_are_seen_together_on_a_laptop(
    viewer: Viewer, panel: ReadingsPanel, qtbot: QtBot
) -> None:
    run(panel, qtbot)
    assert panel.form.fold.is_folded
    qtbot.wait(100)
    results, table = panel.results, panel.results.table
    for widget in (results.slider, results.player, panel.form.run, panel.keeping.menu):
        region = widget.visibleRegion().boundingRect()
        assert region == widget.rect(), type(widget).__name__
    rows = [table.visualRect(table.model().index(row, 0)) for row in range(16)]
    assert table.viewport().rect().contains(rows[0].united(rows[-1]))
    assert table.visibleRegion().boundingRect() == table.rect()


def test_the_tab_key_goes_through_the_dock_from_top_to_bottom_and_to_nothing_that_is_not_seen(
    viewer: Viewer, panel: ReadingsPanel, qtbot: QtBot
) -> None:
    run(panel, qtbot)
    panel.form.fold.fold(False)
    qtbot.wait(100)
    stops = list[QWidget]()
    widget = panel.nextInFocusChain()
    while panel.isAncestorOf(widget):
        if widget.isVisible() and widget.isEnabled() and widget.focusPolicy() & Qt.FocusPolicy.TabFocus:
            stops.append(widget)
        widget = widget.nextInFocusChain()
    assert len(stops) > 30
    stops = [w for w in stops if not isinstance(w, QTabWidget)]  # it hands the keyboard on to its bar
    assert not [w for w in stops if w.visibleRegion().isEmpty() and w.height() < 10]
    places = [w.mapTo(panel, w.rect().center()) for w in stops]
    rows = [(round(place.y() / 12), place.x()) for place in places]
    assert rows == sorted(rows), [(type(w).__name__, row) for w, row in zip(stops, rows, strict=True)]


@pytest.mark.parametrize("key", [shortcuts.RUN, shortcuts.MORE, shortcuts.ACCEPT, shortcuts.HIDE_MODEL, shortcuts.KEEP])
def test_every_key_presses_its_button_also_when_the_button_says_something_else_by_now(
    viewer: Viewer, panel: ReadingsPanel, qtbot: QtBot, key: shortcuts.Shortcut
) -> None:
    run(panel, qtbot)
    for count in (3, 5, 4):
        panel.form.settings.readings.value = count
    assert panel.form.buttons.more.text() == "+4 more"
    buttons = {
        shortcuts.RUN: panel.form.run,
        shortcuts.MORE: panel.form.buttons.more,
        shortcuts.ACCEPT: panel.keeping.accepting.button,
        shortcuts.HIDE_MODEL: panel.results.look_box.hide_model,
        shortcuts.KEEP: panel.keeping.menu,
    }
    window = viewer.window._qt_window
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow, timeout=LONG)
    menu = panel.keeping.menu.menu()
    menu.aboutToShow.connect(lambda: QTimer.singleShot(0, menu.close))
    running = [panel.run_ended] if key in (shortcuts.RUN, shortcuts.MORE) else []
    with qtbot.waitSignals([*running, buttons[key].pressed], timeout=LONG):
        qtbot.keyClick(window, key.keys[-1], Qt.KeyboardModifier.AltModifier)


def test_whatever_cannot_be_pressed_says_why(
    viewer: Viewer, panel: ReadingsPanel, qtbot: QtBot, toy: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(state: str) -> int:
        buttons = [one for one in panel.findChildren(QAbstractButton) if one.isVisible()]
        disabled = [one for one in buttons if not one.isEnabledTo(one.parentWidget())]
        silent = [one.text() for one in disabled if "not now: " not in one.toolTip()]
        assert not silent, state
        return len(disabled)

    panel.results.tabs.setCurrentWidget(panel.runs_tab)
    assert check("before a run") > 6
    monkeypatch.setattr(toy, "delay", 0.02)
    with qtbot.waitSignal(panel.run_ended, timeout=LONG):
        panel.run()
        check("during a run")
        panel.cancel()
        assert "comes to its end" in panel.form.cancel.toolTip()
        monkeypatch.setattr(toy, "delay", 0.0)
    run(panel, qtbot)
    check("after a run")
    panel.results.look_box.hide_model.click()
    assert "the model is hidden" in panel.keeping.accepting.button.toolTip()
    viewer.layers.clear()
    qtbot.wait(50)
    check("without an image")
    assert "no image is open" in panel.form.place.toolTip()

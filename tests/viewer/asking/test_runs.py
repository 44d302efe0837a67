"""What is seen of a run's first step, and how soon."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from napari.layers import Image
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QThreadPool

from napari_ambiseg.viewer.asking import runs as module
from napari_ambiseg.viewer.asking.batch import Batch
from napari_ambiseg.viewer.asking.runs import Runs
from napari_ambiseg.viewer.image import volume_slices
from napari_ambiseg.viewer.image.plane import plane_of
from napari_ambiseg.viewer.session.live import LivePicture
from napari_ambiseg.viewer.session.result import Request
from napari_ambiseg.viewer.session.settings import Settings
from napari_ambiseg.viewer.session.showing import Showing
from napari_ambiseg.viewer.session.study import Study
from tests.viewer.asking.conftest import Unseen

LONG = 60_000  # milliseconds


class Watched(Unseen):
    """Notes how many steps were done each time it was to draw."""

    def __init__(self) -> None:
        self.steps: list[int] = []

    def show_running(self, request: Request, live: LivePicture) -> None:
        self.steps.append(live.progress.done)


@pytest.fixture
def request_(toy_model: Path) -> Request:
    volume = Image(np.random.default_rng(0).random((1, 64, 64), dtype=np.float32), scale=(2.0, 0.5, 0.5), name="ct")
    plane = plane_of(volume, point=(0.0, 0.0, 0.0), displayed=(1, 2))
    settings = Settings(model=str(toy_model), readings=1)
    return Batch(volume, [], volume_slices.near(volume, plane, 1.0), centre_px=None, settings=settings).requests()[0]


@pytest.fixture
def watched() -> Watched:
    return Watched()


@pytest.fixture
def runs(qtbot: QtBot, watched: Watched, request_: Request) -> Iterator[Runs]:
    yield Runs(Showing(), Study(), watched, lambda: request_.where)
    assert QThreadPool.globalInstance().waitForDone(LONG)


def test_the_first_step_is_drawn_at_once(
    qtbot: QtBot, runs: Runs, watched: Watched, request_: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SOON_S", 1000.0)
    runs._live.setInterval(LONG)  # what comes later is not seen
    assert not runs.shows_soon
    with qtbot.waitSignal(runs.ended, timeout=LONG):
        runs.start([request_])
        assert runs.shows_soon
        qtbot.waitUntil(lambda: bool(watched.steps), timeout=LONG)
        assert not runs.shows_soon
    assert watched.steps == [1]
    assert not runs.shows_soon


def test_nothing_waits_long_for_a_first_step(qtbot: QtBot, runs: Runs, request_: Request) -> None:
    with qtbot.waitSignal(runs.ended, timeout=LONG):
        runs.start([request_])
        runs._since -= module._SOON_S
        assert not runs.shows_soon

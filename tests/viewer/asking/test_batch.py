"""The requests of many slices: made a few at a time, so that the window goes on, and never of two states at once."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from napari.layers import Image, Labels
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QThreadPool, QTimer

from napari_ambiseg.errors import InputImageError
from napari_ambiseg.viewer.asking import batch as batches
from napari_ambiseg.viewer.asking.batch import Batch
from napari_ambiseg.viewer.asking.runs import Runs
from napari_ambiseg.viewer.image import volume_slices
from napari_ambiseg.viewer.image.plane import plane_of
from napari_ambiseg.viewer.session.settings import Settings
from napari_ambiseg.viewer.session.showing import Showing
from napari_ambiseg.viewer.session.study import Study
from tests.viewer.asking.conftest import Unseen

LONG = 60_000  # milliseconds
SLICES = 12


@pytest.fixture
def volume() -> Image:
    pixels = np.random.default_rng(0).random((SLICES, 64, 64), dtype=np.float32)
    return Image(pixels, scale=(2.0, 0.5, 0.5), units=("mm",) * 3, name="ct")


@pytest.fixture
def experts(volume: Image) -> list[Labels]:
    return [Labels(np.ones(volume.data.shape, np.uint8), scale=volume.scale)]


@pytest.fixture
def batch(volume: Image, experts: list[Labels], toy_model: Path) -> Batch:
    """All slices, the middle one first."""
    plane = plane_of(volume, point=(12.0, 0.0, 0.0), displayed=(1, 2))
    planes = volume_slices.near(volume, plane, 100.0)
    settings = Settings(model=str(toy_model), readings=1)
    return Batch(volume, experts, planes, centre_px=None, settings=settings)


@pytest.fixture
def runs(qtbot: QtBot) -> Iterator[Runs]:
    yield Runs(Showing(), Study(), Unseen(), lambda: None)
    assert QThreadPool.globalInstance().waitForDone(LONG)


def test_no_turn_of_the_event_loop_makes_more_than_a_slice(
    qtbot: QtBot, runs: Runs, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, in_turn, make = [], [0], batches.make_request

    def counted(*args, **options):
        in_turn[-1] += 1
        made.append(make(*args, **options))
        return made[-1]

    monkeypatch.setattr(batches, "make_request", counted)
    turns = QTimer()  # fires once in each turn, as the timer that makes slices does
    turns.timeout.connect(lambda: in_turn.append(0))
    turns.start()
    with qtbot.waitSignal(runs.started, timeout=LONG) as started:
        runs.prepare(batch)
        assert made == []  # not even the press of the button waits
        assert runs.is_running
    turns.stop()
    assert [one.where.index for one in started.args[0]][:3] == [(6,), (5,), (7,)]
    assert len(started.args[0]) == len(made) == SLICES
    assert max(in_turn) <= 2  # a slice before the timer of this test, another one behind it
    runs.cancel()


def test_cancelling_while_slices_are_prepared_ends_at_once(qtbot: QtBot, runs: Runs, batch: Batch) -> None:
    begun, ended = [], []
    runs.started.connect(begun.append)
    runs.ended.connect(ended.append)
    runs.prepare(batch)
    runs.cancel()
    assert ended == [None]
    assert not runs.is_running
    assert runs.was_cancelled
    qtbot.wait(20)
    assert begun == []
    assert ended == [None]


@pytest.mark.parametrize("which", ["image", "experts"])
def test_layers_that_are_replaced_meanwhile_end_the_batch(
    qtbot: QtBot, runs: Runs, batch: Batch, volume: Image, experts: list[Labels], which: str
) -> None:
    layer = volume if which == "image" else experts[0]
    with qtbot.waitSignal(runs.ended, timeout=LONG) as ended:
        runs.prepare(batch)
        layer.data = layer.data[:5].copy()
    assert "'ct'" in str(ended.args[0])
    assert "was replaced" in str(ended.args[0])
    assert not runs.is_running


def test_slices_that_cannot_be_read_are_left_out_unless_none_can(batch: Batch, volume: Image) -> None:
    volume.data[2:5] = 0.5
    assert len(batch.requests()) == SLICES - 3
    assert len(batch.left_out) == 3
    assert all("every pixel" in str(error) for error in batch.left_out)


def test_a_batch_of_which_nothing_can_be_read_says_why(qtbot: QtBot, runs: Runs, batch: Batch, volume: Image) -> None:
    volume.data[:] = 0.5
    with qtbot.waitSignal(runs.ended, timeout=LONG) as ended:
        runs.prepare(batch)
    assert isinstance(ended.args[0], InputImageError)
    assert "every pixel" in str(ended.args[0])
    assert not runs.is_running

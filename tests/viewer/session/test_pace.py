"""The expected time: what a run has taken tells what the next one takes."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_ambiseg.engine import SamplingOptions
from napari_ambiseg.viewer.session.pace import Paces, pace_path, told
from napari_ambiseg.viewer.session.result import Result
from napari_ambiseg.viewer.session.settings import Settings


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return pace_path(tmp_path / "new" / "viewer.json")


@pytest.fixture
def ran(make_result: Callable[..., Result]) -> Callable[..., Result]:
    """A run of 4 readings that took so many seconds."""
    drawn = make_result(readings=4)

    def made(seconds: float, **settings) -> Result:
        asked = replace(drawn.request, settings=replace(drawn.request.settings, **settings))
        return replace(drawn, request=asked, sampled=replace(drawn.sampled, seconds=seconds))

    return made


def test_before_the_first_run_the_time_is_not_known(path: Path) -> None:
    assert Paces(path).expected_s(Settings()) is None
    assert told(None) == ""


def test_the_time_grows_with_readings_steps_and_slices(path: Path, ran: Callable[..., Result]) -> None:
    paces, run = Paces(path), ran(8.0)
    paces.learn(run)
    settings = run.request.settings
    half = replace(settings.options, steps=settings.options.steps // 2)
    assert paces.expected_s(settings) == pytest.approx(8.0)
    assert paces.expected_s(replace(settings, readings=16)) == pytest.approx(32.0)
    assert paces.expected_s(replace(settings, options=half)) == pytest.approx(4.0)
    assert paces.expected_s(settings, slices=3) == pytest.approx(24.0)


def test_each_model_engine_and_device_has_a_pace_of_its_own(path: Path, ran: Callable[..., Result]) -> None:
    paces = Paces(path)
    for seconds, settings in ((8.0, {}), (4.0, {"engine": "torch"}), (2.0, {"device": "cpu"}), (1.0, {"model": "b"})):
        paces.learn(ran(seconds, **settings))
    settings = ran(0.0).request.settings
    assert paces.expected_s(settings) == pytest.approx(8.0)
    assert paces.expected_s(replace(settings, engine="torch")) == pytest.approx(4.0)
    assert paces.expected_s(replace(settings, device="cpu")) == pytest.approx(2.0)
    assert paces.expected_s(replace(settings, also=("b",))) == pytest.approx(9.0)  # both models
    assert paces.expected_s(replace(settings, also=("c",))) is None


def test_runs_are_averaged_and_remembered(path: Path, ran: Callable[..., Result]) -> None:
    paces = Paces(path)
    paces.learn(ran(12.0))
    paces.learn(ran(8.0))
    assert Paces(path).expected_s(ran(0.0).request.settings) == pytest.approx(10.0)


def test_of_added_readings_only_the_new_ones_count(path: Path, ran: Callable[..., Result]) -> None:
    paces, first = Paces(path), ran(8.0)
    six = replace(first.request, settings=replace(first.request.settings, readings=6), before=first.sampled)
    paces.learn(replace(first, request=six, sampled=replace(first.sampled, seconds=18.0)))  # 10 s for two more
    assert paces.expected_s(first.request.settings) == pytest.approx(20.0)


def test_a_model_of_one_step_takes_no_longer_with_more(path: Path, ran: Callable[..., Result]) -> None:
    paces, run = Paces(path), ran(4.0)
    paces.learn(replace(run, sampled=replace(run.sampled, steps=np.array([1]))))
    settings = run.request.settings
    assert paces.expected_s(settings) == pytest.approx(4.0)
    assert paces.expected_s(replace(settings, options=SamplingOptions(steps=1000))) == pytest.approx(4.0)


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"m on auto, auto": {"seconds": -1}}', '{"m": {"seconds": "NaN"}}'])
def test_a_damaged_file_is_taken_as_empty(path: Path, ran: Callable[..., Result], text: str) -> None:
    path.parent.mkdir()
    path.write_text(text)
    paces = Paces(path)
    assert paces.expected_s(ran(0.0).request.settings) is None
    paces.learn(ran(8.0))
    assert Paces(path).expected_s(ran(0.0).request.settings) == pytest.approx(8.0)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "under 1 s"),
        (3.6, "about 4 s"),
        (23.0, "about 25 s"),
        (59.0, "about 1 min"),
        (200.0, "about 3 min"),
        (9000.0, "about 2 h"),
    ],
)
def test_times_are_told_as_one_says_them(seconds: float, words: str) -> None:
    assert told(seconds) == words

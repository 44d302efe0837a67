"""What the player shows of each step, and how fast."""

from collections.abc import Callable

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from napari_ambiseg.engine import Frame
from napari_ambiseg.io.film_frames import Shown
from napari_ambiseg.seeds import ANTITHETIC, reading_seeds
from napari_ambiseg.viewer.session.result import Result, frame_of
from napari_ambiseg.viewer.session.showing import Showing
from napari_ambiseg.viewer.session.way import Way
from napari_ambiseg.viewer.tabs.player import Player

RNG = np.random.default_rng(0)
FRAME = Frame(2, 5, -1.0, *RNG.normal(size=(2, 3, 4, 5)).astype(np.float32))
SEEDS = (7, 8, 9)


def marked(frame: Frame) -> np.ndarray:
    return frame.x_hat > 0


@pytest.mark.parametrize("of_all", [False, True])
def test_noise_alone_has_no_outlines(of_all: bool) -> None:
    seen = Way(Shown.X_T, of_all).seen(FRAME, selected=1, seeds=SEEDS)
    np.testing.assert_allclose(seen.x_t[1], FRAME.x_t.mean(axis=0) if of_all else FRAME.x_t[1], atol=1e-6)
    assert not marked(seen).any()


def test_noise_of_all_takes_the_first_of_each_pair_and_masks_take_all() -> None:
    seen = Way(Shown.BOTH, of_all=True).seen(FRAME, selected=1, seeds=(8, 8 | ANTITHETIC, 7))
    np.testing.assert_allclose(seen.x_t[1], FRAME.x_t[[0, 2]].mean(axis=0), atol=1e-6)
    np.testing.assert_array_equal(marked(seen), marked(FRAME))
    alone = Way(Shown.X_T, of_all=True).seen(FRAME, selected=0, seeds=(8 | ANTITHETIC, 7, 7 | ANTITHETIC))
    np.testing.assert_allclose(alone.x_t[0], FRAME.x_t[[0, 1]].mean(axis=0), atol=1e-6)


def test_noise_of_all_is_still_noise_where_readings_come_in_pairs(make_result: Callable[..., Result]) -> None:
    sampled = make_result(readings=16).sampled
    assert sampled.seeds == reading_seeds(0, 16, antithetic=True)
    frame = frame_of(sampled, 0)
    assert frame.log_snr < -3  # nearly all is noise
    assert frame.x_t.mean(axis=0).std() < 0.15  # what both of each pair would leave
    seen = Way(Shown.X_T, of_all=True).seen(frame, selected=0, seeds=sampled.seeds)
    assert seen.x_t[0].std() == pytest.approx(1 / np.sqrt(8), rel=0.2)  # the mean of eight independent ones


def test_the_mask_of_all_is_the_share_of_readings_that_mark_a_pixel() -> None:
    seen = Way(Shown.MASK, of_all=True).seen(FRAME, selected=2, seeds=SEEDS)
    share = (marked(FRAME)[0].astype(int) + marked(FRAME)[1] + marked(FRAME)[2]) / 3
    np.testing.assert_allclose(seen.x_t[2], 2 * share - 1, atol=1e-6)
    np.testing.assert_array_equal(marked(seen), marked(FRAME))


@pytest.mark.parametrize("shown", [Shown.MASK, Shown.BOTH])
def test_of_the_selected_reading_nobody_elses_outline_is_shown(shown: Shown) -> None:
    seen = Way(shown).seen(FRAME, selected=1, seeds=SEEDS)
    np.testing.assert_array_equal(marked(seen)[1], marked(FRAME)[1])
    assert not marked(seen)[[0, 2]].any()
    expected = np.where(marked(FRAME)[1], 1, -1) if shown is Shown.MASK else FRAME.x_t[1]
    np.testing.assert_array_equal(seen.x_t[1], expected)
    assert (seen.step, seen.total, seen.log_snr) == (2, 5, -1.0)


def test_what_is_kept_is_not_changed_by_what_is_shown() -> None:
    before = FRAME.x_t.copy(), FRAME.x_hat.copy()
    Way(Shown.MASK, of_all=True).seen(FRAME, selected=0, seeds=SEEDS)
    np.testing.assert_array_equal(np.array(before), [FRAME.x_t, FRAME.x_hat])


@pytest.fixture
def player(qtbot: QtBot) -> Player:
    player = Player()
    qtbot.addWidget(player)
    return player


@pytest.mark.parametrize(
    ("count", "speed", "interval", "stride"),
    [
        (6, 1.0, 250, 1),
        (6, 0.25, 1000, 1),
        (6, 4.0, 62, 1),
        (100, 1.0, 30, 1),
        (100, 4.0, 30, 4),  # no faster than can be seen: steps are left out
        (100, 0.25, 120, 1),
    ],
)
def test_speed_is_kept_whatever_the_number_of_steps(
    player: Player, count: int, speed: float, interval: int, stride: int
) -> None:
    player.load(steps=range(1, count + 1), log_snr=[0.0] * count)
    player.speed_box.setCurrentIndex(player.speed_box.findData(speed))
    assert (player.interval_ms, player.stride) == (interval, stride)


def test_a_fast_player_stops_at_the_very_last_step(player: Player, qtbot: QtBot) -> None:
    seen: list[int] = []
    player.moved.connect(seen.append)
    player.load(steps=range(1, 100), log_snr=[0.0] * 99)
    player.speed_box.setCurrentText("4×")
    player.go_to(85)
    player.toggle()
    qtbot.waitUntil(lambda: not player.is_playing, timeout=10_000)
    assert seen == [85, 89, 93, 97, 98]


def test_another_choice_is_told_and_draws_the_step_anew(
    player: Player, qtbot: QtBot, make_result: Callable[..., Result]
) -> None:
    showing = Showing()
    showing.show(make_result(readings=4))
    player.way_changed.connect(showing.set_way)
    with qtbot.assertNotEmitted(showing.step_changed):  # the finished readings are the same in any way
        player.shown_box.setCurrentText("Mask")
    showing.go_to(1)
    with qtbot.waitSignal(showing.step_changed):
        player.whose_box.setCurrentText("All")
    assert showing.way == player.way == Way(Shown.MASK, of_all=True)

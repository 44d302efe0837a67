"""Films: every state is there, in the right colours and for the right time, and a film can be stopped."""

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from napari_ambiseg.errors import DataFileError, InputImageError, SettingsError
from napari_ambiseg.io import animation
from napari_ambiseg.io.animation import save_film
from napari_ambiseg.io.export import NOTICE
from napari_ambiseg.io.film_frames import Film, Shown, pictures

RNG = np.random.default_rng(0)


def film(states: int = 5, samples: int = 3, height: int = 9, width: int = 7) -> Film:
    x_t, x_hat = RNG.normal(size=(2, states, samples, height, width)).astype(np.float32)
    image = RNG.random((height, width)).astype(np.float32)
    return Film(x_t, x_hat, image, np.arange(1, states + 1), np.linspace(-9, 9, states))


needs_av = pytest.mark.skipif(find_spec("av") is None, reason="needs the extra video")


def gif(path: Path) -> tuple[list[NDArray[np.uint8]], list[int]]:
    """Frames (H, W, 3) and durations in milliseconds."""
    frames, durations = [], []
    with Image.open(path) as file:
        assert file.info["comment"].decode() == NOTICE
        assert file.info["loop"] == 0  # without end
        for number in range(getattr(file, "n_frames", 1)):
            file.seek(number)
            frames.append(np.asarray(file.convert("RGB")))
            durations.append(file.info["duration"])
    return frames, durations


def test_a_gif_holds_every_state_and_stays_on_the_last(tmp_path: Path) -> None:
    save_film(tmp_path / "x.gif", film())
    frames, durations = gif(tmp_path / "x.gif")
    assert len(frames) == 5
    assert durations == [300, 300, 300, 300, 2000]


def test_equal_states_and_single_ones_are_frames_too(tmp_path: Path) -> None:
    still = film(4)
    still = replace(still, x_t=np.repeat(still.x_t[:1], 4, axis=0))
    for shown in (still, film(1)):
        save_film(tmp_path / "x.gif", shown)
        assert len(gif(tmp_path / "x.gif")[0]) == len(shown)


def test_a_long_film_plays_no_faster_than_a_screen_can_show(tmp_path: Path) -> None:
    save_film(tmp_path / "x.gif", film(150, 1))
    _, durations = gif(tmp_path / "x.gif")
    assert durations == [40] * 149 + [2000]


def test_a_film_goes_by_faster_or_slower_if_wanted(tmp_path: Path) -> None:
    for speed, each in ((0.25, 1200), (4.0, 80), (100.0, 40)):  # 300 ms at the usual speed; a GIF counts hundredths
        save_film(tmp_path / "x.gif", film(), speed=speed)
        assert gif(tmp_path / "x.gif")[1][:-1] == [each] * 4


@needs_av
def test_an_mp4_shows_each_state_as_long_and_carries_the_notice(tmp_path: Path) -> None:
    import av

    save_film(tmp_path / "x.mp4", film(), shown=Shown.BOTH)
    with av.open(tmp_path / "x.mp4") as file:
        assert file.metadata["comment"] == NOTICE
        frames = [frame.to_ndarray(format="rgb24").astype(int) for frame in file.decode(video=0)]
        assert file.streams.video[0].average_rate == 25
        assert file.streams.video[0].codec_context.pix_fmt == "yuv420p"
    assert len(frames) == 4 * round(25 * 0.3) + 50  # four states of 0.3 s, the last for 2 s


@needs_av
def test_an_mp4_shows_the_pictures_that_were_drawn(tmp_path: Path) -> None:
    import av

    shown = film(2, 1, 16, 16)
    save_film(tmp_path / "x.mp4", shown, shown=Shown.MASK, hold_seconds=0.2)
    with av.open(tmp_path / "x.mp4") as file:
        frames = [frame.to_ndarray(format="rgb24").astype(float) for frame in file.decode(video=0)]
    drawn = [picture.rgb().astype(float) for picture in pictures(shown, Shown.MASK, notice=NOTICE)]
    for found, expected, other in ((frames[0], drawn[0], drawn[1]), (frames[-1], drawn[1], drawn[0])):
        assert np.abs(found - expected).mean() < 6 < np.abs(found - other).mean()  # colours are stored at half size


def centres(picture: NDArray[np.uint8], side: int, scale: int, *, left: int = 0) -> NDArray[np.int64]:
    stop = side * scale
    return picture[scale // 2 : stop : scale, left + scale // 2 : left + stop : scale].astype(int)


def test_a_mask_is_coloured_where_it_is_and_the_slice_stays_grey_elsewhere(tmp_path: Path) -> None:
    inside = np.zeros((8, 8), np.bool_)
    inside[2:5, 3:7] = True
    flat = np.full((8, 8), 7.0, np.float32)
    flat[0] = 9.0  # bright first row
    x_t = np.where(inside, 1, -1)[None, None].astype(np.float32)
    save_film(tmp_path / "x.gif", Film(x_t, x_t, flat, np.ones(1, np.int64), np.zeros(1)))
    seen = centres(gif(tmp_path / "x.gif")[0][0], 8, 512 // 8)
    grey = (seen == seen[..., :1]).all(axis=-1)
    np.testing.assert_array_equal(grey, ~inside)
    assert (seen[0] == 255).all()
    assert (seen[7] == 0).all()


def test_the_predicted_mask_is_where_x_hat_is_positive_beside_x_t_if_both_are_shown() -> None:
    x_hat = np.full((1, 1, 8, 8), -0.1, np.float32)
    x_hat[0, 0, 1, 2] = 0.1
    nothing = np.full_like(x_hat, -1)
    shown = Film(nothing, x_hat, np.zeros((8, 8), np.float32), np.ones(1, np.int64), np.zeros(1))
    mask, both = (next(pictures(shown, kind, notice="")).strength for kind in (Shown.MASK, Shown.BOTH))
    scale = 512 // 8
    np.testing.assert_array_equal(centres(mask, 8, scale), x_hat[0, 0] > 0)
    np.testing.assert_array_equal(centres(both, 8, scale), np.zeros((8, 8)))
    np.testing.assert_array_equal(centres(both, 8, scale, left=8 * scale + 2), x_hat[0, 0] > 0)


def test_every_sample_has_its_own_tile() -> None:
    x_t = np.full((1, 5, 4, 4), -1, np.float32)
    x_t[0, 3] = 1  # the fourth of five: second row, first column of three
    shown = Film(x_t, x_t, np.zeros((4, 4), np.float32), np.ones(1, np.int64), np.zeros(1))
    coloured = np.argwhere(next(pictures(shown, Shown.X_T, notice="")).strength)
    side = 512 // 12 * 4
    assert coloured.min(axis=0).tolist() == [side + 2, 0]
    assert coloured.max(axis=0).tolist() == [2 * side + 1, side - 1]


def test_step_and_log_snr_are_written_into_each_picture() -> None:
    def below(log_snr: float, step: int) -> NDArray[np.float32]:
        shown = Film(
            *np.zeros((2, 1, 1, 8, 8), np.float32), np.zeros((8, 8), np.float32), np.array([step]), np.array([log_snr])
        )
        return next(pictures(shown, Shown.X_T, notice=NOTICE)).grey[514:]

    assert below(1.0, 1).any()
    assert (below(1.0, 1) != below(2.0, 1)).any()
    assert (below(1.0, 1) != below(1.0, 2)).any()
    np.testing.assert_array_equal(below(1.0, 1), below(1.0, 1))


@pytest.mark.parametrize("kind", Shown)
def test_sides_are_even_as_films_want_them(kind: Shown) -> None:
    for samples, height, width in ((1, 9, 7), (5, 4, 4), (16, 33, 65)):
        shape = next(pictures(film(1, samples, height, width), kind, notice=NOTICE)).rgb().shape
        assert shape[0] % 2 == shape[1] % 2 == 0


@pytest.mark.parametrize("image", [np.zeros((9, 7)), np.full((9, 7), np.nan)])
def test_a_flat_image_and_holes_can_be_animated(tmp_path: Path, image: NDArray[np.float64]) -> None:
    holed = film()
    holed.x_t[0, 0, 0] = np.nan
    save_film(tmp_path / "x.gif", replace(holed, image=image.astype(np.float32)))
    assert len(gif(tmp_path / "x.gif")[0]) == 5


@pytest.mark.parametrize(
    "wrong",
    [{"x_t": film().x_t[:0]}, {"x_t": film().x_t[..., :3]}, {"steps": np.arange(4)}, {"image": np.zeros((7, 9))}],
)
def test_what_is_no_film_is_refused(wrong: dict[str, NDArray[np.float32]]) -> None:
    with pytest.raises(InputImageError, match="cannot animate states"):
        replace(film(), **wrong)


@pytest.mark.parametrize("suffix", ["gif", pytest.param("mp4", marks=needs_av)])
def test_progress_is_told_and_stops_the_film_if_it_raises(tmp_path: Path, suffix: str) -> None:
    heard = []
    save_film(tmp_path / f"x.{suffix}", film(), progress=lambda done, total: heard.append((done, total)))
    assert heard == [(i, 5) for i in range(1, 6)]

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        save_film(tmp_path / f"y.{suffix}", film(), progress=stop)
    assert [path.name for path in tmp_path.iterdir()] == [f"x.{suffix}"]


def test_another_suffix_and_a_missing_library_are_told_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SettingsError, match=r"ends with \.gif or \.mp4"):
        save_film(tmp_path / "x.avi", film())
    monkeypatch.setattr(animation, "find_spec", lambda _: None)
    with pytest.raises(SettingsError, match=r'pip install "napari-ambiseg\[video\]"'):
        save_film(tmp_path / "x.mp4", film())


def test_what_cannot_be_written_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataFileError, match="cannot write"):
        save_film(tmp_path / "file" / "x.gif", film())

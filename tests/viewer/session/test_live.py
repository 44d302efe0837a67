import numpy as np

from napari_ambiseg.engine import Advance
from napari_ambiseg.viewer.session.live import LivePicture, Progress


def advance(first: int, stop: int, step: int, value: float) -> Advance:
    masks = np.full((stop - first, 2, 2), value, np.float32)
    return Advance(range(first, stop), step, 3, float(step), masks, masks)


def shown(picture: LivePicture) -> list[bool]:
    return (picture.frame.x_hat > 0).any(axis=(1, 2)).tolist()


def test_readings_are_shown_when_they_are_there_and_one_of_those_under_way() -> None:
    picture = LivePicture(4, (2, 2))
    assert shown(picture) == [False] * 4
    picture.add(advance(1, 3, 1, 0.5))
    assert shown(picture) == [False, True, False, False]
    picture.add(advance(1, 3, 3, 0.5))
    assert shown(picture) == [False, True, True, False]
    picture.add(advance(3, 4, 2, 0.5))
    assert shown(picture) == [False, True, True, True]


def test_progress_counts_steps_and_finished_readings() -> None:
    picture = LivePicture(4, (2, 2))
    assert picture.progress == Progress(done=0, total=0, finished=0, count=4)
    picture.add(advance(0, 1, 3, 1.0))
    picture.add(advance(1, 3, 2, 1.0))
    assert picture.progress == Progress(done=7, total=12, finished=1, count=4)


def test_readings_that_begin_again_after_a_failure_take_progress_back() -> None:
    picture = LivePicture(2, (2, 2))
    picture.add(advance(0, 2, 2, 1.0))
    picture.add(advance(0, 1, 1, -1.0))
    assert picture.progress.done == 3


def test_the_reading_that_is_watched_is_the_first_one_under_way() -> None:
    picture = LivePicture(4, (2, 2))
    assert picture.watched == 0
    picture.add(advance(0, 1, 3, 1.0))
    picture.add(advance(2, 4, 1, 1.0))
    assert picture.watched == 2

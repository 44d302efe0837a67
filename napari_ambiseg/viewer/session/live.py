"""A run as far as it has come: the picture that is drawn while readings are still computed."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.engine import Advance, Frame


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come.

    Attributes:
        done: Steps that are done, of all readings together.
        total: Steps of all readings.
        finished: Readings that are there.
        count: Readings that were asked for.
    """

    done: int
    total: int
    finished: int
    count: int


class LivePicture:
    """What is known of all readings.

    Args:
        count: Readings that were asked for.
        grid_shape: (h, w) of the model's grid.
    """

    def __init__(self, count: int, grid_shape: tuple[int, int]) -> None:
        self._steps: NDArray[np.int64] = np.zeros(count, np.int64)
        self._total = 0
        self._x_t = np.zeros((count, *grid_shape), np.float32)
        self._x_hat = np.full((count, *grid_shape), -1.0, np.float32)  # a reading that has not begun shows nothing
        self._log_snr = math.nan

    def add(self, advance: Advance) -> None:
        """Take in a step."""
        chosen = slice(advance.readings.start, advance.readings.stop)
        self._total, self._log_snr = advance.total, advance.log_snr
        self._steps[chosen] = advance.step
        self._x_t[chosen], self._x_hat[chosen] = advance.x_t, advance.x_hat

    @property
    def progress(self) -> Progress:
        """How far the run has come."""
        count = len(self._steps)
        finished = int((self._steps == self._total).sum()) if self._total else 0
        return Progress(int(self._steps.sum()), self._total * count, finished, count)

    @property
    def watched(self) -> int:
        """The reading whose noise is worth watching: the first one that is under way, or the first of all."""
        under_way = (self._steps > 0) & (self._steps < self._total)
        return int(under_way.argmax())

    @property
    def frame(self) -> Frame:
        """What is worth seeing now: readings that are there, and the one that is watched.

        Of the others, the first steps are noise: its outlines would hide those that mean something, and take long to
        trace. The noise is that of the next step as soon as it is done.
        """
        progress = self.progress
        is_shown = self._steps == self._total
        is_shown[self.watched] = True
        x_hat = np.where(is_shown[:, None, None], self._x_hat, np.float32(-1))
        return Frame(progress.done, progress.total, self._log_snr, self._x_t, x_hat)

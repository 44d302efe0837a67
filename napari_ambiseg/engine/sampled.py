"""What a run tells while it goes on, and what it has drawn in the end.

Every step of every reading is kept for the player, as long as that takes no more memory than a bound: of a long run of
many readings only every n-th step is kept, counted from the end.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.engine.grey import GreyScale
from napari_ambiseg.engine.placement import Placement
from napari_ambiseg.engine.plan import Chunk
from napari_ambiseg.models.segmenter import SamplingOptions

KEPT_FRAMES = 100
KEPT_BYTES = 128 * 2**20


@dataclass(frozen=True, slots=True)
class Advance:
    """Some readings have done a step, on the model's grid.

    Attributes:
        readings: Their numbers; s of them.
        step: Steps that they have done, 1 to ``total``; ``step == total`` is the end of these readings.
        total: Steps of every reading.
        log_snr: Log SNR that their ``x_t`` now has.
        x_t: The noisy masks (s, h, w), float32.
        x_hat: The masks that the model would answer now (s, h, w), float32 in [-1, 1].
    """

    readings: Chunk
    step: int
    total: int
    log_snr: float
    x_t: NDArray[np.float32]
    x_hat: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Frame:
    """All readings at one moment, on the model's grid.

    Attributes:
        step: Steps done.
        total: Steps of the run.
        log_snr: Log SNR that ``x_t`` has.
        x_t: The noisy masks (S, h, w), float32.
        x_hat: The masks that the model would answer (S, h, w), float32 in [-1, 1].
    """

    step: int
    total: int
    log_snr: float
    x_t: NDArray[np.float32]
    x_hat: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Sampled:
    """What a run has drawn, and from what.

    Attributes:
        model_name: Name in the model's header.
        seeds: Seed of each reading (S).
        options: Steps and sampler.
        placement: Where the model's grid lies on the slice.
        grey: The grey scale that was used, never AUTO.
        steps: Step of each frame kept (T,): all, or evenly spaced ones that end with the last.
        x_t: The noisy masks (T, S, h, w).
        x_hat: The estimates (T, S, h, w); the last are the samples.
        log_snr: Log SNR of each frame kept (T,).
        readings: Masks on the slice (S, H, W), before any post-processing.
        seconds: Wall time from the call to the last reading.
        first_seconds: Wall time from the call to the first finished reading.
        engine: What computed the last of them, e.g. "torch".
        device: Where, e.g. "cpu".
        chunk: How many readings at most were drawn together; 0 if that is not known.
        notes: Sentences on everything that went another way than asked.
        smallest_px: Pixels of the grid that a reading had at least; smaller ones are empty (``specks``).
    """

    model_name: str
    seeds: tuple[int, ...]
    options: SamplingOptions
    placement: Placement
    grey: GreyScale
    steps: NDArray[np.int64]
    x_t: NDArray[np.float32]
    x_hat: NDArray[np.float32]
    log_snr: NDArray[np.float64]
    readings: NDArray[np.bool_]
    seconds: float
    first_seconds: float
    engine: str
    device: str
    chunk: int = 0
    notes: tuple[str, ...] = ()
    smallest_px: int = 0

    @property
    def in_one_step(self) -> bool:
        """Whether the model answers in one step, however many are set: what goes no way has no noise."""
        return not np.isfinite(self.log_snr).all()


def join(first: Sampled, more: Sampled) -> Sampled:
    """The readings of two runs of one request as one run's: those of ``first``, then those of ``more``.

    Steps are kept where both runs have kept them; the last one always is.
    """
    steps = np.intersect1d(first.steps, more.steps)
    ours, theirs = np.isin(first.steps, steps), np.isin(more.steps, steps)
    return replace(
        more,
        seeds=first.seeds + more.seeds,
        steps=steps,
        x_t=np.concatenate([first.x_t[ours], more.x_t[theirs]], axis=1),
        x_hat=np.concatenate([first.x_hat[ours], more.x_hat[theirs]], axis=1),
        log_snr=first.log_snr[ours],
        readings=np.concatenate([first.readings, more.readings]),
        seconds=first.seconds + more.seconds,
        first_seconds=first.first_seconds,
        notes=first.notes + tuple(note for note in more.notes if note not in first.notes),
        smallest_px=min(first.smallest_px, more.smallest_px),
    )


class Record:
    """Gathers the steps of a run, in whatever order they are done.

    Args:
        placement: Where the model's grid lies on the slice.
        count: Number of readings S.
    """

    def __init__(self, placement: Placement, count: int) -> None:
        self._placement = placement
        self._count = count
        self._every = 0
        self.steps = np.zeros(0, np.int64)
        self.readings = np.zeros((count, *placement.slice_shape), np.bool_)

    def add(self, advance: Advance) -> None:
        """Keep a step."""
        if not self._every:
            self._allot(advance.total)
        chosen = slice(advance.readings.start, advance.readings.stop)
        if (advance.total - advance.step) % self._every == 0:
            kept = int(np.searchsorted(self.steps, advance.step))
            self.x_t[kept, chosen] = advance.x_t
            self.x_hat[kept, chosen] = advance.x_hat
            self.log_snr[kept] = advance.log_snr
        if advance.step == advance.total:
            self.readings[chosen] = self._placement.readings(advance.x_hat)

    def _allot(self, total: int) -> None:
        """Room for the steps that are kept, now that it is known how many there will be."""
        height, width = self._placement.grid_shape
        frame_bytes = 2 * 4 * self._count * height * width
        most = min(KEPT_FRAMES, max(1, KEPT_BYTES // frame_bytes))
        self._every = -(-total // most)
        self.steps = np.arange(total, 0, -self._every)[::-1].copy()
        shape = (len(self.steps), self._count, height, width)
        self.x_t, self.x_hat = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        self.log_snr = np.zeros(len(self.steps), np.float64)

"""How long a run will take, judged by those before it.

A run of S readings asks the network W times for one reading: W = S T in T steps, and twice that with guidance, whose
every step asks again without the image. It takes about p W, with the pace p in seconds. p depends on the model, the
engine and the device, so each run measures it for these three. A run is never quite like the one before, and the first
has more to do: p is the mean of what was known and what is measured now.

Models that answer in one step have W = S, however many steps are set. Some of them look at the image once for all
readings, others once for each: a run takes a + b S, and how much of it is a only runs of several S can tell. Both are
fitted to the runs by least squares, with the weights that such means have: 1/2 for the last run, 1/4 for the one before
it, and so on. Neither may be negative, so that whatever the noise says, a run of more readings takes at least as long,
and at most as many times as long as it has readings. Until runs of two S are known, the latter is said.
"""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from napari_ambiseg.models.segmenter import SamplingOptions
from napari_ambiseg.viewer.session.remembered import read_record, write_record
from napari_ambiseg.viewer.session.result import Result
from napari_ambiseg.viewer.session.settings import Settings

_FILE = "pace.json"
_RUNS = 8  # that are remembered of each


@dataclass(frozen=True, slots=True)
class Pace:
    """What the last runs have told.

    Attributes:
        work: How many times each has asked the network for one reading (N,), the newest last.
        seconds: What each has taken (N,).
        in_one_step: Whether the model answers in one step, however many are set.
    """

    work: tuple[int, ...]
    seconds: tuple[float, ...]
    in_one_step: bool = False

    def __post_init__(self) -> None:
        if len(self.work) != len(self.seconds) or not self.work:
            raise ValueError(
                f"{len(self.work)} runs have taken {len(self.seconds)} times; expected one each, and a run"
            )
        if not all(math.isfinite(seconds) and seconds >= 0 for seconds in self.seconds):
            raise ValueError(f"runs have taken {self.seconds} s; a time is 0 or more")
        if min(self.work) < 1:
            raise ValueError(f"a run has asked {min(self.work)} times; it asks at least once")

    def and_then(self, work: int, seconds: float) -> "Pace":
        """With one run more."""
        return replace(self, work=(*self.work, work)[-_RUNS:], seconds=(*self.seconds, seconds)[-_RUNS:])

    def expected_s(self, work: int) -> float:
        """Seconds that a run will take."""
        x, y = np.array(self.work, np.float64), np.array(self.seconds)
        weight = 0.5 ** np.arange(len(x), 0, -1)
        weight[0] *= 2  # so that they sum to 1
        paces = y / x
        if not self.in_one_step:
            return float(work * (weight @ paces))
        mean_x, mean_y = weight @ x, weight @ y
        spread = weight @ (x - mean_x) ** 2
        if spread == 0:
            return float(work * mean_y / mean_x)
        each = max(0.0, float(weight @ ((x - mean_x) * (y - mean_y)) / spread))
        once = float(mean_y - each * mean_x)
        return once + each * work if once >= 0 else float(work * (weight @ (x * y)) / (weight @ x**2))


class Paces:
    """The paces of this machine, kept in a file.

    Args:
        path: The file; one that is missing or damaged is taken as empty.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, Pace] = read_record(path, dict[str, Pace]) or {}

    def expected_s(self, settings: Settings, *, slices: int = 1) -> float | None:
        """Seconds that a run will take; None if one of its models has not run yet with this engine and device."""
        total = 0.0
        for model in settings.models:
            pace = self._known.get(_key(model, settings))
            if pace is None:
                return None
            work = _work(settings.readings, settings.options, in_one_step=pace.in_one_step)
            total += slices * pace.expected_s(work)
        return total

    def learn(self, result: Result) -> None:
        """Take in a run that has just ended, and keep it for the next session."""
        request, sampled = result.request, result.sampled
        seconds = max(0.0, sampled.seconds - (0.0 if request.before is None else request.before.seconds))
        work = _work(request.count, request.settings.options, in_one_step=sampled.in_one_step)
        key = _key(request.settings.model, request.settings)
        known = self._known.get(key)
        if known is None or known.in_one_step != sampled.in_one_step:  # it may be another file of the same name
            self._known[key] = Pace((work,), (seconds,), sampled.in_one_step)
        else:
            self._known[key] = known.and_then(work, seconds)
        write_record(self._path, self._known, dict[str, Pace])


def pace_path(settings: Path) -> Path:
    """Where paces are kept: beside the settings."""
    return settings.with_name(_FILE)


def told(seconds: float | None) -> str:
    """A time as one says it: "about 4 s"; "" if it is not known."""
    if seconds is None:
        return ""
    if seconds < 1:
        return "under 1 s"
    if seconds < 10:
        return f"about {seconds:.0f} s"
    if seconds < 58:
        return f"about {5 * round(seconds / 5)} s"
    if seconds < 5400:
        return f"about {max(1, round(seconds / 60))} min"
    return f"about {round(seconds / 3600)} h"


def _work(readings: int, options: SamplingOptions, *, in_one_step: bool) -> int:
    """How many times a run asks the network for one reading."""
    return readings if in_one_step else readings * options.steps * (2 if options.guidance else 1)


def _key(model: str, settings: Settings) -> str:
    return f"{model} on {settings.engine}, {settings.device}"

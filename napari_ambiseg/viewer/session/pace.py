"""How long a run will take, judged by those before it.

S readings in T steps ask the network S T times: a run takes about S T p, with the pace p in seconds for a step of one
reading. p depends on the model, the engine and the device, so each run measures it for these three. A run is never
quite like the one before, and the first has more to do: p is the mean of what was known and what is measured now.

Models that answer in one step take one, however many are set.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from napari_ambiseg.files import write_atomically
from napari_ambiseg.viewer.session.result import Result
from napari_ambiseg.viewer.session.settings import Settings

_FILE = "pace.json"


@dataclass(frozen=True, slots=True)
class Pace:
    """What runs have told.

    Attributes:
        seconds: For a step of one reading.
        steps: Steps that the model takes, however many are set; None if it takes as many as are set.
    """

    seconds: float
    steps: int | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.seconds) and self.seconds >= 0):
            raise ValueError(f"a step takes {self.seconds} s; a time is 0 or more")
        if self.steps is not None and self.steps < 1:
            raise ValueError(f"a model takes {self.steps} steps; there is at least 1")


class Paces:
    """The paces of this machine, kept in a file.

    Args:
        path: The file; one that is missing or damaged is taken as empty.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, Pace] = _remembered(path)

    def expected_s(self, settings: Settings, *, slices: int = 1) -> float | None:
        """Seconds that a run will take; None if one of its models has not run yet with this engine and device."""
        total = 0.0
        for model in settings.models:
            pace = self._known.get(_key(model, settings))
            if pace is None:
                return None
            total += slices * settings.readings * (pace.steps or settings.options.steps) * pace.seconds
        return total

    def learn(self, result: Result) -> None:
        """Take in a run that has just ended, and keep it for the next session."""
        request, sampled = result.request, result.sampled
        seconds = sampled.seconds - (0.0 if request.before is None else request.before.seconds)
        steps = int(sampled.steps[-1])
        measured = max(0.0, seconds) / (request.count * steps)
        key = _key(request.settings.model, request.settings)
        known = self._known.get(key)
        mean = measured if known is None else (known.seconds + measured) / 2
        self._known[key] = Pace(mean, None if steps == request.settings.options.steps else steps)
        _remember(self._known, self._path)


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


def _key(model: str, settings: Settings) -> str:
    return f"{model} on {settings.engine}, {settings.device}"


def _remembered(path: Path) -> dict[str, Pace]:
    try:
        return TypeAdapter(dict[str, Pace]).validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return {}


def _remember(known: Mapping[str, Pace], path: Path) -> None:
    """A folder that cannot be written must not disturb the user."""
    try:
        write_atomically(path, json.dumps({key: asdict(pace) for key, pace in known.items()}, indent=1).encode())
    except OSError:
        return

"""What the user sets: one frozen record, checked when it is made, remembered between sessions as JSON.

The file is the user's own: if it is missing, damaged or of another version, the defaults are used and nothing is said.
"""

import math
from dataclasses import dataclass, field
from pathlib import Path

from platformdirs import user_config_path

from napari_ambiseg.engine import DEFAULT_MODEL, ENGINES, SamplingOptions, reading_seeds
from napari_ambiseg.errors import SettingsError
from napari_ambiseg.viewer.session.remembered import read_record, write_record

MOST_READINGS = 100


@dataclass(frozen=True, slots=True)
class Settings:
    """One set of choices.

    Attributes:
        model: Name of a bundled model, or path of a model file.
        readings: How many to draw, 1 to 100.
        options: Steps and sampler.
        seed: The same seed gives the same readings.
        threshold: Readings smaller than this fraction of the largest one are taken as empty, 0 to 1.
        device: Where: "auto", "cpu", "cuda", ...
        engine: What computes, one of ``engine.ENGINES``.
        chunk: Readings that are drawn together at most; 0 leaves it to the engine. No reading depends on it.
        also: Other models that read the same, for comparison.
        region_mm: Height of the field of view; None is the model's own.
        keep_seed: Whether the next run has the same seed.
        reach_mm: How far from the slice that is shown others are read with it, where that is asked.
        antithetic: Whether readings come in pairs of opposite noise, see ``napari_ambiseg.seeds``.
    """

    model: str = DEFAULT_MODEL
    readings: int = 16
    options: SamplingOptions = field(default_factory=SamplingOptions)
    seed: int = 0
    threshold: float = 0.1
    device: str = "auto"
    engine: str = "auto"
    chunk: int = 0
    also: tuple[str, ...] = ()
    region_mm: float | None = None
    keep_seed: bool = True
    reach_mm: float = 5.0
    antithetic: bool = True

    def __post_init__(self) -> None:
        if not self.model:
            raise SettingsError("no model is chosen; choose a bundled model or open a model file")
        if not 1 <= self.readings <= MOST_READINGS:
            raise SettingsError(f"{self.readings} readings were asked for; give a number from 1 to {MOST_READINGS}")
        if self.seed < 0:
            raise SettingsError(f"the seed is {self.seed}; give 0 or a positive whole number")
        if self.engine not in ENGINES:
            raise SettingsError(f"unknown engine {self.engine!r}; choose one of {', '.join(ENGINES)}")
        if self.chunk < 0:
            raise SettingsError(f"{self.chunk} readings at a time were asked for; give 0 (automatic) or more")
        if not 0.0 <= self.threshold <= 1.0:
            raise SettingsError(f"the relative-area threshold is {self.threshold}; give a number from 0 to 1")
        if len(set(self.models)) < len(self.models):
            raise SettingsError(f"a model is named twice among {', '.join(self.models)}; name each once")
        if self.region_mm is not None and not (math.isfinite(self.region_mm) and self.region_mm > 0):
            raise SettingsError(f"the region is {self.region_mm} mm; give a positive size, or leave it to the model")
        if not (math.isfinite(self.reach_mm) and self.reach_mm >= 0):
            raise SettingsError(f"slices within {self.reach_mm} mm were asked for; give 0 or more")

    @property
    def models(self) -> tuple[str, ...]:
        """All models that are asked, the chosen one first."""
        return (self.model, *self.also)

    @property
    def seeds(self) -> tuple[int, ...]:
        """One seed per reading; four readings are the first four of sixteen."""
        return reading_seeds(self.seed, self.readings, antithetic=self.antithetic)


def settings_path() -> Path:
    """Where the user's settings are kept."""
    return user_config_path("napari-ambiseg") / "viewer.json"


def remembered_settings(path: Path) -> Settings:
    """The settings in ``path``, or the defaults."""
    return read_record(path, Settings) or Settings()


def remember_settings(settings: Settings, path: Path) -> None:
    """Keep ``settings`` for the next session."""
    write_record(path, settings, Settings)

"""What exactly is evaluated: everything that a figure depends on, in one record that is written beside the figures.

Two figures may be compared when their protocols differ only in the model and its smallest lesion. An evaluation that
was interrupted goes on only under the same protocol.
"""

import hashlib
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np

from napari_ambiseg.errors import SettingsError
from napari_ambiseg.models.segmenter import SamplingOptions
from trainer.data.holdout import Holdout

Crop = Literal["whole", "central", "uniform"]
CROPS: tuple[Crop, ...] = get_args(Crop)


@dataclass(frozen=True, slots=True)
class DataDescription:
    """The slices that are read from one source.

    Attributes:
        name: The file's name, or "phantom".
        split: Group in the file.
        slices: Number of slices that the split has.
        sha256: Of the images and masks of the split.
        readers: Expert slots that it has; not all of them need be filled on every slice.
    """

    name: str
    split: str
    slices: int
    sha256: str
    readers: int


@dataclass(frozen=True, slots=True)
class Protocol:
    """One evaluation.

    Attributes:
        model: What the model calls itself.
        model_sha256: Of the model file.
        data: Where the slices come from.
        limit: Number of slices taken of all the sources together; None takes all.
        readings: Numbers N of readings that are judged, ascending.
        steps: Denoiser calls per reading.
        sampler: Name of the sampler.
        eta: Stochasticity of DDIM and DPM-Solver++(2M).
        threshold: The relative area r of the post-processing ("pp").
        seed: Of the readings, of the subset and of the intervals.
        version: Of napari-ambiseg.
        guidance: Weight of classifier-free guidance; 0 is off.
        crop: The part of a slice that is read and judged: all of it ("whole"), its middle ("central"), or a square
            that the seed puts anywhere ("uniform").
        crop_px: Side of the crop, in the data's pixels; None with "whole".
        last_time: When the last estimate is made; None is what the sampler usually does.
        holdout: Takes only the patients that the model's training kept out of these data; None takes all.
        antithetic: Readings come in pairs of opposite noise (``engine.reading_seeds``), whose figures are no figures of
            independent readings.
        smallest_px: Pixels of the model's grid that a reading has at least, smaller ones are empty; 0 keeps all.
    """

    model: str
    model_sha256: str
    data: tuple[DataDescription, ...]
    limit: int | None
    readings: tuple[int, ...]
    steps: int
    sampler: str
    eta: float
    threshold: float
    seed: int
    version: str
    guidance: float = 0.0
    crop: Crop = "whole"
    crop_px: int | None = None
    last_time: float | None = None
    holdout: Holdout | None = None
    antithetic: bool = False
    smallest_px: int = 0

    def __post_init__(self) -> None:
        if not self.readings or min(self.readings) < 1:
            raise SettingsError(f"the numbers of readings are {list(self.readings)}; give positive numbers, e.g. 4 16")
        if list(self.readings) != sorted(set(self.readings)):
            raise SettingsError(
                f"the numbers of readings are {list(self.readings)}; give each once, in ascending order"
            )
        if not 0.0 <= self.threshold <= 1.0:
            raise SettingsError(f"the relative-area threshold is {self.threshold}; give a number from 0 to 1")
        if self.limit is not None and self.limit < 1:
            raise SettingsError(f"limit is {self.limit}; give at least 1, or leave it out to take every slice")
        if (self.crop == "whole") != (self.crop_px is None):
            raise SettingsError(f"the crop is {self.crop!r}, its side {self.crop_px}; a crop needs a side, whole none")

    @property
    def area(self) -> str:
        """The part of a slice that is judged, in words."""
        return "whole slice" if self.crop_px is None else f"{self.crop} crop, {self.crop_px} x {self.crop_px} pixels"

    @property
    def drawing(self) -> str:
        """How readings relate to each other, in a word."""
        return "antithetic" if self.antithetic else "independent"

    @property
    def specks(self) -> str:
        """What becomes of small readings, to be added to a list; "" if nothing does."""
        return f", readings below {self.smallest_px} pixels empty" if self.smallest_px else ""

    @property
    def last_estimate(self) -> float:
        """The time of the estimate that is the reading, 0 to 1."""
        return SamplingOptions(steps=self.steps, sampler=self.sampler, last_time=self.last_time).last_estimate

    @property
    def readers(self) -> int:
        """The most expert slots that any source has."""
        return max(part.readers for part in self.data)

    def as_json(self) -> dict[str, Any]:
        """The record as JSON has it (lists for tuples), the area in words too."""
        lists = {"data": [asdict(part) for part in self.data], "readings": list(self.readings)}
        return {**asdict(self), **lists, "area": self.area}


def evenly_spaced(total: int, limit: int | None, *, seed: int) -> list[int]:
    """A subset of ``limit`` of ``total`` slices, evenly spaced from a seeded start.

    Data files keep the slices of a patient together, so that even spacing takes nearly as many from each as it has. The
    start is drawn once, ``o`` uniform in 0 .. total - 1, and slice i of the subset is ``floor((i total + o) / limit)``:
    indices that ascend, never repeat, and whose gaps differ by at most one. Integers throughout: no rounding.

    Args:
        total: Number of slices.
        limit: Size of the subset; None, or more than there are, takes all.
        seed: Of the start.

    Returns:
        Indices, ascending.
    """
    if limit is None or limit >= total:
        return list(range(total))
    start = int(np.random.default_rng(seed).integers(total))
    return [(i * total + start) // limit for i in range(limit)]


def slice_seed(slice_id: str, *, seed: int) -> int:
    """The seed that a slice is read with, in 0 .. 2^31 - 1: a hash of (seed, slice) alone.

    The engine derives the seeds of the readings from it, so that 4 readings are the first 4 of 16, whatever else is
    evaluated; given to the viewer or to ``sample`` it draws the same readings again.
    """
    return int.from_bytes(hashlib.sha256(f"{seed}|{slice_id}".encode()).digest()[:4], "big") >> 1

"""How a run judges itself: the model of the moment reads held-out slices, as an evaluation would.

The slices, their crops and the seeds of the readings are the same at every judgement, so that two judgements differ in
the weights alone. Nothing is drawn from a global generator: a run that judges itself trains as one that does not.
"""

import threading
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from napari_ambiseg.engine import SamplingOptions, reading_seeds
from napari_ambiseg.errors import SettingsError
from napari_ambiseg.models.segmenter import Segmenter
from napari_ambiseg.readings.agreement import compare
from napari_ambiseg.readings.collection import SliceCollection
from napari_ambiseg.readings.slice import MultiReaderSlice
from trainer.config import FitConfig
from trainer.data.crops import central_crop, evaluation_crop
from trainer.evaluation.protocol import evenly_spaced, slice_seed
from trainer.group import Group
from trainer.loop import Run, evaluating

PICTURED = 4
"""Slices whose readings are shown."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A slice and what was drawn for it, in the model's grid.

    Attributes:
        image: Normalised grey values (h, w).
        experts: Masks (R, h, w).
        readings: Masks (S, h, w).
    """

    image: NDArray[np.float32]
    experts: NDArray[np.bool_]
    readings: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Judgement:
    """Means over the slices.

    Attributes:
        ged: Generalised energy distance as published.
        dice: Mean Dice of all pairs of reading and expert.
        empty: Fraction of readings that are empty.
        shown: A few of the slices.
    """

    ged: float
    dice: float
    empty: float
    shown: tuple[Shown, ...]

    def figures(self) -> dict[str, float]:
        """What the log says of it."""
        return {"validation_ged": self.ged, "validation_dice": self.dice, "validation_empty": self.empty}


@dataclass(frozen=True, slots=True)
class _Judged:
    """One slice: its number and figures (ged, dice, empty), and what to show of it."""

    number: int
    figures: tuple[float, float, float]
    shown: Shown | None


class Validator:
    """Judges a run on slices that it does not train on.

    Args:
        held_out: These slices.
        config: The run; ``config.validation`` says how many slices and readings, and how to sample.

    Raises:
        SettingsError: If no patient is held out, or the sampler is unknown.
    """

    def __init__(self, held_out: SliceCollection, config: FitConfig) -> None:
        if len(held_out) == 0:
            raise SettingsError(
                f"validation.every is {config.validation.every}, but a holdout of {config.holdout} keeps no patient of "
                "this data out of training; give a larger holdout, or validation.every=0"
            )
        chosen = config.validation
        self._options = SamplingOptions(steps=chosen.steps, sampler=chosen.sampler)
        self._config = config
        self._slices = [
            _crop(held_out[i], held_out.names[i], config) for i in evenly_spaced(len(held_out), chosen.slices, seed=0)
        ]
        self._seeds = [reading_seeds(slice_seed(name, seed=config.seed), chosen.readings) for name, _ in self._slices]
        self._pictured = set(evenly_spaced(len(self._slices), PICTURED, seed=0))

    def due(self, step: int) -> bool:
        """Whether the run judges itself after ``step`` steps."""
        every = self._config.validation.every
        return step > 0 and (step % every == 0 or step == self._config.steps)

    def judge(self, run: Run, group: Group, stop: threading.Event) -> Judgement | None:
        """Judge the averaged weights; each process of the group reads a part of the slices.

        Returns:
            The judgement, the same in all processes; None if one of them was asked to stop meanwhile.
        """
        mine: list[_Judged] = []
        with evaluating(run.averaged) as objective:
            assert isinstance(objective.model, Segmenter)
            for number in range(group.index, len(self._slices), group.count):
                if stop.is_set():
                    break
                mine.append(self._judge_slice(objective.model, number, run.device))
        if group.agree(stop.is_set()):
            return None
        # In the order of the slices, whoever read them: sums of floating point numbers depend on it.
        judged = sorted((one for part in group.gather(mine) for one in part), key=lambda one: one.number)
        ged, dice, empty = np.mean([one.figures for one in judged], axis=0).tolist()
        return Judgement(ged, dice, empty, tuple(one.shown for one in judged if one.shown))

    def _judge_slice(self, model: Segmenter, number: int, device: torch.device) -> _Judged:
        one = self._slices[number][1]
        image = torch.from_numpy(one.image).to(device)
        *_, last = model.sample(image, seeds=self._seeds[number], options=self._options)
        readings = (last.x_hat[:, 0] > 0).cpu().numpy()  # every speck: what is too small is chosen when the run is done
        found = compare(samples=readings, experts=one.readings)
        empty = float(np.mean(found.sample_areas == 0))
        shown = Shown(one.image[0], one.readings, readings) if number in self._pictured else None
        return _Judged(number, (found.ged, found.mean_dice, empty), shown)


def _crop(one: MultiReaderSlice, name: str, config: FitConfig) -> tuple[str, MultiReaderSlice]:
    if config.crop == "uniform":
        return name, evaluation_crop(one, config.grid_px, slice_id=name, seed=config.seed)
    return name, central_crop(one, config.grid_px)

"""What a model loses when its weights are stored in 16 bits, measured by reading slices with both.

A float16 keeps 11 bits of a number's 24 and ends at 65504. Whether that matters depends on the model, so it is tried:
the same slices are read with the same seeds by the model as it is and by the model with rounded weights, and the
readings are compared pixel by pixel.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from napari_ambiseg import engine
from napari_ambiseg.models.checkpoint import Model
from napari_ambiseg.readings.slice import MultiReaderSlice

READINGS = 8
TOLERANCE = 1e-3
"""Largest share of the foreground that may change; more is called a loss."""


@dataclass(frozen=True, slots=True)
class HalfLoss:
    """What was found.

    Attributes:
        slices: Number of slices that were read.
        readings: Number of readings of each.
        largest_difference: Largest absolute difference of x_hat, which lies in [-1, 1]; infinite if the rounded model
            does not answer with numbers.
        changed: Pixels that are foreground to one model only, as a share of those that are to either; 0 to 1.
    """

    slices: int
    readings: int
    largest_difference: float
    changed: float

    @property
    def is_none(self) -> bool:
        """Whether 16 bits lose nothing measurable."""
        return self.changed <= TOLERANCE

    def __str__(self) -> str:
        """One sentence."""
        return (
            f"in 16 bits {self.changed:.3%} of the foreground changes and x_hat by at most "
            f"{self.largest_difference:.2g} ({self.slices} slices, {self.readings} readings each, the same seeds)"
        )


def rounded(model: Model) -> Model:
    """The model with the weights that a file of 16 bits gives back."""
    segmenter = copy.deepcopy(model.segmenter)
    assert isinstance(segmenter, nn.Module)  # every registered kind is one
    weights = segmenter.state_dict()
    segmenter.load_state_dict({k: v.half().float() if v.is_floating_point() else v for k, v in weights.items()})
    return Model(segmenter=segmenter, header=model.header)


def measure_half(model: Model, slices: Sequence[MultiReaderSlice]) -> HalfLoss:
    """Read ``slices`` with the model and with its rounded weights.

    Raises:
        AmbisegError: If the model itself cannot read them.
    """
    short = rounded(model)
    assert isinstance(short.segmenter, nn.Module)
    if not all(torch.isfinite(value).all() for value in short.segmenter.state_dict().values()):
        return HalfLoss(slices=0, readings=0, largest_difference=float("inf"), changed=1.0)
    largest, changed, foreground = 0.0, 0, 0
    for shown in slices:
        full, half = (_x_hat(one, shown) for one in (model, short))
        largest = max(largest, float(np.abs(full - half).max()))
        changed += int(((full > 0) != (half > 0)).sum())
        foreground += int(((full > 0) | (half > 0)).sum())
    return HalfLoss(len(slices), READINGS, largest, changed / max(foreground, 1))


def _x_hat(model: Model, shown: MultiReaderSlice) -> NDArray[np.float32]:
    """The final estimates on the model's own grid (READINGS, h, w)."""
    pixels = engine.SliceInput(pixels=shown.image[0], spacing_mm=shown.spacing_mm, grey=engine.GreyScale.NORMALISED)
    every_speck = engine.SamplingOptions(smallest_px=0)  # a reading that is empty would hide what 16 bits change
    seeds = engine.reading_seeds(0, READINGS)
    return engine.sample(model, pixels, seeds=seeds, options=every_speck, device="cpu", engine="torch").x_hat[-1]

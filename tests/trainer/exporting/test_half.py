"""What 16 bits lose is counted right: on a model whose readings are known for every weight."""

from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from napari_ambiseg.models.checkpoint import Grid, Header, Model
from napari_ambiseg.models.segmenter import SamplingOptions, State
from napari_ambiseg.readings.slice import MultiReaderSlice
from trainer.exporting.half import TOLERANCE, HalfLoss, measure_half, rounded


class Thresholder(nn.Module):
    """Marks what is brighter than its one weight."""

    kind: ClassVar[str] = "thresholder"

    def __init__(self, threshold: float) -> None:
        super().__init__()
        self.threshold = nn.Parameter(torch.tensor(threshold))
        self.register_buffer("count", torch.tensor(70_000))  # a whole number, which stays one

    def sample(self, image: Tensor, *, seeds: Sequence[int], options: SamplingOptions) -> Iterator[State]:
        x_hat = (image - self.threshold).detach().expand(len(seeds), -1, -1, -1)
        yield State(step=1, total=1, log_snr=0.0, x_t=x_hat, x_hat=x_hat)


def model_of(threshold: float) -> Model:
    header = Header(kind="thresholder", config={}, grid=Grid((10, 10), (1.0, 1.0)))
    return Model(Thresholder(threshold), header)  # type: ignore[arg-type]


def slice_between(low: float, high: float, *, count: int) -> MultiReaderSlice:
    """100 pixels: ``count`` of them halfway between two numbers, 25 brighter, the others 0."""
    pixels = np.zeros(100, np.float32)
    pixels[:count] = (low + high) / 2
    pixels[count : count + 25] = 1.5
    return MultiReaderSlice(pixels.reshape(1, 10, 10), np.zeros((0, 10, 10), bool), "patient", (1.0, 1.0))


FULL = 0.7501  # between the 16-bit numbers 0.75 and 0.7505


def test_changed_pixels_are_counted_against_the_foreground() -> None:
    half = float(np.float16(FULL))
    assert half != FULL
    loss = measure_half(model_of(FULL), [slice_between(half, FULL, count=5), slice_between(half, FULL, count=0)])
    assert loss.slices == 2
    assert loss.changed == pytest.approx(5 / 55)  # 5 + 25 pixels of the first slice, 25 of the second
    assert loss.largest_difference == pytest.approx(FULL - half, rel=1e-3)
    assert not loss.is_none
    assert "9.091% of the foreground" in str(loss)


def test_a_weight_that_16_bits_hold_loses_nothing() -> None:
    loss = measure_half(model_of(0.75), [slice_between(0.0, 1.0, count=5)])
    assert (loss.changed, loss.largest_difference, loss.is_none) == (0.0, 0.0, True)


def test_a_weight_beyond_16_bits_is_a_loss_of_everything() -> None:
    loss = measure_half(model_of(1e6), [slice_between(0.0, 1.0, count=5)])
    assert (loss.changed, loss.is_none) == (1.0, False)


def test_measuring_leaves_the_model_as_it_was() -> None:
    model = model_of(FULL)
    assert isinstance(model.segmenter, nn.Module)
    short = rounded(model).segmenter
    assert isinstance(short, nn.Module)
    assert model.segmenter.state_dict()["threshold"] == torch.tensor(FULL)
    assert short.state_dict()["threshold"] == torch.tensor(FULL).half()
    assert short.state_dict()["count"] == 70_000


def test_a_thousandth_is_the_limit() -> None:
    assert HalfLoss(8, 8, 0.01, TOLERANCE).is_none
    assert not HalfLoss(8, 8, 0.01, 1.01 * TOLERANCE).is_none

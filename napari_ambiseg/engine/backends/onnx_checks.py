"""Whether a converted model still says what the model says.

In float32 the whole of a short trajectory has to agree, estimate by estimate, up to rounding. In int8 that cannot be
asked: there, every reading is compared as a mask with the reading of the same seed in float32, on the slices that come
with the package. The mean over many readings alone would not do, since a distribution may stay as it is while its
readings change places; but masks that touch the threshold differ by some pixels, so that it is the mean of the IoU of
pairs that is judged, and the worst one is told.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_ambiseg.engine.backends.onnx_cache import ChecksFailed
from napari_ambiseg.models.checkpoint import Grid
from napari_ambiseg.models.segmenter import SamplingOptions, Segmenter
from napari_ambiseg.readings.agreement import overlap

LARGEST_DIFFERENCE = 2e-5  # of x_hat, which lies in [-1, 1], on grids up to _SMALL_PX a side
_SMALL_PX = 64  # rounding of sums over a map grows with its side: random weights, 64 to 256 pixels: 0.8, 2.1, 3.4e-5
SMALLEST_IOU = 0.98
_CHECKED_STEPS = 3
_JUDGED_SEEDS = (0, 1)


@dataclass(frozen=True, slots=True)
class Kept:
    """How well readings were kept.

    Attributes:
        mean: IoU with the same reading in float32, mean over all.
        worst: The smallest one.
    """

    mean: float
    worst: float


def require_same_estimates(segmenter: Segmenter, converted: Segmenter, grid: Grid) -> float:
    """The largest difference of any estimate along a trajectory of two readings.

    Raises:
        ChecksFailed: If it is too large.
    """
    options, image = SamplingOptions(steps=_CHECKED_STEPS), _disc(grid)
    both = zip(
        segmenter.sample(image, seeds=_JUDGED_SEEDS, options=options),
        converted.sample(image, seeds=_JUDGED_SEEDS, options=options),
        strict=True,
    )
    difference = max(float((ours.x_hat - theirs.x_hat).abs().max()) for ours, theirs in both)
    largest = LARGEST_DIFFERENCE * max(1.0, math.sqrt(math.prod(grid.size)) / _SMALL_PX)
    if not difference <= largest:  # NaN is none either
        raise ChecksFailed(
            f"ONNX Runtime's estimates differ from torch's by {difference:.1e}, "
            f"and {largest:.0e} is the most that rounding explains; use the engine torch"
        )
    return difference


def require_same_readings(exact: Segmenter, quantised: Segmenter, images: Sequence[Tensor]) -> Kept:
    """How well readings of ``images`` are kept.

    Raises:
        ChecksFailed: If they are not.
    """
    pairs = [overlap(samples=_readings(quantised, image), experts=_readings(exact, image)).iou for image in images]
    iou = np.concatenate([pair.diagonal() for pair in pairs])
    kept = Kept(mean=float(iou.mean()), worst=float(iou.min()))
    if kept.mean < SMALLEST_IOU:
        raise ChecksFailed(
            f"with int8 this model's readings keep an IoU of {kept.mean:.3f} with those in float32 (worst "
            f"{kept.worst:.2f}), and {SMALLEST_IOU} is the least that is taken; use the engine onnx"
        )
    return kept


@torch.no_grad()
def _readings(segmenter: Segmenter, image: Tensor) -> NDArray[np.bool_]:
    """Readings of the judged seeds (S, h, w)."""
    *_, last = segmenter.sample(image, seeds=_JUDGED_SEEDS, options=SamplingOptions())
    return (last.x_hat[:, 0] > 0).numpy()


def _disc(grid: Grid) -> Tensor:
    """Something like a lesion: a bright disc in noise, (1, h, w)."""
    height, width = grid.size
    rows, columns = np.ogrid[:height, :width]
    inside = np.hypot(rows - height / 2, columns - width / 2) < min(height, width) / 6
    noise = np.random.default_rng(0).normal(0.0, 0.05, grid.size)
    return torch.from_numpy((0.1 + 0.7 * inside + noise).astype(np.float32)[None])

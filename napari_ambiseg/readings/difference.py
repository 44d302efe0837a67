"""One sample beside one expert: where they agree, and what only one of them marks. H x W pixels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.readings.agreement import overlap
from napari_ambiseg.readings.measure import areas_mm2

COMMON, ONLY_SAMPLE, ONLY_EXPERT = 1, 2, 3
"""Values of ``Difference.labels``."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A pair.

    Attributes:
        labels: 0 where neither marks the pixel, else ``COMMON``, ``ONLY_SAMPLE`` or ``ONLY_EXPERT`` (H, W), uint8.
        dice: Dice coefficient; 1 if both are empty.
        iou: Intersection over union; 1 if both are empty.
        sample_area_mm2: Area of the sample.
        expert_area_mm2: Area of the expert's mask.
    """

    labels: NDArray[np.uint8]
    dice: float
    iou: float
    sample_area_mm2: float
    expert_area_mm2: float

    @property
    def area_difference_mm2(self) -> float:
        """By how much the sample is larger."""
        return self.sample_area_mm2 - self.expert_area_mm2


def difference(*, sample: NDArray[np.bool_], expert: NDArray[np.bool_], spacing_mm: tuple[float, float]) -> Difference:
    """Lay a sample (H, W) over an expert's mask (H, W).

    Args:
        sample: Mask, bool.
        expert: Mask, bool.
        spacing_mm: Height and width of a pixel in millimetres.

    Raises:
        InputImageError: If they are no boolean masks of one size, or the spacing is not positive.
    """
    found = overlap(samples=sample[None], experts=expert[None])
    labels = np.zeros(sample.shape, np.uint8)
    labels[sample & expert] = COMMON
    labels[sample & ~expert] = ONLY_SAMPLE
    labels[expert & ~sample] = ONLY_EXPERT
    sample_area, expert_area = areas_mm2(np.stack([sample, expert]), spacing_mm).tolist()
    return Difference(labels, float(found.dice[0, 0]), float(found.iou[0, 0]), sample_area, expert_area)

"""How a measure is spread over the readings, and where the experts lie in it. S samples, R experts.

Readings that mark nothing have no size: they are counted, and left out of the percentiles.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.readings.measure import areas_mm2, diameters_mm


@dataclass(frozen=True, slots=True)
class Distribution:
    """One measure.

    Attributes:
        name: What is measured, e.g. "area".
        unit: "mm²" or "mm".
        samples: Of each sample (S,); 0 for empty ones.
        experts: Of each expert's mask (R,); 0 for empty ones; R may be 0.
        median: Of the samples that are not empty; NaN if all are.
        low: Their 5th percentile, interpolated linearly.
        high: Their 95th percentile.
    """

    name: str
    unit: str
    samples: NDArray[np.float64]
    experts: NDArray[np.float64]
    median: float
    low: float
    high: float

    @property
    def empty_samples(self) -> int:
        """Samples that mark nothing."""
        return int(np.count_nonzero(self.samples == 0))

    @property
    def empty_experts(self) -> int:
        """Experts who marked nothing."""
        return int(np.count_nonzero(self.experts == 0))


@dataclass(frozen=True, slots=True)
class Sizes:
    """All that is measured of readings."""

    area: Distribution
    long_axis: Distribution
    short_axis: Distribution

    def emptied(self, kept: NDArray[np.bool_]) -> "Sizes":
        """The same after the samples that are not ``kept`` (S,) have become empty masks; nothing is measured again."""
        return Sizes(*(distribution(one.name, one.unit, np.where(kept, one.samples, 0.0), one.experts) for one in self))

    def __iter__(self) -> Iterator[Distribution]:
        return iter((self.area, self.long_axis, self.short_axis))


def sizes(*, samples: NDArray[np.bool_], experts: NDArray[np.bool_], spacing_mm: tuple[float, float]) -> Sizes:
    """Measure samples (S, H, W) and experts' masks (R, H, W), bool.

    Args:
        samples: At least one.
        experts: Maybe none.
        spacing_mm: Height and width of a pixel in millimetres.

    Raises:
        InputImageError: If they are not boolean masks, or the spacing is not positive.
    """
    areas, axes = areas_mm2(samples, spacing_mm), diameters_mm(samples, spacing_mm)
    none = np.zeros(0), np.zeros((0, 2))
    expert_areas, expert_axes = (
        (areas_mm2(experts, spacing_mm), diameters_mm(experts, spacing_mm)) if len(experts) else none
    )
    return Sizes(
        distribution("area", "mm²", areas, expert_areas),
        distribution("long axis", "mm", axes[:, 0], expert_axes[:, 0]),
        distribution("short axis", "mm", axes[:, 1], expert_axes[:, 1]),
    )


def distribution(name: str, unit: str, samples: NDArray[np.float64], experts: NDArray[np.float64]) -> Distribution:
    """How a measure of samples (S,) and experts (R,) is spread; 0 for those that mark nothing."""
    drawn = samples[samples > 0]
    low, median, high = np.percentile(drawn, (5, 50, 95)).tolist() if len(drawn) else (np.nan,) * 3
    return Distribution(name, unit, samples, experts, median=median, low=low, high=high)

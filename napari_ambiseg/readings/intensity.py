"""The grey scale that the models read: 0 is aerated lung, 1 is soft tissue, clipped to [-0.5, 2].

It is CT in Hounsfield units (HU) up to a shift and a scale, so that a slice in HU and an 8-bit picture of a slice,
whose HU are lost, come to the same numbers.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Intensity:
    """How image values become network input.

    Attributes:
        lung_hu: HU that becomes 0.
        tissue_hu: HU that becomes 1.
        low: Smallest input; darker values are clipped to it.
        high: Largest input.
    """

    lung_hu: float = -850.0
    tissue_hu: float = 40.0
    low: float = -0.5
    high: float = 2.0

    def from_hu(self, hu: NDArray[np.generic]) -> NDArray[np.float32]:
        """Network input of CT values in HU."""
        scaled = (hu.astype(np.float32) - self.lung_hu) / (self.tissue_hu - self.lung_hu)
        return np.clip(scaled, self.low, self.high).astype(np.float32)

    def from_unit(self, unit: NDArray[np.generic]) -> NDArray[np.float32]:
        """Network input of grey values in [0, 1] that span ``low`` to ``high`` (the stored LIDC slices)."""
        scaled = self.low + unit.astype(np.float32) * (self.high - self.low)
        return np.clip(scaled, self.low, self.high).astype(np.float32)

    def to_unit(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Inverse of ``from_unit``: grey values in [0, 1]."""
        return ((image - self.low) / (self.high - self.low)).astype(np.float32)

"""One slice and what its readers drew on it."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.errors import InputImageError


@dataclass(frozen=True, slots=True)
class MultiReaderSlice:
    """A slice with its experts' readings, the unit of all data, evaluation and display.

    Attributes:
        image: Normalised grey values (C, H, W), float32; see ``readings.intensity``.
        readings: One mask per reader who read it (R, H, W), bool; R may be 0; empty means nothing was seen here.
        subject: Patient identifier; splits never cut a subject.
        spacing_mm: Height and width of a pixel in millimetres.
        name: What to call the slice, e.g. "LIDC-IDRI-0003, nodule 2, z -125.0 mm".
        nodule: Number of the lesion that the slice shows; slices of one lesion are alike. -1 if unknown.
        rendered: Whether the pixels are computer-made rather than measured; whoever shows them must say so.
    """

    image: NDArray[np.float32]
    readings: NDArray[np.bool_]
    subject: str
    spacing_mm: tuple[float, float]
    name: str = ""
    nodule: int = -1
    rendered: bool = field(default=False)

    def __post_init__(self) -> None:
        if self.image.ndim != 3:
            raise InputImageError(f"the image has shape {self.image.shape}; expected (channels, height, width)")
        if self.readings.ndim != 3 or self.readings.shape[1:] != self.image.shape[1:]:
            raise InputImageError(
                f"the readings have shape {self.readings.shape}; "
                f"expected (readers, {self.image.shape[1]}, {self.image.shape[2]})"
            )
        if min(self.spacing_mm) <= 0:
            raise InputImageError(f"the pixel spacing is {self.spacing_mm} mm; both numbers must be positive")

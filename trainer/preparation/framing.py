"""One square of a picture, at the pixel size that is wanted: images linear, masks nearest, black beyond the edge.

The square's pixel (i, j) is the picture's point centre + step * ((i, j) - (size - 1) / 2), in the picture's pixels.
With a step of 1 and a centre from ``middle`` or ``middle_of_mask`` these are pixels of the picture, copied as they are.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates


@dataclass(frozen=True, slots=True)
class Frame:
    """Where the square lies.

    Attributes:
        centre_px: Row and column of its middle, in the picture's pixels.
        step: Height and width of its pixels, in the picture's pixels.
        size: Its side in pixels.
    """

    centre_px: tuple[float, float]
    step: tuple[float, float]
    size: int

    @property
    def points(self) -> NDArray[np.float64]:
        """Rows and columns of its pixels in the picture (2, size, size)."""
        offset = np.arange(self.size, dtype=np.float64) - (self.size - 1) / 2
        rows, columns = (c + s * offset for c, s in zip(self.centre_px, self.step, strict=True))
        return np.asarray(np.meshgrid(rows, columns, indexing="ij"), np.float64)

    def image(self, pixels: NDArray[np.float32], outside: float) -> NDArray[np.float32]:
        """Grey values (size, size) by linear interpolation; reduced pictures are smoothed before, as by their pixels.

        Args:
            pixels: The picture (H, W).
            outside: Grey value beyond its edge.
        """
        blur = tuple(max(0.0, (step - 1) / 2) for step in self.step)
        if max(blur) > 0.05:  # less is nothing
            pixels = np.asarray(gaussian_filter(pixels, blur, mode="nearest"), np.float32)
        return np.asarray(map_coordinates(pixels, self.points, order=1, cval=outside), np.float32)

    def mask(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Mask (size, size) by the nearest pixel."""
        nearest = np.rint(self.points).astype(np.int64)
        height, width = mask.shape
        inside = (nearest >= 0).all(axis=0) & (nearest[0] < height) & (nearest[1] < width)
        return mask[nearest[0].clip(0, height - 1), nearest[1].clip(0, width - 1)] & inside


def middle(shape: tuple[int, int], *, step: tuple[float, float], size: int) -> tuple[float, float]:
    """Middle of a picture, moved by half a pixel where that saves it from being resampled."""
    row, column = (_on_pixel((side - 1) / 2, s, size) for side, s in zip(shape, step, strict=True))
    return row, column


def middle_of_mask(mask: NDArray[np.bool_], *, step: tuple[float, float], size: int) -> tuple[float, float]:
    """Middle of the box around a mask that is not empty, moved so that the square leaves the picture least."""
    centre = list[float]()
    for axis in (0, 1):
        where = np.flatnonzero(mask.any(axis=1 - axis))
        half, side = step[axis] * size / 2, mask.shape[axis]
        wanted = (where[0] + where[-1]) / 2
        low, high = sorted((half - 0.5, side - half - 0.5))  # a square larger than the picture covers all of it
        centre.append(_on_pixel(float(min(max(wanted, low), high)), step[axis], size))
    return centre[0], centre[1]


def _on_pixel(centre: float, step: float, size: int) -> float:
    """The nearest centre with which a step of 1 meets pixels; unchanged for other steps."""
    half = (size - 1) / 2 % 1
    return float(np.floor(centre - half + 0.5) + half) if step == 1 else centre

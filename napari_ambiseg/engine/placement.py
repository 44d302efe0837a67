"""Where a model's grid lies on a slice, and how values travel between the two.

Pixel centres have whole coordinates, so a slice of H rows covers [-1/2, H - 1/2]. Row k of the grid has its centre at
row ``origin + k step`` of the slice, where ``step = grid spacing / slice spacing`` is in slice pixels per grid pixel;
columns alike. The field of view therefore covers [origin - step/2, origin + (n - 1/2) step].

Both directions are separable, hence two matrix products with triangles ``max(0, 1 - |distance| / width)`` as weights:

- slice to grid, width ``max(1, step)`` slice pixels, each row normalised to sum 1. For step <= 1 this is linear
  interpolation; for step > 1 the triangle is as wide as the grid's pixels are far apart, so that finer detail does not
  alias;
- grid to slice, width 1 grid pixel: linear interpolation. It is applied to x_hat, whose sign is the mask, before the
  threshold: an outline can fall between the grid's pixels.

A field of view of another size than the model's is the same grid with other spacing: the model then sees everything
larger or smaller than it has learnt it.

Where the spacings agree the grid is moved by at most half a pixel onto the slice's own pixels: both matrices then
consist of zeros and ones, and a crop is a crop.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.errors import InputImageError
from napari_ambiseg.models.checkpoint import Grid

_SAME_SPACING_PX = 0.05  # spacings are the same if the far edges of the field of view are this close
_FITS_PX = 1e-3  # rounding that a field of view as large as the slice is granted


@dataclass(frozen=True, slots=True)
class Placement:
    """A model's grid (h, w) on a slice (H, W).

    Attributes:
        origin_px: Row and column, in slice pixels, of the centre of the grid's first pixel.
        step_px: Slice pixels per grid pixel along rows and columns.
        grid_shape: (h, w).
        slice_shape: (H, W).
    """

    origin_px: tuple[float, float]
    step_px: tuple[float, float]
    grid_shape: tuple[int, int]
    slice_shape: tuple[int, int]

    @property
    def bounds_px(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """First and last edge of the field of view along rows, then along columns, in slice pixels."""
        (top, left), (row_step, column_step), (h, w) = self.origin_px, self.step_px, self.grid_shape
        return (
            (top - row_step / 2, top + (h - 0.5) * row_step),
            (left - column_step / 2, left + (w - 0.5) * column_step),
        )

    def to_grid(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Values on the slice (..., H, W) brought to the model's grid (..., h, w), anti-aliased."""
        rows, columns = (
            _gather(self.origin_px[a], self.step_px[a], self.grid_shape[a], self.slice_shape[a]) for a in (0, 1)
        )
        return (rows @ image.astype(np.float32) @ columns.T).astype(np.float32)

    def to_slice(self, values: NDArray[np.floating], fill: float) -> NDArray[np.float32]:
        """Values on the grid (..., h, w) interpolated to the slice's pixels (..., H, W); ``fill`` outside."""
        (inside_rows, rows), (inside_columns, columns) = (
            _spread(self.origin_px[a], self.step_px[a], self.grid_shape[a], self.slice_shape[a]) for a in (0, 1)
        )
        on_slice = np.full((*values.shape[:-2], *self.slice_shape), fill, dtype=np.float32)
        on_slice[..., inside_rows, inside_columns] = rows @ values.astype(np.float32) @ columns.T
        return on_slice

    def readings(self, x_hat: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Masks (..., H, W) of estimates on the grid (..., h, w): where these, interpolated, are > 0; empty outside."""
        return self.to_slice(x_hat, fill=-1.0) > 0


def place(
    grid: Grid,
    *,
    slice_shape: tuple[int, int],
    spacing_mm: tuple[float, float],
    centre_px: tuple[float, float] | None = None,
    extent_mm: tuple[float, float] | None = None,
) -> Placement:
    """Put the grid's middle at ``centre_px`` (None: the slice's middle), or as near as keeps it inside the slice.

    Args:
        grid: The model's.
        slice_shape: (H, W).
        spacing_mm: Height and width of a pixel of the slice.
        centre_px: Row and column.
        extent_mm: Height and width over which the grid is stretched; None leaves it as it is.

    Raises:
        InputImageError: If the slice is smaller than the field of view.
    """
    grid = grid if extent_mm is None else _stretched(grid, extent_mm)
    centre = centre_px if centre_px is not None else ((slice_shape[0] - 1) / 2, (slice_shape[1] - 1) / 2)
    steps = tuple(_step(grid.spacing_mm[a] / spacing_mm[a], grid.size[a]) for a in (0, 1))
    if any(grid.size[a] * steps[a] > slice_shape[a] + _FITS_PX for a in (0, 1)):
        whose = "model's" if extent_mm is None else "chosen"
        size_mm = [slice_shape[a] * spacing_mm[a] for a in (0, 1)]
        raise InputImageError(
            f"the slice is {size_mm[0]:.4g} x {size_mm[1]:.4g} mm ({slice_shape[0]} x {slice_shape[1]} pixels of "
            f"{spacing_mm[0]:g} x {spacing_mm[1]:g} mm), smaller than the {whose} field of view of "
            f"{grid.extent_mm[0]:g} x {grid.extent_mm[1]:g} mm; give a larger crop, or correct the pixel spacing"
        )
    origins = tuple(_origin(centre[a], steps[a], grid.size[a], slice_shape[a]) for a in (0, 1))
    return Placement(
        origin_px=(origins[0], origins[1]), step_px=(steps[0], steps[1]), grid_shape=grid.size, slice_shape=slice_shape
    )


def _stretched(grid: Grid, extent_mm: tuple[float, float]) -> Grid:
    """The grid over another extent."""
    return replace(grid, spacing_mm=(extent_mm[0] / grid.size[0], extent_mm[1] / grid.size[1]))


def _step(ratio: float, count: int) -> float:
    """Slice pixels per grid pixel; exactly 1 if that makes no visible difference over the field of view."""
    return 1.0 if abs(ratio - 1.0) * count < _SAME_SPACING_PX else ratio


def _origin(centre: float, step: float, count: int, size: int) -> float:
    """The first grid pixel's centre for a field of view around ``centre``, shifted inside the slice."""
    origin = centre - (count - 1) / 2 * step
    if step == 1.0:
        origin = float(math.ceil(origin - 0.5))  # halves go down: an even grid around pixel c is [c - n/2 : c + n/2]
    first, last = (step - 1) / 2, size - 0.5 - (count - 0.5) * step
    return min(max(origin, first), max(first, last))


def _gather(origin: float, step: float, count: int, size: int) -> NDArray[np.float32]:
    """Weights (count, size) that average slice pixels into grid pixels."""
    centres = origin + step * np.arange(count)
    distance = np.abs(centres[:, None] - np.arange(size)[None, :])
    weights = np.maximum(0.0, 1.0 - distance / max(1.0, step))
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def _spread(origin: float, step: float, count: int, size: int) -> tuple[slice, NDArray[np.float32]]:
    """The slice's pixels inside the field of view, and the weights (inside, count) that interpolate the grid there."""
    position = (np.arange(size) - origin) / step
    inside = np.flatnonzero((position >= -0.5 - 1e-9) & (position <= count - 0.5 + 1e-9))
    held = np.clip(position[inside], 0, count - 1)  # the outer half pixel takes the border's value
    weights = np.maximum(0.0, 1.0 - np.abs(held[:, None] - np.arange(count)[None, :]))
    return slice(int(inside[0]), int(inside[-1]) + 1), weights.astype(np.float32)

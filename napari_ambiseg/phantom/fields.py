"""The plane that everything is rendered on, smooth random fields, and tubes: what the parts of a slice are made of.

Lengths are millimetres, the origin is the middle of the slice, x runs to the right and y down. A random field is white
noise on a coarse lattice, interpolated with Gaussian weights: two small matrix products instead of a filter. Its
weights are normalised row by row, so that every pixel has variance 1.
"""

from functools import cache

import numpy as np
from numpy import fft
from numpy.typing import NDArray

from napari_ambiseg.phantom.outlines import SIZE, SPACING_MM

Image = NDArray[np.floating]
_MARGIN = 12
_TUBE_SIGMAS_MM = np.array([0.25, 0.36, 0.52, 0.75, 1.1, 1.6, 2.3])


@cache
def plane() -> tuple[Image, Image]:
    """The coordinates y and x of every pixel (H, W) in mm."""
    axis = ((np.arange(SIZE) - (SIZE - 1) / 2) * SPACING_MM).astype(np.float32)
    y, x = np.meshgrid(axis, axis, indexing="ij")
    return y, x


@cache
def _lattice(scale_mm: float) -> Image:
    """Weights (H, nodes) that carry lattice noise of ``scale_mm`` to pixels."""
    nodes = np.arange(-SIZE * SPACING_MM / 2 - 2 * scale_mm, SIZE * SPACING_MM / 2 + 2 * scale_mm, scale_mm)
    weights = np.exp(-(((plane()[0][:, :1] - nodes) / scale_mm) ** 2))
    return (weights / np.linalg.norm(weights, axis=1, keepdims=True)).astype(np.float32)


def random_field(rng: np.random.Generator, scale_mm: float) -> Image:
    """Smooth noise (H, W) of mean 0 and variance 1 with a correlation length of about ``scale_mm``."""
    weights = _lattice(scale_mm)
    return interpolated(rng.standard_normal((weights.shape[1],) * 2, dtype=np.float32), weights)


def interpolated(values: Image, weights: Image) -> Image:
    """``weights @ values @ weights.T`` (H, W), in blocks of 16 rows.

    Products this small are not worth BLAS's threads, which wait for each other ten times longer than they compute when
    the machine is busy; BLAS does not start them for blocks.
    """
    blocks = weights.reshape(-1, 16, weights.shape[1])
    return (blocks @ values @ weights.T).reshape(len(weights), len(weights))


@cache
def _tube_transfer() -> NDArray[np.float32]:
    """Fourier transforms (classes, frequencies) of Gaussians of unit integral over the padded plane."""
    size = SIZE + 2 * _MARGIN
    fy, fx = np.meshgrid(fft.fftfreq(size, SPACING_MM), fft.rfftfreq(size, SPACING_MM), indexing="ij")
    sigmas = _TUBE_SIGMAS_MM[:, None, None]
    return np.exp(-2 * (np.pi * sigmas) ** 2 * (fy**2 + fx**2)).astype(np.float32)


def tubes(points: NDArray[np.floating], *, radius: NDArray[np.floating], weight: NDArray[np.floating]) -> Image:
    """Cover tubes by Gaussian dots along them; overlapping dots saturate at 1.

    A line of dots, ``step`` apart and each of integral ``w``, has the height ``w / (sqrt(2 pi) sigma step)`` on the
    line; so a tube of height h takes dots of integral ``h sqrt(2 pi) sigma step``.

    Args:
        points: y and x of the dots in mm (P, 2).
        radius: Radius of the tube there in mm (P,).
        weight: Height of the tube times the step between dots in mm (P,).

    Returns:
        Coverage (H, W) in [0, 1).
    """
    size = SIZE + 2 * _MARGIN
    sigma = 0.6 * radius
    grid = points / SPACING_MM + (size - 1) / 2
    cell = np.floor(grid).astype(np.int64)
    inside = ((cell >= 0) & (cell < size - 1)).all(axis=1)
    grid, cell, sigma, weight = grid[inside], cell[inside], sigma[inside], weight[inside]
    classes = np.abs(np.log(sigma[:, None] / _TUBE_SIGMAS_MM)).argmin(axis=1)
    amount = weight * np.sqrt(2 * np.pi) * sigma / SPACING_MM**2
    dots = np.zeros(len(_TUBE_SIGMAS_MM) * size * size)
    fraction = grid - cell
    for dy in (0, 1):
        for dx in (0, 1):
            share = np.abs(1 - dy - fraction[:, 0]) * np.abs(1 - dx - fraction[:, 1])
            where = (classes * size + cell[:, 0] + dy) * size + cell[:, 1] + dx
            dots += np.bincount(where, amount * share, minlength=len(dots))
    spectrum = fft.rfft2(dots.reshape(-1, size, size).astype(np.float32)) * _tube_transfer()
    height = fft.irfft2(spectrum.sum(axis=0), (size, size))[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN].clip(0)
    return (height / (1 + height**3) ** (1 / 3)).astype(np.float32)


def edge(distance: Image, width: float) -> Image:
    """0 to 1 over about ``width`` around distance 0."""
    return 0.5 + 0.5 * np.tanh(distance / width)

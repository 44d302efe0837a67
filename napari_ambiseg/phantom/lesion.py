"""The nodule under the readers' outlines: what they agree on is dense, what one of them saw is faint and small.

The vote v is the share, of the readers who drew on the slice, who marked a pixel, smoothed; the nodule's edge runs where
v falls below about one half. How bright the nodule is follows the grey values of real ones, whose quantiles depend on
how many readers drew (a nodule that one reader of four marked has a median of about half of soft tissue) and on its
rated texture (ground glass is faint whoever draws it). Calcified and spiculated nodules are drawn as rated.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter

from napari_ambiseg.phantom.fields import Image, edge, plane, random_field, tubes
from napari_ambiseg.phantom.outlines import SPACING_MM, OutlinedSlice

_QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
_GREY_BY_READERS = {  # quantiles of the grey value in a nodule's core, by number of readers who drew it
    1: (0.08, 0.15, 0.33, 0.56, 0.85, 1.04, 1.1),
    2: (0.12, 0.23, 0.45, 0.73, 0.95, 1.06, 1.1),
    3: (0.18, 0.27, 0.54, 0.78, 0.97, 1.08, 1.1),
    4: (0.30, 0.46, 0.78, 0.95, 1.03, 1.1, 1.15),
}
_GREY_BY_TEXTURE = ((1.0, 2.0, 3.0, 4.0, 5.0), (0.25, 0.36, 0.55, 0.85, 1.2))


@dataclass(frozen=True, slots=True)
class Lesion:
    """A rendered nodule.

    Attributes:
        share: How much of every pixel it fills (H, W), 0 to 1.
        grey: Its grey (H, W).
    """

    share: Image
    grey: Image


def vote(readings: NDArray[np.bool_]) -> Image:
    """Share of the readers who drew anything that marked each pixel (H, W), smoothed over half a millimetre."""
    drawn = readings[readings.any(axis=(1, 2))]
    return gaussian_filter(drawn.mean(axis=0, dtype=np.float32), 0.5 / SPACING_MM)


def core_grey(rng: np.random.Generator, one: OutlinedSlice) -> float:
    """How bright the nodule's core is to be."""
    readers = int(one.readings.any(axis=(1, 2)).sum())
    if one.ratings["calcification"] < 5.0 and rng.random() < 0.8:
        small = (one.readings.any(axis=0).sum() * SPACING_MM**2) < 80
        return rng.uniform(1.1, 2.3) if small else rng.uniform(1.0, 1.3)
    by_readers = float(np.interp(rng.random(), _QUANTILES, _GREY_BY_READERS[readers]))
    by_texture = float(np.interp(one.ratings["texture"], *_GREY_BY_TEXTURE)) * rng.uniform(0.8, 1.25)
    return min(by_readers, by_texture) if by_texture < 0.7 else by_readers


def spicules(rng: np.random.Generator, v: Image, *, count: int, reach_mm: float) -> Image:
    """Thin rays that leave the nodule (H, W), each fading along its way."""
    y, x = plane()
    cy, cx = np.average(y, weights=v), np.average(x, weights=v)
    extent = np.sqrt((v > 0.3).sum() / np.pi) * SPACING_MM
    angle = rng.uniform(-np.pi, np.pi, (count, 1)) + 0.03 * rng.standard_normal((count, 60)).cumsum(axis=1)
    length = extent * 0.6 + rng.uniform(0.3, 1.0, (count, 1)) * (reach_mm + 0.4 * extent)
    along = np.linspace(0, 1, 60) * length
    points = np.stack([cy + along * np.sin(angle), cx + along * np.cos(angle)], axis=-1).reshape(-1, 2)
    height = np.repeat(rng.uniform(0.6, 1.6, (count, 1)), 60, axis=1) * np.linspace(1, 0.3, 60)
    return tubes(points, radius=np.full(len(points), 0.5), weight=(height * length / 60).ravel())


def body(rng: np.random.Generator, v: Image, *, texture: float) -> Image:
    """Density (H, W) of the nodule relative to its core: solid to its edge, or a halo around a solid part."""
    wobble = 0.08 * random_field(rng, 1.5)
    if texture >= 4.0:
        return edge(v + wobble - 0.42, 0.28)
    inside = distance_transform_edt(v > 0.35).astype(np.float32)
    depth = inside / max(1.0, float(inside.max()))
    veil = edge(v + wobble - 0.4, 0.33) * (1 + 0.18 * random_field(rng, 1.5)).clip(0.3)
    if texture < 2.0:
        return veil * (0.65 + 0.35 * depth)
    solid = edge(depth + 0.2 * random_field(rng, 2.5) - rng.uniform(0.35, 0.8), 0.15)
    return veil * (0.45 + 0.55 * solid)


def lesion(rng: np.random.Generator, one: OutlinedSlice, *, blur_px: float) -> Lesion:
    """Draw the nodule of an outlined slice.

    Args:
        rng: Source of chance.
        one: The readers' masks and ratings.
        blur_px: Blur of the scanner; small nodules are made denser so that blurred they have the grey they should have.
    """
    v = vote(one.readings)
    density = body(rng, v, texture=one.ratings["texture"])
    core = v >= 0.8 * v.max()
    response = float(gaussian_filter(density, blur_px)[core].mean())
    grey = min(core_grey(rng, one) / max(response, 0.3), 2.8)
    if one.ratings["spiculation"] > 2.5:
        count = rng.poisson(3 * one.ratings["spiculation"])
        rays = spicules(rng, v, count=count, reach_mm=1.5 * one.ratings["spiculation"]) if count else 0.0
        density = np.maximum(density, rays)
    mottle = 1 + 0.03 * random_field(rng, 1.0)
    return Lesion(density.clip(0, 1), np.float32(grey) * mottle)

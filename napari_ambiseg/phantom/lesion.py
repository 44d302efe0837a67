"""The nodule under the readers' outlines: what they agree on is dense, what one of them saw is faint and small.

The vote v is the share of the readers, among those who drew on the slice, who marked a pixel, smoothed; the nodule's
edge runs where v falls below about one half. How bright the nodule is follows the grey values of real ones, whose
quantiles depend on how many readers drew and how large it is (what one reader of four marked is half as bright as soft
tissue) and on its rated texture (ground glass is faint whoever draws it). Calcified and spiculated ones are drawn so.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter

from napari_ambiseg.phantom.fields import Image, edge, plane, random_field, tubes
from napari_ambiseg.phantom.outlines import SPACING_MM, OutlinedSlice

# The grey value in a nodule's core: its quantiles over real slices.
_QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
_CALCIFIED = (0.3, 0.44, 0.86, 1.17, 1.63, 2.0, 2.2)
_GROUND_GLASS = (0.06, 0.10, 0.18, 0.25, 0.33, 0.55, 0.65)
_PART_SOLID = (0.25, 0.30, 0.45, 0.54, 0.66, 0.88, 1.0)
_AREAS_MM2 = (8.0, 25.0, 65.0, 200.0)
_SOLID_BY_AREA = {  # by the number of readers who drew; between the two, numbers between
    1: (
        (0.14, 0.18, 0.30, 0.49, 0.72, 0.96, 1.05),
        (0.17, 0.23, 0.46, 0.65, 0.88, 1.11, 1.15),
        (0.20, 0.25, 0.57, 0.82, 0.97, 1.13, 1.15),
        (0.35, 0.43, 0.72, 0.97, 1.01, 1.17, 1.20),
    ),
    4: (
        (0.40, 0.49, 0.62, 0.71, 0.91, 1.08, 1.15),
        (0.42, 0.50, 0.69, 0.83, 0.94, 1.08, 1.15),
        (0.48, 0.56, 0.82, 0.94, 1.03, 1.15, 1.20),
        (0.65, 0.75, 0.94, 0.99, 1.06, 1.19, 1.25),
    ),
}


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
    return np.asarray(gaussian_filter(drawn.mean(axis=0, dtype=np.float32), 0.5 / SPACING_MM))


def core_grey(rng: np.random.Generator, one: OutlinedSlice) -> float:
    """How bright the nodule's core is to be, drawn from real ones of its kind."""
    u = rng.random()
    if one.ratings["calcification"] < 5.0:
        return float(np.interp(u, _QUANTILES, _CALCIFIED))
    if one.ratings["texture"] < 4.0:
        return float(np.interp(u, _QUANTILES, _GROUND_GLASS if one.ratings["texture"] <= 2.0 else _PART_SOLID))
    readers = int(one.readings.any(axis=(1, 2)).sum())
    area_mm2 = float(one.readings.any(axis=0).sum()) * SPACING_MM**2
    few, many = (
        np.interp(area_mm2, _AREAS_MM2, [np.interp(u, _QUANTILES, row) for row in _SOLID_BY_AREA[k]]) for k in (1, 4)
    )
    return float(few + (many - few) * (readers - 1) / 3)


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
    inside = np.asarray(distance_transform_edt(v > 0.35), np.float32)
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

"""The lung between the lesions: parenchyma, and vessels that branch, taper and cross the slice.

Vessels are trees in three dimensions: each branch is a random walk of slowly turning steps, its radius falls along the
way, and its children leave it at random points with a smaller radius. The slice is a slab: a tube of radius r whose
axis lies dz from the middle of a slab of half-thickness h covers the fraction of it where both overlap. Branches in the
plane become streaks, those that cross it become dots.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.phantom.fields import Image, random_field, tubes

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Branches:
    """Branches of one generation: B branches of P points each, ``step`` mm apart.

    Attributes:
        points: z, y and x (B, P, 3) in mm.
        radius: In mm (B, P).
        step: In mm.
    """

    points: Array
    radius: Array
    step: float


def grow(rng: np.random.Generator, *, start: Array, heading: Array, radius: Array, length_mm: float) -> Branches:
    """Branches (B) from ``start`` (B, 3) along ``heading`` (B, 3), tapering from ``radius`` (B,)."""
    step = 0.35
    count = max(4, round(length_mm / step))
    turns = rng.standard_normal((len(start), count, 3)).cumsum(axis=1) * 0.09
    directions = heading[:, None] + turns
    directions /= np.linalg.norm(directions, axis=2, keepdims=True)
    taper = np.linspace(1.0, 0.55, count)
    return Branches(start[:, None] + directions.cumsum(axis=1) * step, radius[:, None] * taper, step)


def sprout(rng: np.random.Generator, parents: Branches, *, per_parent: int, length_mm: float) -> Branches:
    """Children of every parent: they leave at 35 to 70 degrees, at random points."""
    count = len(parents.points) * per_parent
    parent = np.repeat(np.arange(len(parents.points)), per_parent)
    place = rng.integers(1, parents.points.shape[1], count)
    start = parents.points[parent, place]
    along = start - parents.points[parent, place - 1]
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    aside = rng.standard_normal((count, 3))
    aside -= (aside * along).sum(axis=1, keepdims=True) * along
    aside /= np.linalg.norm(aside, axis=1, keepdims=True)
    angle = rng.uniform(0.6, 1.2, (count, 1))
    radius = np.maximum(parents.radius[parent, place] * rng.uniform(0.5, 0.8, count), 0.2)
    heading = np.cos(angle) * along + np.sin(angle) * aside
    return grow(rng, start=start, heading=heading, radius=radius, length_mm=length_mm)


def slab_share(dz: Array, *, radius: Array, half_mm: float) -> Array:
    """Fraction of a slab of half-thickness ``half_mm`` that a tube at distance ``dz`` from its middle fills."""
    overlap = np.minimum(radius, dz + half_mm) - np.maximum(-radius, dz - half_mm)
    return overlap.clip(0) / (2 * half_mm)


def trees(rng: np.random.Generator, *, hilum: float, richness: float) -> list[Branches]:
    """Three generations of vessels that come from the hilum, and loose twigs whose stems lie outside the slice.

    Half of the slices have a vessel that starts in the middle, where the nodule is.
    """
    trunks = max(1, rng.poisson(8 * richness))
    start = rng.uniform((-5, -42, -42), (5, 42, 42), (trunks, 3))
    start[0] *= rng.random() < 0.5
    away = start[:, 1:] + 70 * np.array([np.sin(hilum), np.cos(hilum)])
    heading = np.column_stack([rng.normal(0, 0.25, trunks), away / np.linalg.norm(away, axis=1, keepdims=True)])
    stems = grow(rng, start=start, heading=heading, radius=rng.lognormal(-0.2, 0.45, trunks), length_mm=30)
    boughs = sprout(rng, stems, per_parent=5, length_mm=12)
    twigs = max(1, rng.poisson(140 * richness))
    loose = grow(
        rng,
        start=rng.uniform((-5, -36, -36), (5, 36, 36), (twigs, 3)),
        heading=rng.standard_normal((twigs, 3)),
        radius=0.2 + rng.gamma(1.3, 0.24, twigs),
        length_mm=7,
    )
    return [stems, boughs, sprout(rng, boughs, per_parent=3, length_mm=6), loose]


def vessels(rng: np.random.Generator, *, hilum: float, thickness_mm: float, richness: float) -> Image:
    """Coverage (H, W) by vessels.

    Args:
        rng: Source of chance.
        hilum: Angle, in the plane, where the vessels come from.
        thickness_mm: Slice thickness.
        richness: Number of vessels relative to the usual.
    """
    points, reach, weight = [], [], []
    for branches in trees(rng, hilum=hilum, richness=richness):
        share = slab_share(branches.points[..., 0], radius=branches.radius, half_mm=thickness_mm / 2)
        seen = share > 0
        points.append(branches.points[seen][:, 1:])
        reach.append(branches.radius[seen])
        weight.append(1.7 * share[seen] * branches.step)
    return tubes(np.concatenate(points), radius=np.concatenate(reach), weight=np.concatenate(weight))


def parenchyma(rng: np.random.Generator) -> Image:
    """Grey (H, W) of lung without vessels: nearly 0, mottled, brighter towards one side, sometimes with holes."""
    level = rng.normal(-0.045, 0.012)
    slow = 0.01 * random_field(rng, 9.0)
    fine = rng.uniform(0.012, 0.035) * random_field(rng, 1.2)
    lung = level + slow + fine
    if rng.random() < 0.1:  # emphysema
        lung -= 0.1 * (random_field(rng, 2.5) > rng.uniform(0.6, 1.6))
    if rng.random() < 0.08:  # haze
        lung += rng.uniform(0.02, 0.1) * (1 + 0.5 * random_field(rng, 6.0))
    return lung

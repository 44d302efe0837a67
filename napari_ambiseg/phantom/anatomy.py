"""What surrounds the lung: chest wall with ribs, air behind it, diaphragm or heart, mediastinum with vessels and spine.

Every body is a signed distance to the lung's border, positive in the lung. The readers' nodule must lie in the lung, so
a border that cuts it is moved outwards until it only touches it: that is how pleural nodules look.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.phantom.fields import Image, edge, plane, random_field

AIR = -0.17
OUTSIDE = -0.8
FAT = 0.86
MUSCLE = 1.02


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Bodies beside the lung.

    Attributes:
        lung: Share of lung in every pixel (H, W), 0 to 1.
        grey: Grey of what is not lung (H, W), weighted with its share 1 - lung.
        wall_angle: Direction of the chest wall in the plane.
    """

    lung: Image
    grey: Image
    wall_angle: float


def clear_of(distance: Image, nodule: NDArray[np.bool_], *, touch_mm: float) -> Image:
    """The border moved away until every nodule pixel lies at least ``touch_mm`` inside the lung."""
    return distance + max(0.0, touch_mm - float(distance[nodule].min()))


def soft_tissue(rng: np.random.Generator, *, fat: float) -> Image:
    """Muscle with streaks and lobes of fat; ``fat`` is about its share."""
    lobes = random_field(rng, 5.0) + 0.6 * random_field(rng, 2.0)
    streaks = edge(lobes - 2.2 * (0.5 - fat), 0.35)
    return rng.normal(MUSCLE, 0.05) + (FAT - MUSCLE) * streaks + 0.012 * random_field(rng, 1.2)


def bone(distance: Image, rng: np.random.Generator) -> tuple[Image, Image]:
    """Share and grey of a bone with the signed distance ``distance`` (positive inside): bright rim, mottled marrow."""
    rim = edge(rng.uniform(0.5, 1.4) + 0.4 * random_field(rng, 3.0) - distance, 0.4)
    marrow = rng.uniform(1.1, 1.45) + rng.uniform(0.05, 0.15) * random_field(rng, 1.2)
    return edge(distance, 0.4), marrow + (rng.uniform(1.6, 2.5) - marrow) * rim


def ribs(rng: np.random.Generator, *, along: Image, depth: Image) -> tuple[Image, Image]:
    """Share and grey of one or two ribs in a wall with coordinates ``along`` and ``depth`` in mm.

    A slice cuts a rib obliquely: a bar with pointed ends, each at its own tilt, sunk into the wall by some millimetres.
    """
    distance = np.full_like(depth, -np.inf)
    place = rng.uniform(-36, 0)
    for _ in range(rng.integers(1, 4)):
        half, thick = rng.uniform(5, 18), rng.uniform(2.0, 4.2)
        offset = along - place
        below = depth - rng.uniform(thick + 0.5, thick + 4.0) - rng.uniform(-0.25, 0.25) * offset
        ending = thick * (1 - (offset / half) ** 2)
        distance = np.maximum(distance, (ending - np.abs(below)) + 0.3 * random_field(rng, 3.0))
        place += half + rng.uniform(8, 30)
    return bone(distance, rng)


def chest_wall(rng: np.random.Generator, nodule: NDArray[np.bool_], angle: float) -> tuple[Image, Image]:
    """Distance to a curved wall in the direction ``angle``, and the wall's grey."""
    y, x = plane()
    radius = rng.uniform(40, 120)
    gap = rng.uniform(0, 34) if rng.random() > 0.2 else 0.0
    cy, cx = np.sin(angle) * (gap - radius), np.cos(angle) * (gap - radius)
    around = np.hypot(y - cy, x - cx)
    bends = rng.uniform(0.5, 3.0) * random_field(rng, 16.0) + rng.uniform(0.1, 0.5) * random_field(rng, 5.0)
    distance = radius - around + bends
    distance = clear_of(distance, nodule, touch_mm=rng.uniform(0.2, 0.8))
    along = ((np.arctan2(y - cy, x - cx) - angle + np.pi) % (2 * np.pi) - np.pi) * radius
    grey = soft_tissue(rng, fat=rng.uniform(0.0, 0.45))
    if rng.random() < 0.9:
        share, bright = ribs(rng, along=along, depth=-distance)
        grey = grey + share * (bright - grey)
    skin = rng.uniform(18, 90)
    grey = grey + (AIR - grey) * edge(-distance - skin, 0.4)
    if rng.random() < 0.05:
        grey = np.where(np.sin(angle) * y + np.cos(angle) * x > gap + rng.uniform(12, 25), OUTSIDE, grey)
    return distance, grey


def dome(rng: np.random.Generator, nodule: NDArray[np.bool_], angle: float) -> tuple[Image, Image]:
    """Distance to diaphragm or heart, a round body that bulges into the lung, and its grey."""
    y, x = plane()
    radius = rng.uniform(22, 70)
    reach = radius + rng.uniform(0, 30)
    distance = np.hypot(y - np.sin(angle) * reach, x - np.cos(angle) * reach) - radius + 0.5 * random_field(rng, 9.0)
    distance = clear_of(distance, nodule, touch_mm=rng.uniform(0.5, 3.0))
    return distance, rng.normal(1.05, 0.05) + 0.01 * random_field(rng, 6.0)


def mediastinum(rng: np.random.Generator, nodule: NDArray[np.bool_], angle: float) -> tuple[Image, Image]:
    """Distance to an irregular border of fat and vessels, with a bronchus or vertebra at times, and its grey."""
    y, x = plane()
    gap = rng.uniform(6, 30)
    ahead = np.sin(angle) * y + np.cos(angle) * x
    distance = gap - ahead + rng.uniform(1.5, 5.0) * random_field(rng, 9.0) + 0.8 * random_field(rng, 3.0)
    distance = clear_of(distance, nodule, touch_mm=rng.uniform(0.3, 2.0))
    grey = soft_tissue(rng, fat=rng.uniform(0.2, 0.6))
    contrast = rng.choice([1.03, rng.uniform(1.1, 1.4)])
    across = np.cos(angle) * y - np.sin(angle) * x
    for _ in range(rng.integers(1, 5)):
        size, beside, behind = rng.uniform(2, 13), rng.uniform(-30, 30), rng.uniform(2, 25)
        round_body = size - np.hypot(across - beside, ahead - gap - behind)
        grey = grey + (contrast - grey) * edge(round_body, 0.3)
    if rng.random() < 0.4:
        centre, size = rng.uniform(-30, 30), rng.uniform(9, 16)
        share, bright = bone(size - np.hypot(across - centre, ahead - gap - size - 3) + random_field(rng, 5.0), rng)
        grey = grey + share * (bright - grey)
    return distance, grey


def surroundings(rng: np.random.Generator, nodule: NDArray[np.bool_]) -> Surroundings:
    """Draw what lies beside the lung; most slices of a nodule show chest wall, many two bodies.

    Args:
        rng: Source of chance.
        nodule: Pixels that must be in the lung (H, W).
    """
    angle = rng.uniform(-np.pi, np.pi)
    lung, grey = np.ones_like(plane()[0]), np.zeros_like(plane()[0])
    bodies = [chest_wall] if rng.random() < 0.88 else []
    bodies += [(dome, mediastinum)[rng.integers(2)]] if rng.random() < 0.42 else []
    for i, body in enumerate(bodies):
        distance, body_grey = body(rng, nodule, angle + i * rng.uniform(1.2, 5.0))
        width = rng.uniform(0.2, 0.5) if body is not dome else rng.lognormal(0.0, 0.6)
        share = edge(-distance, width)
        grey, lung = grey + share * (body_grey - grey), lung * (1 - share)
    return Surroundings(lung, grey, angle)

"""From outlines to slices: draw a patient around a nodule, scan it, keep the readers' masks.

Slice ``index`` of a collection depends on the seed and the index alone. Its outlines are turned and mirrored by one of
the eight symmetries of the square, which leave every mask as it is drawn.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.errors import DataFileError, SettingsError
from napari_ambiseg.phantom.anatomy import surroundings
from napari_ambiseg.phantom.lesion import lesion
from napari_ambiseg.phantom.outlines import SPACING_MM, OutlinedSlice, Pool, bundled_outlines
from napari_ambiseg.phantom.scanner import draw_scanner, scan
from napari_ambiseg.phantom.vessels import parenchyma, vessels
from napari_ambiseg.readings.collection import SliceCollection

_SAMPLE_SEEDS = (10, 3, 2, 11, 12, 5, 4, 6)
BUNDLED = len(_SAMPLE_SEEDS)
"""How many slices are bundled."""


def turned(one: OutlinedSlice, symmetry: int) -> OutlinedSlice:
    """The outlined slice under symmetry 0 (none) to 7 of the square: quarter turns, from 4 on mirrored before."""
    readings = one.readings[..., ::-1] if symmetry >= 4 else one.readings
    return replace(one, readings=np.ascontiguousarray(np.rot90(readings, symmetry % 4, axes=(1, 2))))


def centred(one: OutlinedSlice) -> OutlinedSlice:
    """The outlined slice moved so that what the readers drew on it, not the whole nodule, lies in the middle."""
    rows, columns = np.nonzero(one.readings.any(axis=0))
    shifts = [
        one.readings.shape[axis] // 2 - (int(where.min()) + int(where.max()) + 1) // 2
        for axis, where in ((1, rows), (2, columns))
    ]
    return replace(one, readings=np.roll(one.readings, shifts, axis=(1, 2)))  # nothing wraps: masks are small


def render_slice(one: OutlinedSlice, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A CT-like slice (128, 128) around a nodule, in 8 bits."""
    scanner = draw_scanner(rng)
    around = surroundings(rng, np.logical_or.reduce(one.readings))
    tree = vessels(
        rng,
        hilum=around.wall_angle + np.pi + rng.normal(0, 0.5),
        thickness_mm=one.thickness_mm,
        richness=rng.lognormal(0, 0.4),
    )
    lung = parenchyma(rng)
    lung += tree * (rng.normal(1.05, 0.05) - lung)
    image = around.grey + around.lung * lung
    nodule = lesion(rng, one, blur_px=scanner.blur_px)
    share = nodule.share * around.lung
    return scan(rng, image + share * np.maximum(nodule.grey - image, 0), scanner)


def _collect(
    numbers: Sequence[int], generators: Sequence[np.random.Generator], *, turn: bool, first: int = 0
) -> SliceCollection:
    """Render one slice per number of an outline and source of chance; they are named from number ``first`` on."""
    outlines = bundled_outlines()
    images, chosen = [], []
    for number, rng in zip(numbers, generators, strict=True):
        one = outlines[number]
        one = turned(one, int(rng.integers(8))) if turn else centred(one)
        chosen.append(one)
        images.append(render_slice(one, rng))
    return SliceCollection(
        images=np.stack(images),
        readings=np.stack([one.readings for one in chosen]),
        subjects=tuple(one.subject for one in chosen),
        nodules=np.array([one.nodule for one in chosen], np.int64),
        names=tuple(f"Rendered slice {i} (outlines: {one.subject})" for i, one in enumerate(chosen, first + 1)),
        spacing_mm=(SPACING_MM, SPACING_MM),
        rendered=True,
    )


def render_collection(count: int, *, seed: int, pool: Pool = "train") -> SliceCollection:
    """Rendered slices around outlines drawn at random from a pool, with replacement.

    Args:
        count: Number of slices.
        seed: Slice i depends on (seed, i) alone.
        pool: "train" (patients of the training data), or "sample" (patients in neither training nor validation data).

    Raises:
        SettingsError: If count or seed is out of range, or there is no such pool.
    """
    if count < 1:
        raise SettingsError(f"the number of slices to render is {count}; give 1 or more")
    if seed < 0:
        raise SettingsError(f"the seed is {seed}; give 0 or more")
    indices = bundled_outlines().indices(pool)
    generators = [np.random.default_rng((seed, index)) for index in range(count)]
    return _collect([int(rng.choice(indices)) for rng in generators], generators, turn=True)


def bundled_slices(only: int | None = None) -> SliceCollection:
    """The few fixed slices that the viewer opens with: each outlined slice of the pool "sample", in the middle.

    Args:
        only: Number of the one that is wanted, from 0 to before ``BUNDLED``; None for all of them.

    Raises:
        DataFileError: If there is no such slice.
    """
    if only is not None and not 0 <= only < BUNDLED:
        raise DataFileError(f"there is no bundled slice {only}; there are slices 0 to {BUNDLED - 1}")
    wanted = slice(None) if only is None else slice(only, only + 1)
    generators = [np.random.default_rng(seed) for seed in _SAMPLE_SEEDS[wanted]]
    numbers = [int(number) for number in bundled_outlines().indices("sample")[wanted]]
    return _collect(numbers, generators, turn=False, first=only or 0)

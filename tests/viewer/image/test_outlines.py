"""Outlines of many masks at once, against geometry and against another implementation of marching squares."""

import numpy as np
import pytest
from skimage.measure import find_contours

from napari_ambiseg.viewer.image.outlines import outline_segments


def lengths(segments: np.ndarray) -> float:
    return float(np.linalg.norm(segments[:, 1], axis=1).sum())


def test_a_pixel_is_outlined_by_a_diamond_half_a_pixel_away() -> None:
    mask = np.zeros((1, 5, 7), dtype=bool)
    mask[0, 2, 3] = True
    segments, sample = outline_segments(mask)
    ends = {tuple(p) for s in segments for p in (s[0], s[0] + s[1])}
    assert ends == {(1.5, 3.0), (2.5, 3.0), (2.0, 2.5), (2.0, 3.5)}
    assert len(segments) == 4
    assert sample.tolist() == [0] * 4


@pytest.mark.parametrize("seed", range(5))
def test_random_masks_have_the_outlines_that_scikit_image_finds(seed: int) -> None:
    masks = np.random.default_rng(seed).random((3, 20, 30)) < 0.5
    segments, sample = outline_segments(masks)
    for i, mask in enumerate(masks):
        contours = find_contours(np.pad(mask, 1).astype(float), 0.5)
        expected = sum(np.linalg.norm(np.diff(c, axis=0), axis=1).sum() for c in contours)
        assert lengths(segments[sample == i]) == pytest.approx(expected)


def test_outlines_are_closed_also_at_the_border() -> None:
    mask = np.ones((1, 3, 4), dtype=bool)
    segments, _ = outline_segments(mask)
    ends = np.concatenate([segments[:, 0], segments.sum(axis=1)])
    _, counts = np.unique(ends, axis=0, return_counts=True)
    assert (counts == 2).all()


def test_values_are_outlined_between_pixels() -> None:
    rows, columns = np.mgrid[:40, :40]
    distance = 10.3 - np.hypot(rows - 20, columns - 19)
    segments, _ = outline_segments(distance[None].astype(np.float32), level=0.0)
    radii = np.hypot(segments[:, 0, 0] - 20, segments[:, 0, 1] - 19)
    assert np.abs(radii - 10.3).max() < 0.05
    assert lengths(segments) == pytest.approx(2 * np.pi * 10.3, rel=0.01)


def test_empty_masks_have_no_outline() -> None:
    segments, sample = outline_segments(np.zeros((4, 8, 8), dtype=bool))
    assert segments.shape == (0, 2, 2)
    assert len(sample) == 0

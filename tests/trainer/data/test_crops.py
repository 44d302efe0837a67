"""Crops lie where the seed and the slice's name put them, anywhere with equal chance, or in the middle."""

import numpy as np
import pytest
from scipy import stats

from napari_ambiseg.engine.placement import place
from napari_ambiseg.errors import InputImageError
from napari_ambiseg.models.checkpoint import Grid
from napari_ambiseg.readings.slice import MultiReaderSlice
from trainer.data.crops import central_crop, evaluation_crop, uniform_origin


def numbered(height: int = 20, width: int = 17) -> MultiReaderSlice:
    """A slice whose pixels carry their own place; two readers draw its first pixel, a third nothing."""
    readings = np.zeros((3, height, width), bool)
    readings[:2, 0, 0] = True
    image = np.arange(height * width, dtype=np.float32).reshape(1, height, width)
    return MultiReaderSlice(image, readings, "Anna", (0.5, 0.7), name="one", nodule=4, rendered=True)


def test_a_crop_is_the_pixels_at_its_origin_and_keeps_the_rest() -> None:
    one = numbered()
    crop = evaluation_crop(one, 8, slice_id="a/val/3", seed=5)
    row, column = uniform_origin((12, 9), slice_id="a/val/3", seed=5)
    np.testing.assert_array_equal(crop.image, one.image[:, row : row + 8, column : column + 8])
    np.testing.assert_array_equal(crop.readings, one.readings[:, row : row + 8, column : column + 8])
    assert (crop.subject, crop.spacing_mm, crop.name, crop.nodule, crop.rendered) == (
        *("Anna", (0.5, 0.7), "one", 4),
        True,
    )


def test_the_place_is_the_seeds_and_the_names_alone() -> None:
    # A fixed place: published figures depend on it, and no version may move it.
    assert uniform_origin((64, 64), slice_id="lidc_val.h5/val/7", seed=0) == (45, 51)
    places = {uniform_origin((64, 64), slice_id=f"lidc_val.h5/val/{i}", seed=s) for i in range(5) for s in range(5)}
    assert len(places) > 20


def test_places_are_uniform() -> None:
    origins = [uniform_origin((4, 6), slice_id=f"val/{i}", seed=0) for i in range(7000)]
    counts = np.zeros((5, 7))
    for origin in origins:
        counts[origin] += 1
    assert counts.sum() == 7000
    assert stats.chisquare(counts.ravel()).pvalue > 0.01


def test_a_lesion_may_fall_outside() -> None:
    """The one pixel that is drawn lies in a crop of 8 with chance 1 / (13 x 10)."""
    inside = [
        evaluation_crop(numbered(), 8, slice_id=f"val/{i}", seed=0).readings.any(axis=(1, 2)) for i in range(2600)
    ]
    hits = np.sum(inside, axis=0)
    assert hits[2] == 0
    assert hits[0] == hits[1]
    assert stats.binomtest(int(hits[0]), 2600, 1 / 130).pvalue > 0.01


@pytest.mark.parametrize(("height", "width", "size"), [(128, 128, 64), (20, 17, 8), (9, 8, 8), (8, 8, 8)])
def test_the_middle_is_where_a_model_is_placed_on_a_slice(height: int, width: int, size: int) -> None:
    one = numbered(height, width)
    crop = central_crop(one, size)
    placed = place(Grid((size, size), (0.5, 0.5)), slice_shape=(height, width), spacing_mm=(0.5, 0.5))
    np.testing.assert_array_equal(crop.image, placed.to_grid(one.image))


@pytest.mark.parametrize("size", [0, 18, 21])
def test_a_crop_that_does_not_fit_is_refused(size: int) -> None:
    for cut in (lambda: central_crop(numbered(), size), lambda: evaluation_crop(numbered(), size, slice_id="", seed=0)):
        with pytest.raises(InputImageError, match=f"a crop of {size} x {size} pixels does not fit a slice of 20 x 17"):
            cut()

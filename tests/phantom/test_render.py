"""Rendered slices: the same for the same seed, on the grey scale of CT, around the readers' own masks."""

import time

import numpy as np
import pytest

from napari_ambiseg.errors import DataFileError, SettingsError
from napari_ambiseg.phantom import BUNDLED, bundled_slices, render_collection
from napari_ambiseg.phantom.lesion import vote
from napari_ambiseg.phantom.outlines import bundled_outlines
from napari_ambiseg.phantom.render import turned
from napari_ambiseg.readings.collection import SliceCollection


@pytest.fixture(scope="module")
def rendered() -> SliceCollection:
    return render_collection(80, seed=11)


def test_a_slice_depends_on_seed_and_index_alone(rendered: SliceCollection) -> None:
    few = render_collection(3, seed=11)
    np.testing.assert_array_equal(few.images, rendered.images[:3])
    np.testing.assert_array_equal(few.readings, rendered.readings[:3])
    assert few.names == rendered.names[:3]
    assert not np.array_equal(render_collection(1, seed=12).images, few.images[:1])


def test_slices_are_eight_bit_pictures_of_the_models_grid(rendered: SliceCollection) -> None:
    assert rendered.images.shape == (80, 128, 128)
    assert rendered.images.dtype == np.uint8
    assert rendered.readings.shape == (80, 4, 128, 128)
    assert rendered.spacing_mm == (0.5, 0.5)
    assert rendered.rendered
    assert all(one.rendered for one in rendered)


def test_names_say_that_slices_are_rendered_and_whose_outlines_they_bear(rendered: SliceCollection) -> None:
    assert rendered.names[4] == f"Rendered slice 5 (outlines: {rendered.subjects[4]})"
    assert rendered.subjects[4].startswith("LIDC-IDRI-")


def test_masks_are_stored_outlines_under_a_symmetry_of_the_square(rendered: SliceCollection) -> None:
    outlines = bundled_outlines()
    for readings, nodule, subject in zip(rendered.readings[:20], rendered.nodules, rendered.subjects, strict=False):
        same = [outlines[int(i)] for i in np.flatnonzero(outlines.nodules == nodule)]
        assert {one.subject for one in same} == {subject}
        assert any(np.array_equal(turned(one, k).readings, readings) for one in same for k in range(8))


def test_the_eight_symmetries_differ_and_keep_areas() -> None:
    one = bundled_outlines()[0]
    versions = [turned(one, k).readings for k in range(8)]
    assert len({version.tobytes() for version in versions}) == 8
    assert all((v.sum(axis=(1, 2)) == one.readings.sum(axis=(1, 2))).all() for v in versions)
    np.testing.assert_array_equal(versions[0], one.readings)


def test_lung_is_zero_and_soft_tissue_is_one(rendered: SliceCollection) -> None:
    grey = np.concatenate([rendered.normalised(i).ravel() for i in range(len(rendered))])
    lung, tissue = grey[np.abs(grey) < 0.3], grey[(grey > 0.8) & (grey < 1.3)]
    assert abs(np.median(lung)) < 0.05
    assert abs(np.median(tissue) - 1) < 0.05
    assert 0.45 < lung.size / grey.size < 0.75  # as in the real crops
    assert 0.15 < tissue.size / grey.size < 0.45


def test_noise_is_correlated_as_after_a_scan(rendered: SliceCollection) -> None:
    """In real slices, neighbours at 0.5 mm correlate by about 0.77, those at 2 mm hardly (high-passed lung)."""
    neighbours, far = [], []
    for index in range(len(rendered)):
        image = rendered.normalised(index)[0]
        quiet = image[:48, :48] if np.abs(image[:48, :48]).max() < 0.4 else image[-48:, -48:]
        if np.abs(quiet).max() < 0.4:
            flat = quiet - quiet.mean()
            neighbours.append((flat[:, 1:] * flat[:, :-1]).mean() / flat.var())
            far.append((flat[:, 6:] * flat[:, :-6]).mean() / flat.var())
    assert 0.6 < np.median(neighbours) < 0.9
    assert np.median(far) < 0.3


def test_the_more_readers_drew_the_brighter_the_nodule() -> None:
    many = render_collection(160, seed=2)
    drew = many.readings.any(axis=(2, 3)).sum(axis=1)
    core = [np.median(many.normalised(i)[0][(v := vote(many.readings[i])) >= 0.8 * v.max()]) for i in range(len(many))]
    means = [np.mean(np.array(core)[drew == k]) for k in (1, 4)]
    assert means[0] + 0.2 < means[1]


def test_nodules_are_brighter_than_the_lung_around_them(rendered: SliceCollection) -> None:
    for index in range(len(rendered)):
        image, v = rendered.normalised(index)[0], vote(rendered.readings[index])
        assert np.median(image[v >= 0.8 * v.max()]) > 0.05


def test_readers_drew_as_often_as_in_the_real_data(rendered: SliceCollection) -> None:
    assert abs(rendered.readings.any(axis=(2, 3)).mean() - 0.633) < 0.12


def test_bundled_slices_are_fixed_and_quick() -> None:
    first = bundled_slices()
    start = time.process_time()
    second = bundled_slices()
    assert time.process_time() - start < 1.0
    np.testing.assert_array_equal(first.images, second.images)
    assert len(first) == 8
    assert len(set(first.subjects)) == 8


def test_a_bundled_slice_alone_is_the_same() -> None:
    alone, together = bundled_slices(3), bundled_slices()
    np.testing.assert_array_equal(alone.images[0], together.images[3])
    assert alone.names == together.names[3:4]
    assert len(together) == BUNDLED


@pytest.mark.parametrize("number", [-1, BUNDLED])
def test_a_bundled_slice_that_does_not_exist_is_refused(number: int) -> None:
    with pytest.raises(DataFileError, match="there are slices 0 to 7"):
        bundled_slices(number)


def test_the_first_bundled_nodule_is_clear_and_partly_disputed() -> None:
    first = bundled_slices()[0]
    union, common = first.readings.any(axis=0), first.readings.all(axis=0)
    extent_mm = 0.5 * max(np.ptp(index) + 1 for index in np.nonzero(union))
    assert 8 <= extent_mm <= 15
    assert 0 < common.sum() < 0.7 * union.sum()
    assert np.median(first.image[0][common]) > 0.7


@pytest.mark.parametrize(("count", "seed", "message"), [(0, 1, "render is 0; give 1"), (1, -1, "seed is -1; give 0")])
def test_bad_numbers_are_refused(count: int, seed: int, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        render_collection(count, seed=seed)

"""Slices of several files as one collection, and back to single slices."""

from dataclasses import replace

import numpy as np
import pytest

from napari_ambiseg.errors import DataFileError
from napari_ambiseg.readings.collection import SliceCollection, concatenate

RNG = np.random.default_rng(0)
PART = SliceCollection(
    images=RNG.integers(0, 256, (3, 4, 5), np.uint8),
    readings=RNG.random((3, 2, 4, 5)) < 0.5,
    subjects=("a", "a", "b"),
    nodules=np.array([4, -1, 0]),
    names=("x", "y", "z"),
)
AS_FLOATS = replace(PART, images=PART.images / np.float32(255))


def test_lesions_of_different_parts_keep_apart_and_unknown_ones_stay_unknown() -> None:
    assert concatenate([PART, PART, PART]).nodules.tolist() == [4, -1, 0, 9, -1, 5, 14, -1, 10]


def test_bytes_stay_bytes_and_join_floats_on_one_scale() -> None:
    assert concatenate([PART, PART]).images.dtype == np.uint8
    mixed = concatenate([PART, AS_FLOATS])
    assert mixed.images.dtype == np.float32
    for i in range(3):
        np.testing.assert_allclose(mixed.normalised(i), PART.normalised(i), atol=1e-6)
        np.testing.assert_allclose(mixed.normalised(i + 3), PART.normalised(i), atol=1e-6)


def test_rendered_slices_stay_so_and_do_not_join_measured_ones() -> None:
    rendered = replace(PART, rendered=True)
    assert concatenate([rendered, rendered]).rendered
    for mixed in ([rendered, PART], [PART, rendered]):
        with pytest.raises(DataFileError, match="do not belong together"):
            concatenate(mixed)


def test_a_subset_holds_the_chosen_slices_in_their_order() -> None:
    for found, index in zip(PART.subset([2, 0]), (2, 0), strict=True):
        np.testing.assert_array_equal(found.image, PART[index].image)
        np.testing.assert_array_equal(found.readings, PART.readings[index])
        assert (found.subject, found.name, found.nodule) == (PART[index].subject, PART[index].name, PART[index].nodule)


def test_fewer_readers_leave_slots_unfilled_which_are_nobodys_reading() -> None:
    joined = concatenate([PART, replace(PART, readings=PART.readings[:, :1])])
    assert joined.readings.shape[1] == 2
    assert [len(joined[i].readings) for i in range(6)] == [2, 2, 2, 1, 1, 1]
    assert [len(one.readings) for one in joined.subset([5, 0])] == [1, 2]


def test_nobody_draws_without_reading() -> None:
    with pytest.raises(DataFileError, match="not present has drawn"):
        replace(PART, present=np.zeros((3, 2), bool))


@pytest.mark.parametrize(
    "other",
    [
        replace(PART, spacing_mm=(1, 1)),
        replace(PART, images=PART.images[:, :3], readings=PART.readings[:, :, :3]),
    ],
    ids=["spacing", "size"],
)
def test_slices_of_other_grids_are_not_joined(other: SliceCollection) -> None:
    with pytest.raises(DataFileError, match=r"cannot join slices of .* prepare them alike"):
        concatenate([PART, other])


def test_nothing_to_join_and_slices_that_are_not_there_are_refused() -> None:
    with pytest.raises(DataFileError, match="there are no slices to join"):
        concatenate([])
    for index in (3, -1):
        with pytest.raises(DataFileError, match=rf"there is no slice {index}; this collection has slices 0 to 2"):
            PART[index]


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(DataFileError, match="differ in length"):
        replace(PART, names=("x",))

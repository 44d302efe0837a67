"""What is in a split, slice by slice."""

from pathlib import Path

import numpy as np
import pytest

from napari_ambiseg.errors import DataFileError
from napari_ambiseg.io.lidc_hdf5 import read_lidc_rows, write_lidc_hdf5
from napari_ambiseg.io.lidc_index import agreements, read_agreements, read_index
from napari_ambiseg.readings.agreement import overlap
from napari_ambiseg.readings.collection import SliceCollection

RNG = np.random.default_rng(0)
PRESENT = np.array([[True, True, True], [True, False, True], [False, True, False], [True, True, True]])


def masks() -> np.ndarray:
    found = RNG.random((4, 3, 11, 13)) < 0.3
    found[~PRESENT] = False
    found[3, 0] = False  # read, and nothing drawn
    return found


def by_hand(readings: np.ndarray, read: np.ndarray) -> float:
    """One pair after the other, as the rest of the program counts it."""
    chosen = readings[read]
    if len(chosen) < 2:
        return np.nan
    return overlap(samples=chosen, experts=chosen).dice[np.triu_indices(len(chosen), 1)].mean()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    slices = SliceCollection(
        images=np.zeros((4, 11, 13), np.uint8),
        readings=masks(),
        subjects=("a", "a", "b", "c"),
        nodules=np.array([0, 1, 2, -1]),
        names=("one", "two", "three", "four"),
        present=PRESENT,
    )
    write_lidc_hdf5(tmp_path / "a.h5", {"val": slices})
    return tmp_path / "a.h5"


def test_names_patients_and_nodules_are_the_files(file: Path) -> None:
    index = read_index(file, "val")
    assert (index.subjects, index.names) == (("a", "a", "b", "c"), ("one", "two", "three", "four"))
    assert index.nodules.tolist() == [0, 1, 2, -1]
    with pytest.raises(DataFileError, match="no split 'train'"):
        read_index(file, "train")


def test_agreement_is_the_mean_dice_of_those_who_read_it(file: Path) -> None:
    (found,) = read_agreements(file, "val")
    readings = read_lidc_rows(file, "val", 0, 4).readings
    expected = [by_hand(one, read) for one, read in zip(readings, PRESENT, strict=True)]
    np.testing.assert_allclose(found.dice, expected)
    assert np.isnan(found.dice[2])  # nobody to agree with
    assert found.read.tolist() == [3, 2, 1, 3]
    assert found.drew.tolist() == [3, 2, 1, 2]


def test_those_who_saw_nothing_agree() -> None:
    nothing = np.zeros((1, 3, 4, 4), np.bool_)
    assert agreements(nothing, np.ones((1, 3), np.bool_)).dice.tolist() == [1]
    one = nothing.copy()
    one[0, 0, 0, 0] = True
    found = agreements(one, np.ones((1, 3), np.bool_))
    assert found.dice.tolist() == [pytest.approx(1 / 3)]  # of three pairs, one agrees
    assert found.drew.tolist() == [1]


def test_real_slices_come_in_blocks_that_join(lidc_val: Path) -> None:
    index, blocks = read_index(lidc_val, "val"), read_agreements(lidc_val, "val")
    first, second = next(blocks), next(blocks)
    blocks.close()
    assert len(index) == 2792
    assert (first.start, second.start) == (0, len(first.dice))
    rows = read_lidc_rows(lidc_val, "val", second.start, second.start + 10)
    expected = [by_hand(one, np.ones(4, np.bool_)) for one in rows.readings]
    np.testing.assert_allclose(second.dice[:10], expected)

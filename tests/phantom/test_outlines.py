"""The bundled outlines: enough, real-looking, from the right patients; packing loses nothing."""

import os
from importlib.resources import files
from pathlib import Path

import h5py
import numpy as np
import pytest

from napari_ambiseg.errors import SettingsError
from napari_ambiseg.phantom.outlines import RATINGS, OutlinedSlice, PackedOutlines, bundled_outlines, pack


@pytest.fixture(scope="module")
def outlines() -> PackedOutlines:
    return bundled_outlines()


def real_patients(name: str) -> set[str]:
    """Patients of one of the real data files; skips where they are absent."""
    folder = Path(os.environ.get("AMBISEG_DATA", Path(__file__).parents[3] / "shared" / "data"))
    if not (folder / name).exists():
        pytest.skip(f"{folder / name} is not here")
    with h5py.File(folder / name) as file:
        return {str(s) for group in file.values() for s in group["subject"].asstr()[:]}


def random_slice(rng: np.random.Generator, number: int) -> OutlinedSlice:
    readings = np.zeros((4, 128, 128), bool)
    top, left = rng.integers(0, 60, 2)
    readings[rng.integers(4), top : top + rng.integers(1, 60), left : left + rng.integers(1, 60)] = True
    readings &= rng.random(readings.shape) < 0.7
    readings[0, top, left] = True
    ratings = dict.fromkeys(RATINGS, float(number % 5 + 1))
    return OutlinedSlice(readings, f"patient {number}", number, -1.5 * number, 2.5, ratings)


def test_packing_keeps_every_pixel_and_every_fact() -> None:
    rng = np.random.default_rng(3)
    slices = [random_slice(rng, number) for number in range(12)]
    packed = pack(slices, samples=[True] * 2 + [False] * 10)
    for index, one in enumerate(slices):
        np.testing.assert_array_equal(packed[index].readings, one.readings)
        assert (packed[index].subject, packed[index].nodule, packed[index].z_mm) == (one.subject, one.nodule, one.z_mm)
        assert packed[index].ratings == one.ratings
    assert packed.indices("sample").tolist() == [0, 1]


def test_the_training_pool_has_many_patients_and_the_samples_are_eight(outlines: PackedOutlines) -> None:
    assert len(outlines.indices("train")) >= 300
    assert len(set(outlines.subjects[outlines.indices("train")])) >= 100
    assert len(outlines.indices("sample")) == 8


def test_no_patient_is_in_both_pools(outlines: PackedOutlines) -> None:
    pools = [set(outlines.subjects[outlines.indices(pool)]) for pool in ("train", "sample")]
    assert not pools[0] & pools[1]


def test_training_patients_are_those_of_the_real_training_data(outlines: PackedOutlines) -> None:
    allowed = real_patients("lidc_train_a.h5") | real_patients("lidc_train_b.h5")
    assert set(outlines.subjects[outlines.indices("train")]) <= allowed
    assert not set(outlines.subjects[outlines.indices("sample")]) & allowed


def test_no_patient_of_the_validation_data_is_used(outlines: PackedOutlines) -> None:
    assert not set(outlines.subjects) & real_patients("lidc_val.h5")


def test_readers_drew_as_often_as_in_the_real_data(outlines: PackedOutlines) -> None:
    drew = np.array([outlines[int(i)].readings.any(axis=(1, 2)) for i in outlines.indices("train")])
    assert drew.any(axis=1).all()
    assert abs(drew.mean() - 0.633) < 0.04
    by_readers = np.bincount(drew.sum(axis=1), minlength=5)[1:] / len(drew)
    np.testing.assert_allclose(by_readers, [0.309, 0.185, 0.172, 0.334], atol=0.05)


def test_an_unknown_pool_is_refused(outlines: PackedOutlines) -> None:
    with pytest.raises(SettingsError, match=r"pool 'val'.*choose one of train, sample"):
        outlines.indices("val")  # type: ignore[arg-type]


def test_the_file_is_small_and_names_its_licence() -> None:
    folder = files("napari_ambiseg.phantom")
    assert len(folder.joinpath("outlines.npz").read_bytes()) < 1_000_000
    licence = folder.joinpath("LICENSE-LIDC.md").read_text(encoding="utf-8")
    assert "CC BY 3.0" in licence
    assert "10.7937/K9/TCIA.2015.LO9QL9SX" in licence

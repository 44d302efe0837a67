"""The public files of LIDC-IDRI: what goes in comes out, with patients named as far as anybody can."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from napari_ambiseg.errors import DataFileError
from trainer.preparation.public_files import from_hdf5, from_pickle

RNG = np.random.default_rng(0)
IMAGES = RNG.random((6, 16, 16))
LABELS = (RNG.random((6, 4, 16, 16)) < 0.2).astype(np.uint8)
EMPTY = np.zeros((16, 16), np.uint8)
SERIES = ("1.2.1", "1.2.2", "1.2.3", "1.2.3", "9.9", "9.9")


@pytest.fixture
def hdf5(tmp_path: Path) -> Callable[..., Path]:
    """Two splits of three slices; named arrays replace or add columns."""

    def write(*, first: bool = False, **columns: Any) -> Path:
        with h5py.File(tmp_path / "public.hdf5", "w") as file:
            for name, rows in (("train", slice(0, 3)), ("test", slice(3, 6))):
                group = file.create_group(name)
                group["images"] = IMAGES[rows] - 0.5
                group["labels"] = LABELS[rows] if first else np.moveaxis(LABELS[rows], 1, 3)
                for column, values in columns.items():
                    group[column] = values[rows]
        return tmp_path / "public.hdf5"

    return write


@pytest.mark.parametrize("first", [False, True])
def test_the_public_hdf5_comes_back_whole(hdf5: Callable[..., Path], first: bool) -> None:
    part = from_hdf5(hdf5(first=first, uids=np.arange(6) + 77))
    order = [3, 4, 5, 0, 1, 2]  # splits in alphabetical order
    assert part.splits == ("test",) * 3 + ("train",) * 3
    np.testing.assert_array_equal(part.slices.readings, LABELS[order] != 0)
    np.testing.assert_allclose(part.slices.images, IMAGES[order], atol=1e-6)
    assert part.slices.subjects == tuple(str(77 + i) for i in order)


def test_patients_that_are_only_counted_are_not_those_of_another_split(hdf5: Callable[..., Path]) -> None:
    part = from_hdf5(hdf5(uids=np.array([0, 0, 1, 0, 1, 1])))
    assert part.slices.subjects == ("test 0", "test 1", "test 1", "train 0", "train 0", "train 1")
    assert "does not name the patients of test, train" in part.notes[0]


def test_columns_of_our_own_are_kept(hdf5: Callable[..., Path]) -> None:
    part = from_hdf5(hdf5(subject=[b"A", b"A", b"B", b"C", b"C", b"D"], nodule=np.arange(6), z_mm=np.arange(6.0)))
    assert part.slices.subjects == ("C", "C", "D", "A", "A", "B")
    assert part.z_mm.tolist() == [3, 4, 5, 0, 1, 2]
    assert part.notes == ()


def test_faults_of_all_splits_are_told_at_once(hdf5: Callable[..., Path]) -> None:
    path = hdf5()
    with h5py.File(path, "a") as file:
        file["train/images"][0, 0, 0] = np.nan
        file["test/labels"][0, 0, 0, 0] = 7
    with pytest.raises(DataFileError, match=r"(?s)7.*NaN|NaN.*7"):
        from_hdf5(path)


def public_pickle(folder: Path, **changes: Any) -> Path:
    entries: dict[str, Any] = {
        f"slice {i}": {"image": IMAGES[i], "masks": list(LABELS[i]), "series_uid": SERIES[i]} for i in range(6)
    }
    entries["slice 0"].update(changes)
    (folder / "public.pickle").write_bytes(pickle.dumps(entries))
    return folder / "public.pickle"


def test_the_public_pickle_comes_back_whole(tmp_path: Path) -> None:
    part = from_pickle(public_pickle(tmp_path))
    np.testing.assert_array_equal(part.slices.readings, LABELS != 0)
    np.testing.assert_allclose(part.slices.images, IMAGES, atol=1e-6)
    assert part.slices.subjects == SERIES
    assert part.splits == ("",) * 6


def test_the_database_names_the_patients_of_series(tmp_path: Path, database: Path) -> None:
    part = from_pickle(public_pickle(tmp_path), database)
    assert part.slices.subjects == ("Anna", "Anna", "Bo", "Bo", "9.9", "9.9")
    assert "1 series that are not in the database" in part.notes[0]


def test_fewer_masks_are_missing_readers_not_empty_ones(tmp_path: Path) -> None:
    part = from_pickle(public_pickle(tmp_path, masks=list(LABELS[0, :2])))
    assert part.slices.filled.sum(axis=1).tolist() == [2, 4, 4, 4, 4, 4]


def test_images_around_zero_are_moved_to_the_unit_range(tmp_path: Path) -> None:
    (tmp_path / "a.pickle").write_bytes(
        pickle.dumps({"a": {"image": IMAGES[0] - 0.5, "masks": list(LABELS[0]), "series_uid": "1"}})
    )
    np.testing.assert_allclose(from_pickle(tmp_path / "a.pickle").slices.images[0], IMAGES[0], atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"image": IMAGES[0] * 900}, "run from"),
        ({"image": np.full((16, 16), np.nan)}, "NaN"),
        ({"image": np.full((16, 16), 1e300)}, "infinite"),
        ({"image": IMAGES}, r"of shape \(6, 16, 16\)"),
        ({"image": "none"}, "lacks an image"),
        ({"masks": []}, "no masks"),
        ({"masks": [LABELS[0, 0, :8]]}, "another size"),
        ({"masks": list(LABELS[0] * 3)}, "other than 0 and 1"),
        ({"series_uid": 5}, "lacks an image"),
        ({"image": IMAGES[0, :8], "masks": list(LABELS[0, :, :8])}, "differ in size"),
    ],
)
def test_what_is_wrong_with_a_pickle_is_said(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(DataFileError, match=said):
        from_pickle(public_pickle(tmp_path, **changes))


def test_one_array_under_countless_keys_is_refused_and_under_a_few_is_not(tmp_path: Path) -> None:
    path = tmp_path / "shared.pickle"
    path.write_bytes(
        pickle.dumps({str(i): {"image": IMAGES[0], "masks": [EMPTY] * 4, "series_uid": "1"} for i in range(9)})
    )
    assert len(from_pickle(path).slices) == 9
    large = {"image": np.zeros((500, 500)), "masks": [np.zeros((500, 500), bool)], "series_uid": "1"}
    path.write_bytes(pickle.dumps({str(i): large for i in range(1000)}))
    with pytest.raises(DataFileError, match="claims 500000000 pixels"):
        from_pickle(path)


@pytest.mark.parametrize("content", [[], {}, 3, {"a": 1}, {"a": {"image": 1}}])
def test_a_pickle_of_something_else_is_refused(tmp_path: Path, content: object) -> None:
    (tmp_path / "a.pickle").write_bytes(pickle.dumps(content))
    with pytest.raises(DataFileError):
        from_pickle(tmp_path / "a.pickle")

"""Slices in the public HDF5 layouts: the same slices whatever the form, and back again."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from napari_ambiseg.errors import DataFileError
from napari_ambiseg.io import safe_hdf5
from napari_ambiseg.io.lidc_hdf5 import (
    likely_split,
    read_lidc_hdf5,
    read_lidc_slice,
    split_names,
    write_lidc_hdf5,
)
from napari_ambiseg.readings.collection import SliceCollection
from napari_ambiseg.readings.intensity import Intensity


def assert_same(found: SliceCollection, expected: SliceCollection) -> None:
    assert found.images.dtype == expected.images.dtype
    for name in ("images", "readings", "nodules"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    for name in ("subjects", "names", "spacing_mm", "intensity", "rendered"):
        assert getattr(found, name) == getattr(expected, name), name


def test_what_is_written_comes_back(tmp_path: Path, slices: SliceCollection) -> None:
    other = SliceCollection(
        images=slices.images[:2, :8] / np.float32(255),
        readings=slices.readings[:2, :1, :8],
        subjects=("x", ""),
        nodules=np.array([5, -1]),
        names=("", "late"),
        spacing_mm=(0.7, 0.3),
        intensity=Intensity(lung_hu=-900, tissue_hu=30, low=-1, high=3),
        rendered=True,
    )
    path = tmp_path / "deep" / "folder" / "both.h5"
    write_lidc_hdf5(path, {"train": slices, "val": other})
    assert split_names(path) == ("train", "val")
    assert_same(read_lidc_hdf5(path, "train"), slices)
    assert_same(read_lidc_hdf5(path, "val"), other)


@pytest.mark.parametrize(
    ("splits", "likely"),
    [
        (("odd",), "odd"),
        (("test", "train", "val"), "val"),
        (("test", "train"), "test"),
        (("aaa", "train"), "train"),
    ],
)
def test_the_likely_split_is_the_only_one_or_has_a_usual_name(
    tmp_path: Path, slices: SliceCollection, splits: tuple[str, ...], likely: str
) -> None:
    write_lidc_hdf5(tmp_path / "x.h5", dict.fromkeys(splits, slices))
    assert likely_split(tmp_path / "x.h5") == likely


def test_among_several_unusual_splits_none_is_likely(tmp_path: Path, slices: SliceCollection) -> None:
    write_lidc_hdf5(tmp_path / "x.h5", {"odd": slices, "even": slices})
    with pytest.raises(DataFileError, match="has the splits even, odd; choose one with --split, or name one val"):
        likely_split(tmp_path / "x.h5")


def test_a_foreign_group_is_no_split_and_does_no_harm(tmp_path: Path, slices: SliceCollection) -> None:
    write_lidc_hdf5(tmp_path / "x.h5", {"odd": slices})
    with h5py.File(tmp_path / "x.h5", "a") as file:
        file["about/images"] = np.zeros(3)
        file.create_group("val")
    assert split_names(tmp_path / "x.h5") == ("odd",)
    assert likely_split(tmp_path / "x.h5") == "odd"
    assert_same(read_lidc_hdf5(tmp_path / "x.h5", "odd"), slices)


def test_what_is_written_is_the_public_layout_with_checksums(tmp_path: Path, slices: SliceCollection) -> None:
    write_lidc_hdf5(tmp_path / "x.h5", {"train": slices})
    with h5py.File(tmp_path / "x.h5") as file:
        group: Any = file["train"]
        np.testing.assert_array_equal(group["images"], slices.images)
        np.testing.assert_array_equal(group["labels"], np.moveaxis(slices.readings, 1, 3))
        assert group["labels"].dtype == np.uint8
        assert group["uids"][:].tolist() == [0, 0, 1, 1, 1, 2, 2]
        assert all(data.fletcher32 and data.compression == "gzip" for data in group.values())


@pytest.mark.parametrize("readers_first", [False, True])
@pytest.mark.parametrize("kind", [np.uint8, np.int64, np.bool_, np.float32])
def test_labels_read_alike_in_every_order_and_type(
    write_file: Any, slices: SliceCollection, readers_first: bool, kind: type
) -> None:
    labels = slices.readings if readers_first else np.moveaxis(slices.readings, 1, 3)
    found = read_lidc_hdf5(write_file(labels=labels.astype(kind)), "train")
    np.testing.assert_array_equal(found.readings, slices.readings)


@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.int64])
def test_other_integers_read_as_uint8(write_file: Any, slices: SliceCollection, kind: type) -> None:
    found = read_lidc_hdf5(write_file(images=slices.images.astype(kind)), "train")
    assert found.images.dtype == np.uint8
    np.testing.assert_array_equal(found.images, slices.images)


@pytest.mark.parametrize("offset", [0, -0.5], ids=["zero to one", "public files"])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_floats_come_to_the_same_network_input(
    write_file: Any, slices: SliceCollection, offset: float, kind: type
) -> None:
    path = write_file(images=(slices.images / 255 + offset).astype(kind))
    found = read_lidc_hdf5(path, "train")
    for index in range(len(slices)):
        np.testing.assert_allclose(found.normalised(index), slices.normalised(index), atol=1e-6)
        np.testing.assert_allclose(read_lidc_slice(path, "train", index).image, slices.normalised(index), atol=1e-6)


@pytest.mark.parametrize("offset", [0, -0.5])
def test_a_slice_that_fits_both_float_ranges_is_read_as_its_file_is(write_file: Any, offset: float) -> None:
    unit = np.random.default_rng(1).random((7, 12, 10))
    unit[0] = unit[0] * 0.4 - offset  # stored in [0, 0.4] by either kind of file
    path = write_file(images=unit + offset)
    np.testing.assert_allclose(read_lidc_hdf5(path, "train").images, unit, atol=1e-6)
    expected = Intensity().from_unit(unit[0])[None]
    np.testing.assert_allclose(read_lidc_slice(path, "train", 0).image, expected, atol=1e-6)


def test_a_bare_public_file_names_slices_and_patients_by_index(write_file: Any) -> None:
    found = read_lidc_hdf5(write_file(), "train")
    assert found.names[:2] == ("slice 0", "slice 1")
    assert found.subjects[:2] == ("lidc/train 0", "lidc/train 1")
    assert len(set(found.subjects)) == 7
    assert found.nodules.tolist() == [-1] * 7
    assert (found.spacing_mm, found.intensity, found.rendered) == ((0.5, 0.5), Intensity(), False)


@pytest.mark.parametrize("uids", [np.array([4, 4, 4, 7, 7, 7, 7]), np.array([b"4", b"4", b"4"] + [b"7"] * 4)])
def test_without_subjects_slices_of_one_series_are_of_one_patient(write_file: Any, uids: np.ndarray) -> None:
    assert read_lidc_hdf5(write_file(uids=uids), "train").subjects == ("4",) * 3 + ("7",) * 4


def test_our_columns_name_the_slices(write_file: Any) -> None:
    path = write_file(
        subject=np.array([b"LIDC-IDRI-0003"] * 7),
        nodule=np.arange(7),
        z_mm=np.linspace(-125, -119, 7, dtype=np.float32),
    )
    found = read_lidc_hdf5(path, "train")
    assert found.names[2] == read_lidc_slice(path, "train", 2).name == "LIDC-IDRI-0003, nodule 2, z -123.0 mm"
    assert found.subjects[2] == "LIDC-IDRI-0003"
    assert found.nodules.tolist() == list(range(7))


@pytest.mark.parametrize("on_group", [False, True])
def test_attributes_are_honoured_on_the_file_and_on_the_group(write_file: Any, on_group: bool) -> None:
    path = write_file()
    with h5py.File(path, "a") as file:
        holder: Any = file["train"] if on_group else file
        holder.attrs.update({"spacing_mm": 0.7, "intensity_low": -1.0, "intensity_high": 4.0})
    found = read_lidc_slice(path, "train", 0)
    assert found.spacing_mm == (0.7, 0.7)
    assert read_lidc_hdf5(path, "train").intensity == Intensity(low=-1, high=4)


def test_every_single_slice_equals_the_one_in_the_collection(tmp_path: Path, slices: SliceCollection) -> None:
    write_lidc_hdf5(tmp_path / "x.h5", {"train": slices})
    for index, expected in enumerate(slices):
        found = read_lidc_slice(tmp_path / "x.h5", "train", index)
        np.testing.assert_array_equal(found.image, expected.image)
        np.testing.assert_array_equal(found.readings, expected.readings)
        assert (found.subject, found.nodule, found.name) == (expected.subject, expected.nodule, expected.name)


def test_a_single_slice_is_read_without_the_others(write_file: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[tuple[int, int]] = []
    read = safe_hdf5.read

    def spy(source: h5py.Dataset, start: int, stop: int) -> Any:
        rows.append((start, stop))
        return read(source, start, stop)

    monkeypatch.setattr(safe_hdf5, "read", spy)
    read_lidc_slice(write_file(uids=np.arange(7)), "train", 4)
    assert set(rows) == {(4, 5)}


def test_readers_that_cannot_be_told_from_rows_are_asked_for(write_file: Any) -> None:
    labels = np.random.default_rng(2).random((7, 10, 10, 10)) < 0.5
    path = write_file(images=np.zeros((7, 10, 10), np.uint8), labels=labels)
    with pytest.raises(DataFileError, match='set the attribute reader_axis of labels to "first" or "last"'):
        read_lidc_hdf5(path, "train")
    for axis, expected in (("first", labels), ("last", np.moveaxis(labels, 3, 1))):
        with h5py.File(path, "a") as file:
            file["train/labels"].attrs["reader_axis"] = axis
        np.testing.assert_array_equal(read_lidc_hdf5(path, "train").readings, expected)


def test_as_many_readers_as_rows_survive_writing_and_reading(tmp_path: Path) -> None:
    square = SliceCollection(
        images=np.zeros((2, 4, 4), np.uint8),
        readings=np.random.default_rng(3).random((2, 4, 4, 4)) < 0.5,
        subjects=("a", "b"),
        nodules=np.array([0, 1]),
        names=("a", "b"),
    )
    write_lidc_hdf5(tmp_path / "x.h5", {"train": square})
    assert_same(read_lidc_hdf5(tmp_path / "x.h5", "train"), square)


def test_more_slices_than_a_block_come_back_in_order(tmp_path: Path, slices: SliceCollection) -> None:
    many = slices.subset([i % 7 for i in range(600)])
    write_lidc_hdf5(tmp_path / "x.h5", {"train": many})
    assert_same(read_lidc_hdf5(tmp_path / "x.h5", "train"), many)


def test_splits_without_slices_or_plain_names_are_not_written(tmp_path: Path, slices: SliceCollection) -> None:
    for splits in ({}, {"train": slices.subset([])}, {"a/b": slices}, {"": slices}, {".": slices}):
        with pytest.raises(DataFileError, match=r"cannot write the split|there are no splits"):
            write_lidc_hdf5(tmp_path / "x.h5", splits)
    assert list(tmp_path.iterdir()) == []


def test_real_slices_carry_patients_lesions_and_four_readers(lidc_val: Path) -> None:
    assert split_names(lidc_val) == ("val",)
    found = read_lidc_hdf5(lidc_val, "val")
    assert found.readings.shape == (2792, 4, 128, 128)
    assert len(set(found.subjects)) == 175
    assert len(set(found.nodules.tolist())) == 475
    drew = found.readings.any(axis=(2, 3)).sum(axis=1)
    assert np.bincount(drew, minlength=5).tolist() == [0, 799, 508, 571, 914]
    single = read_lidc_slice(lidc_val, "val", 1000)
    assert single.name == found.names[1000] == "LIDC-IDRI-0576, nodule 1476, z 820.8 mm"
    np.testing.assert_array_equal(single.readings, found.readings[1000])
    np.testing.assert_array_equal(single.image, found.normalised(1000))

"""Files that are damaged, forged or of another layout: refused in one sentence with value and remedy, and quickly."""

import os
import shutil
import struct
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from napari_ambiseg.errors import DataFileError
from napari_ambiseg.io.lidc_hdf5 import likely_split, read_lidc_hdf5, read_lidc_slice, split_names, write_lidc_hdf5
from napari_ambiseg.readings.collection import SliceCollection


def refusal(path: Path, split: str = "train") -> str:
    """The one sentence with which a split, and its first slice, are refused."""
    with pytest.raises(DataFileError) as whole:
        read_lidc_hdf5(path, split)
    with pytest.raises(DataFileError) as single:
        read_lidc_slice(path, split, 0)
    assert str(single.value).splitlines() == [str(single.value)]
    assert str(whole.value).splitlines() == [str(whole.value)]
    return str(whole.value)


def changed(values: np.ndarray, value: float, kind: type | None = None) -> np.ndarray:
    result = values.astype(kind or values.dtype)
    result[0, 3, 4] = value
    return result


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    assert "there is no file at" in refusal(tmp_path / "nothing.h5")
    assert "there is no file at" in refusal(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n" + bytes(100), b"subject,nodule\n1,2\n"])
def test_a_file_of_another_format_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.h5").write_bytes(content)
    assert "is not an HDF5 file; convert it with write_lidc_hdf5" in refusal(tmp_path / "x.h5")


@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.99])
def test_a_truncated_file_is_refused(tmp_path: Path, slices: SliceCollection, share: float) -> None:
    path = tmp_path / "x.h5"
    write_lidc_hdf5(path, {"train": slices})
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    assert "truncated or damaged HDF5 file" in refusal(path)
    with pytest.raises(DataFileError, match="truncated or damaged HDF5 file"):
        split_names(path)


def test_an_unknown_split_is_refused_with_those_there_are(tmp_path: Path, slices: SliceCollection) -> None:
    write_lidc_hdf5(tmp_path / "x.h5", {"train": slices, "val": slices})
    assert refusal(tmp_path / "x.h5", "test").endswith("has no split 'test'; it has train, val")
    for sly in ("train/", "/", "..", "train/images", ""):
        assert "has no split" in refusal(tmp_path / "x.h5", sly)


def test_a_file_without_groups_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["images"] = np.zeros((2, 4, 4))
    with pytest.raises(DataFileError, match=r"has no splits \(its groups: none\); expected groups such as train"):
        split_names(tmp_path / "x.h5")
    assert "it has no splits at all" in refusal(tmp_path / "x.h5")


def test_a_file_whose_groups_are_no_splits_is_refused_with_their_names(write_file: Any) -> None:
    with pytest.raises(DataFileError, match=r"has no splits \(its groups: 'train'\)"):
        likely_split(write_file(labels=None))


@pytest.mark.parametrize("key", ["images", "labels"])
def test_missing_arrays_are_named(write_file: Any, key: str) -> None:
    assert f"has no '{key}'; expected the arrays images and labels, found" in refusal(write_file(**{key: None}))


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        (
            {"images": np.zeros((7, 12, 10, 3))},
            "images in {} have shape (7, 12, 10, 3); expected (slices, height, width)",
        ),
        ({"images": np.zeros((7, 0, 10))}, "have shape (7, 0, 10)"),
        ({"images": np.array(["a"] * 7, "S1")}, "images in {} are of type |S1; expected numbers"),
        ({"images": np.zeros((7, 12, 10), complex)}, "are of type complex128; expected numbers"),
        (
            {"labels": np.zeros((6, 12, 10, 3))},
            "labels in {} have shape (6, 12, 10, 3); expected (slices, height, width",
        ),
        ({"labels": np.zeros((7, 12, 10))}, "have shape (7, 12, 10)"),
        ({"labels": np.zeros((7, 10, 12, 3))}, "have shape (7, 10, 12, 3)"),
        ({"labels": np.zeros((7, 12, 10, 0))}, "with one reader or more"),
        (
            {"images": np.zeros((0, 12, 10)), "labels": np.zeros((0, 12, 10, 3))},
            "{} has no slices; choose another split",
        ),
        ({"subject": np.array([b"a"] * 6)}, "subject in {} has shape (6,); expected one entry for each of 7"),
        ({"uids": np.zeros((7, 2))}, "uids in {} has shape (7, 2)"),
        ({"nodule": np.zeros(7)}, "nodule in {} is of type float64; expected whole numbers"),
        ({"images": h5py.Empty("f")}, "is not an array"),
    ],
)
def test_another_layout_is_refused(write_file: Any, arrays: dict[str, Any], sentence: str) -> None:
    path = write_file(**arrays)
    assert sentence.format(f"split 'train' of {path}") in refusal(path)


def test_a_group_in_place_of_an_array_is_refused(write_file: Any) -> None:
    path = write_file(labels=None)
    with h5py.File(path, "a") as file:
        file.create_group("train/labels")
    assert "/train/labels of" in refusal(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_images_with_holes_are_refused(write_file: Any, slices: SliceCollection, value: float) -> None:
    path = write_file(images=changed(slices.images / 255, value))
    assert "contain NaN or infinite values; replace them" in refusal(path)


@pytest.mark.parametrize(
    ("value", "kind", "words"),
    [
        (-900, np.int16, "are int16 from -900 to"),
        (256, np.uint16, "to 256; expected grey values 0 to 255; rescale them"),
        (1.5, np.float32, "to 1.5; expected [0, 1], or [-0.5, 0.5] as in the public files; rescale them"),
        (-0.8, np.float64, "are floats from -0.8 to"),
    ],
)
def test_grey_values_of_another_scale_are_refused(
    write_file: Any, slices: SliceCollection, value: float, kind: type, words: str
) -> None:
    images = slices.images / 255 if np.issubdtype(kind, np.floating) else slices.images
    assert words in refusal(write_file(images=changed(images, value, kind)))


def test_floats_that_fit_neither_range_as_a_whole_are_refused(write_file: Any, slices: SliceCollection) -> None:
    images = slices.images / 255
    images[0, 0, 0], images[0, 0, 1] = -0.3, 0.9
    assert "are floats from -0.3 to" in refusal(write_file(images=images))


@pytest.mark.parametrize(
    ("value", "kind"), [(2, np.uint8), (255, np.uint8), (-1, np.int8), (0.5, float), (np.nan, float)]
)
def test_labels_that_are_neither_0_nor_1_are_refused(
    write_file: Any, slices: SliceCollection, value: float, kind: type
) -> None:
    labels = changed(np.moveaxis(slices.readings, 1, 3), value, kind)
    assert f"contain {kind(value)}; expected 0 (outside) and 1 (inside) alone" in refusal(write_file(labels=labels))


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("spacing_mm", 0.0, "expected one or two positive numbers"),
        ("spacing_mm", [0.5, 0.5, 1.0], "expected one or two positive numbers"),
        ("spacing_mm", np.nan, "expected finite numbers"),
        ("spacing_mm", "half", "the attribute spacing_mm of"),
        ("intensity_high", -2.0, "expected low < high"),
        ("intensity_low", [0.0, 1.0], "expected one number"),
        ("lung_hu", 100.0, "lung_hu < tissue_hu"),
    ],
)
def test_attributes_that_make_no_sense_are_refused(write_file: Any, name: str, value: Any, words: str) -> None:
    path = write_file()
    with h5py.File(path, "a") as file:
        file.attrs[name] = value
    assert words in refusal(path)


@pytest.mark.parametrize("index", [-1, 7, 10**20])
def test_a_slice_that_is_not_there_is_refused(write_file: Any, index: int) -> None:
    with pytest.raises(DataFileError, match=rf"there is no slice {index} in .*; it has slices 0 to 6"):
        read_lidc_slice(write_file(), "train", index)


@pytest.mark.parametrize(
    ("shape", "chunks"), [((80_000_000, 128, 128), (1, 128, 128)), ((2**40, 2**20, 2**20), (1, 64, 64))]
)
def test_a_file_that_declares_terabytes_is_refused_at_once(
    tmp_path: Path, shape: tuple[int, ...], chunks: tuple[int, ...]
) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("train/images", shape, np.uint8, chunks=chunks)
        file.create_dataset("train/labels", (*shape, 4), np.uint8, chunks=(*chunks, 4))
    start = time.perf_counter()
    assert "GB (shape (" in refusal(tmp_path / "x.h5")  # twice, in fact: whole and single
    assert time.perf_counter() - start < 1


def test_a_chunk_that_declares_gigabytes_is_refused(write_file: Any) -> None:
    path = write_file(images=None)
    with h5py.File(path, "a") as file:
        file.create_dataset(
            "train/images",
            (7, 12, 10),
            np.uint8,
            chunks=(2**15, 256, 256),
            maxshape=(None, None, None),
            compression="gzip",
        )
    assert "declares 2.1 GB" in refusal(path)


def test_a_piece_of_no_length_is_refused_before_it_crashes_the_library(
    write_file: Any, slices: SliceCollection
) -> None:
    path = write_file(images=None)
    with h5py.File(path, "a") as file:
        data = file["train"].create_dataset(
            "images", data=slices.images, chunks=slices.images.shape, compression="gzip", fletcher32=True
        )
        chunk = data.id.get_chunk_info(0)
    # The entry of the chunk: length, mask, offset in each direction (one more than the array has), place in the file.
    entry = struct.pack("<IIQQQQQ", chunk.size, 0, 0, 0, 0, 0, chunk.byte_offset)
    content = path.read_bytes()
    assert content.count(entry) == 1
    path.write_bytes(content.replace(entry, bytes(4) + entry[4:]))
    assert "/train/images of" in (words := refusal(path))
    assert "is damaged (a piece of 0 bytes); fetch or write the file again" in words


def test_a_split_with_an_unprintable_name_is_listed_on_one_line(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_group("tr\nain")
    assert refusal(tmp_path / "x.h5").endswith("it has 'tr\\nain'")


def test_links_and_storage_outside_the_file_are_never_followed(tmp_path: Path, write_file: Any) -> None:
    good = shutil.copy(write_file(), tmp_path / "secret.h5")
    raw = tmp_path / "secret.raw"
    raw.write_bytes(bytes(7 * 12 * 10))
    layout = h5py.VirtualLayout((7, 12, 10), np.uint8)
    layout[:] = h5py.VirtualSource(good, "train/images", (7, 12, 10))
    path = write_file(images=None)
    for forge in (
        lambda group: group.__setitem__("images", h5py.ExternalLink(good, "train/images")),
        lambda group: group.__setitem__("images", h5py.SoftLink("/outside/images")),
        lambda group: group.create_dataset("images", (7, 12, 10), np.uint8, external=[(raw, 0, 840)]),
        lambda group: group.create_virtual_dataset("images", layout),
    ):
        with h5py.File(path, "a") as file:
            forge(file["train"])
        assert "points to other places, which is never followed; copy the values" in refusal(path)
        with h5py.File(path, "a") as file:
            del file["train/images"]


def test_a_split_that_is_a_link_does_not_count(tmp_path: Path, write_file: Any) -> None:
    good = shutil.copy(write_file(), tmp_path / "secret.h5")
    path = write_file()
    with h5py.File(path, "a") as file:
        file["val"] = h5py.ExternalLink(good, "train")
        file["test"] = h5py.SoftLink("/val")
    assert split_names(path) == ("train",)
    assert "has no split 'val'; it has train" in refusal(path, "val")


def test_an_altered_byte_of_the_values_is_noticed(tmp_path: Path, slices: SliceCollection) -> None:
    path = tmp_path / "x.h5"
    write_lidc_hdf5(path, {"train": slices})
    with h5py.File(path) as file:
        places = [file["train"][key].id.get_chunk_info(0) for key in ("images", "labels", "nodule", "subject")]
    content = path.read_bytes()
    for place in places:
        damaged = bytearray(content)
        damaged[place.byte_offset + place.size // 2] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(DataFileError, match="the file is damaged or stored with a filter that is missing here"):
            read_lidc_hdf5(path, "train")


def test_random_damage_ends_in_the_same_slices_or_in_a_sentence(tmp_path: Path, slices: SliceCollection) -> None:
    path = tmp_path / "x.h5"
    write_lidc_hdf5(path, {"train": slices})
    content, rng, refusals = path.read_bytes(), np.random.default_rng(0), list[str]()
    for _ in range(200):
        damaged = bytearray(content)
        for place in rng.integers(0, len(content), rng.integers(1, 9)):
            damaged[place] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        try:
            found = read_lidc_hdf5(path, "train")
            np.testing.assert_array_equal(found.images, slices.images)
            np.testing.assert_array_equal(found.readings, slices.readings)
            assert (found.subjects, found.spacing_mm) == (slices.subjects, slices.spacing_mm)
        except DataFileError as error:
            refusals.append(str(error))
    assert len(refusals) > 100
    assert all(len(words.splitlines()) == 1 for words in refusals)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_that_may_not_be_read_is_refused(write_file: Any) -> None:
    path = write_file()
    path.chmod(0)
    assert "Permission denied" in refusal(path)

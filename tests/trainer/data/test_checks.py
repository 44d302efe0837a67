"""Every kind of bad data is named with its file, all of it in one message, and good data pass unchanged."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from napari_ambiseg.errors import DataFileError
from napari_ambiseg.io.lidc_hdf5 import named_patients, write_lidc_hdf5
from napari_ambiseg.readings.collection import SliceCollection
from napari_ambiseg.readings.intensity import Intensity
from trainer.__main__ import main
from trainer.data.checks import DataFaults, read_checked, shared_patients
from trainer.data.sources import collection_digest, load_data

Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path, discs: SliceCollection) -> Write:
    """Write a file of raw arrays: the discs unless told otherwise (None leaves an array out)."""

    def write(name: str = "discs.h5", split: str = "train", **arrays: Any) -> str:
        plain = {
            "images": discs.images,
            "labels": np.moveaxis(discs.readings, 1, 3).astype(np.uint8),
            "subject": np.array([subject.encode() for subject in discs.subjects]),
        }
        with h5py.File(tmp_path / name, "a") as file:
            group = file.create_group(split)
            for key, values in {**plain, **arrays}.items():
                if values is not None:
                    group[key] = values
        return str(tmp_path / name)

    return write


def faults(*names: str, split: str = "train", **more: Any) -> tuple[str, ...]:
    with pytest.raises(DataFaults) as caught:
        read_checked(names, split, **more)
    assert all(len(fault.splitlines()) == 1 for fault in caught.value.faults)
    return caught.value.faults


def fault(*names: str, **more: Any) -> str:
    (only,) = faults(*names, **more)
    return only


def with_value(array: np.ndarray, value: float) -> np.ndarray:
    changed = array.astype(np.float32)
    changed[3, 1, 2] = value
    return changed


def test_good_data_are_what_plain_reading_gives(write: Write, discs: SliceCollection) -> None:
    names = [write("a.h5"), write("b.h5", images=255 - discs.images)]
    assert collection_digest(read_checked(names, "train", grid_px=32)) == collection_digest(load_data(names, "train"))
    assert len(read_checked(["phantom:3"], "train", grid_px=128)) == 3


def test_nothing_named_is_refused() -> None:
    with pytest.raises(DataFileError, match="no data was given"):
        read_checked([], "train")


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"images": None}, "has no 'images'"),
        ({"labels": None}, "has no 'labels'"),
        ({"images": np.zeros((24, 32, 32, 3))}, "images in {} have shape (24, 32, 32, 3)"),
        ({"labels": np.zeros((23, 32, 32, 4), np.uint8)}, "labels in {} have shape (23, 32, 32, 4)"),
        ({"images": np.full((24, 32, 32), np.nan, np.float32)}, "images in {} contain NaN"),
        ({"labels": np.full((24, 32, 32, 4), 7, np.uint8)}, "labels in {} contain 7; expected 0"),
        ({"labels": np.full((24, 32, 32, 4), np.nan)}, "labels in {} contain nan; expected 0"),
        ({"images": np.zeros((0, 32, 32)), "labels": np.zeros((0, 32, 32, 4)), "subject": None}, "{} has no slices"),
        ({"subject": np.array([b"one"] * 5)}, "subject in {} has shape (5,)"),
        ({"nodule": np.zeros(24)}, "nodule in {} is of type float64"),
        ({"present": np.ones((24, 3), np.uint8)}, "present in {} has shape (24, 3)"),
        ({"present": np.zeros((24, 4), np.uint8)}, "a reader who is not present has drawn a mask"),
    ],
)
def test_what_is_wrong_with_an_array_is_named(write: Write, arrays: dict[str, Any], words: str) -> None:
    path = write(**arrays)
    sentence = fault(path)
    assert words.format(f"split 'train' of {path}") in sentence
    assert path in sentence


def test_all_faults_of_a_file_are_found_at_once(write: Write, discs: SliceCollection) -> None:
    path = write(
        images=with_value(discs.images / 255, np.nan),
        labels=with_value(np.moveaxis(discs.readings, 1, 3), 3.0),
        subject=np.array([b"one"] * 5),
        nodule=np.zeros(24),
        present=np.ones((24, 3), np.uint8),
    )
    with h5py.File(path, "a") as file:
        file["train"].attrs["spacing_mm"] = -1.0
        file["train"].attrs["intensity_low"] = 9.0
    found = faults(path)
    for words in ("NaN", "contain 3.0", "subject", "nodule", "present", "spacing_mm", "grey scale"):
        assert sum(words in sentence for sentence in found) == 1
    assert len(found) == 7


def test_one_array_that_is_wrong_does_not_hide_the_others(write: Write, discs: SliceCollection) -> None:
    labels = with_value(np.moveaxis(discs.readings, 1, 3), 0.5)
    found = faults(write(images=None, labels=labels, nodule=np.zeros(24)))
    assert len(found) == 3
    found = faults(write("b.h5", images=with_value(discs.images / 255, np.inf), labels=None, uids=np.zeros((2, 2))))
    assert len(found) == 3


def test_faults_of_several_files_come_together(write: Write, tmp_path: Path, discs: SliceCollection) -> None:
    (tmp_path / "text.h5").write_text("no HDF5")
    names = [
        str(tmp_path / "missing.h5"),
        str(tmp_path / "text.h5"),
        write("split.h5", split="val", subject=np.array([b"Bo"] * 24)),
        write("labels.h5", labels=np.full((24, 32, 32, 4), 2, np.uint8)),
        write("good.h5"),
        "phantom:none",
    ]
    found = faults(*names)
    assert len(found) == 5
    for name, words in zip(
        [*names[:4], names[5]],
        ["no file at", "not an HDF5 file", "has no split 'train'; it has val", "contain 2", "whole number"],
        strict=True,
    ):
        assert sum(name in sentence and words in sentence for sentence in found) == 1


def test_slices_that_nobody_read_are_named(tmp_path: Path, discs: SliceCollection) -> None:
    present = np.ones((24, 4), bool)
    present[[2, 9]] = False
    readings = discs.readings & present[:, :, None, None]
    write_lidc_hdf5(tmp_path / "x.h5", {"train": replace(discs, readings=readings, present=present)})
    sentence = fault(str(tmp_path / "x.h5"))
    assert "2 slices (slice 2, slice 9) have no expert at all; leave them out" in sentence
    assert "x.h5" in sentence


def test_slices_smaller_than_the_grid_are_named(write: Write) -> None:
    path = write()
    assert f"{path}: slices of 32 x 32 pixels are smaller than the model's grid of 64 x 64" in fault(path, grid_px=64)


def test_files_that_differ_are_named_with_the_difference(tmp_path: Path, discs: SliceCollection) -> None:
    others = {
        "first": discs,
        "spacing": replace(discs, images=255 - discs.images, spacing_mm=(0.7, 0.7)),
        "grey": replace(discs, images=discs.images // 2, intensity=Intensity(high=3.0)),
        "size": replace(discs, images=discs.images[:, :30], readings=discs.readings[:, :, :30]),
    }
    for name, slices in others.items():
        write_lidc_hdf5(tmp_path / name, {"train": slices})
    spacing, grey, size = faults(*(str(tmp_path / name) for name in others))
    assert "a spacing of 0.7 x 0.7 mm instead of a spacing of 0.5 x 0.5 mm; prepare them alike" in spacing
    assert "grey values from -0.5 to 3 " in grey
    assert "30 x 32 pixels instead of 32 x 32 pixels" in size


def test_a_file_given_twice_is_named_under_any_name(write: Write, tmp_path: Path) -> None:
    path = write()
    (tmp_path / "folder").mkdir()
    assert "is named 2 times; name it once" in fault(path, str(tmp_path / "folder" / ".." / "discs.h5"))
    copy = tmp_path / "copy.h5"
    copy.write_bytes(Path(path).read_bytes())
    assert f"{path} and {copy} hold the same images" in fault(path, str(copy))


def test_a_patient_in_two_splits_of_a_file_is_named(write: Write, discs: SliceCollection) -> None:
    path = write()
    strangers = [b"Bo"] * 20 + [b"patient 7", b"patient 6", b"Bo", b"Bo"]
    write(split="val", images=discs.images[::-1], subject=np.array(strangers))
    sentence = fault(path)
    assert sentence.startswith(f"2 patients (patient 6, patient 7) are in split 'train' of {path} and in split 'val'")


def test_a_patient_in_two_splits_of_two_files_is_named(write: Write, discs: SliceCollection) -> None:
    first, second = write("a.h5"), write("b.h5", split="val")
    write("b.h5", images=255 - discs.images)  # the same patients may train in two files
    sentence_a, sentence_b = faults(first, second)
    assert "8 patients (patient 0, patient 1, patient 2, ...) are in split 'train' of" in sentence_a
    assert "b.h5" in sentence_b


def test_patients_are_kept_apart_from_those_of_another_file(write: Write) -> None:
    path, other = write("a.h5"), write("kept.h5", subject=np.array([b"Bo"] * 24))
    assert len(read_checked([path], "train", apart=[other])) == 24
    assert "8 patients" in fault(path, apart=[write("same.h5")])
    assert "there is no file at nothing.h5" in fault(path, apart=["nothing.h5"])


def test_numbers_that_only_count_say_nothing_of_patients(write: Write) -> None:
    counted = np.arange(24) // 3
    path = write(subject=None, uids=counted)
    write(split="val", subject=None, uids=counted)
    assert named_patients(Path(path)) == {"train": frozenset(), "val": frozenset()}
    assert len(read_checked([path], "train")) == 24
    series = write("series.h5", subject=None, uids=counted + 9000)
    write("series.h5", split="val", subject=None, uids=counted + 9005)
    assert "3 patients (9005, 9006, 9007) are in split 'train'" in fault(series)


def test_nobody_is_shared_where_nobody_is_known() -> None:
    assert shared_patients([]) == []


def test_the_command_line_prints_every_fault_on_a_line_and_answers_2(
    write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = write(labels=np.full((24, 32, 32, 4), 2, np.uint8), nodule=np.zeros(24))
    words = ["fit", "tiny", "--data", bad, str(tmp_path / "missing.h5"), "--out", str(tmp_path / "run")]
    assert main(words) == 2
    heading, *lines = capsys.readouterr().err.splitlines()
    assert heading == "error: the data have 3 faults; nothing was done with them"
    assert len(lines) == 3
    assert all(line.startswith("- ") for line in lines)
    assert not (tmp_path / "run").exists()


def test_check_says_what_a_run_would_learn_from_and_stops(
    write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["fit", "tiny", "--data", write(), "--set", "grid_px=32", "steps=6", "--out", str(tmp_path / "run")]
    assert main([*words, "--check"]) == 0
    assert capsys.readouterr().out == (
        "32 x 32 pixels, up to 4 experts each: 21 slices of 7 patients to train on, 3 slices of 1 patient held out; "
        "6 steps of 8 examples show every slice 2.29 times\n"
    )
    assert main([*words, "--check", "--set", "experts=all", "--set", "batch_size=6"]) == 2
    assert "does not hold whole slices with all of 4 readers" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_terabytes_that_are_only_declared_are_refused_at_once(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        shape = (80_000_000, 128, 128)
        file.create_dataset("train/images", shape, np.uint8, chunks=(1, 128, 128))
        file.create_dataset("train/labels", (*shape, 4), np.uint8, chunks=(1, 128, 128, 4))
    start = time.perf_counter()
    found = faults(str(tmp_path / "x.h5"))
    assert time.perf_counter() - start < 5
    assert ["declares 1310.7 GB" in found[0], "declares 5242.9 GB" in found[1]] == [True, True]


def test_damaged_files_are_read_alike_or_refused(tmp_path: Path, discs: SliceCollection) -> None:
    path = tmp_path / "x.h5"
    write_lidc_hdf5(path, {"train": discs})
    content, rng, refusals = path.read_bytes(), np.random.default_rng(1), 0
    digest = collection_digest(discs)
    for attempt in range(60):
        damaged = bytearray(content)
        for place in rng.integers(0, len(content), rng.integers(1, 9)):
            damaged[place] ^= 1 << rng.integers(8)
        path.write_bytes(damaged if attempt % 8 else content[: rng.integers(len(content))])
        try:
            assert collection_digest(read_checked([str(path)], "train", grid_px=32)) == digest
        except DataFaults:
            refusals += 1
    assert refusals > 30


def test_real_files_pass_in_seconds(lidc_train: Path, lidc_val: Path) -> None:
    start = time.perf_counter()
    slices = read_checked([str(lidc_train)], "train", grid_px=128, apart=[str(lidc_val)])
    assert len(slices) == 4182
    assert time.perf_counter() - start < 60  # a few on a quiet core

import gc
import pickle
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

from napari_ambiseg.errors import DataFileError
from napari_ambiseg.io.archive import read_saved_readings
from napari_ambiseg.io.export import save_readings_npz

READINGS = np.random.default_rng(0).random((3, 8, 9)) > 0.5
EXPERTS = READINGS[:2] ^ True


@pytest.mark.parametrize("spacing", [None, (0.7, 0.4)])
def test_saved_readings_come_back(tmp_path: Path, spacing: tuple[float, float] | None) -> None:
    save_readings_npz(tmp_path / "x.npz", readings=READINGS, experts=EXPERTS, spacing_mm=spacing)
    saved = read_saved_readings(tmp_path / "x.npz")
    np.testing.assert_array_equal(saved.readings, READINGS)
    np.testing.assert_array_equal(saved.experts, EXPERTS)
    assert saved.spacing_mm == spacing


def test_masks_of_zeros_and_ones_count_as_booleans(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", readings=READINGS.astype(np.float64), experts=EXPERTS.astype(np.uint8))
    np.testing.assert_array_equal(read_saved_readings(tmp_path / "x.npz").readings, READINGS)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"readings": READINGS}, r"no experts \(its arrays: readings\)"),
        ({"other": READINGS}, "no readings and no experts"),
        ({"readings": READINGS[0], "experts": EXPERTS}, r"\(8, 9\); expected \(number, height, width\)"),
        ({"readings": READINGS * 2.0, "experts": EXPERTS}, "other than 0 and 1"),
        ({"readings": READINGS, "experts": EXPERTS[:, 1:]}, "heights and widths must agree"),
        ({"readings": READINGS, "experts": EXPERTS, "spacing_mm": np.array([0.5, -1])}, "two positive numbers"),
        ({"readings": READINGS, "experts": EXPERTS, "spacing_mm": np.array("wide")}, "two positive numbers"),
        ({"readings": np.array([None]), "experts": EXPERTS}, "holds Python objects"),
    ],
)
def test_other_archives_are_refused(tmp_path: Path, arrays: dict[str, np.ndarray], words: str) -> None:
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(DataFileError, match=words):
        read_saved_readings(tmp_path / "x.npz")


def test_an_archive_cut_anywhere_is_refused(tmp_path: Path) -> None:
    save_readings_npz(tmp_path / "x.npz", readings=READINGS, experts=EXPERTS)
    whole = (tmp_path / "x.npz").read_bytes()
    for length in range(0, len(whole), 7):
        (tmp_path / "x.npz").write_bytes(whole[:length])
        with pytest.raises(DataFileError, match=r"x\.npz"):
            read_saved_readings(tmp_path / "x.npz")


def test_a_broken_archive_is_not_left_open(tmp_path: Path) -> None:
    save_readings_npz(tmp_path / "x.npz", readings=READINGS, experts=EXPERTS)
    (tmp_path / "x.npz").write_bytes((tmp_path / "x.npz").read_bytes()[:-9])
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with pytest.raises(DataFileError):
            read_saved_readings(tmp_path / "x.npz")
        gc.collect()
    assert [str(warning.message) for warning in seen if warning.category is ResourceWarning] == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", r"\(it is empty\)"),
        (b"no numpy at all", r"\(it begins unlike either\)"),
        (b"\x89HDF\r\n\x1a\n" + bytes(90), r"\(it begins unlike either\)"),
        (pickle.dumps([1, 2, 3]), r"\(it begins unlike either\)"),
    ],
)
@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
def test_what_is_no_file_of_numpy_is_not_said_to_hold_objects(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataFileError, match=words + "; save it again with numpy"):
        read_saved_readings(tmp_path / name)


def test_an_archive_of_something_else_is_refused_with_its_entry(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("readings", b"a text")
    with pytest.raises(DataFileError, match="its entry 'readings' is no array"):
        read_saved_readings(tmp_path / "x.npz")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match="check the path"):
        read_saved_readings(tmp_path / "missing.npz")

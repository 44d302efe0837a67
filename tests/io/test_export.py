"""Masks and tables: read back by others' readers, and never half written."""

import csv
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from napari_ambiseg.errors import DataFileError, InputImageError
from napari_ambiseg.io.export import NOTICE, save_comparison_csv, save_readings_npz
from napari_ambiseg.io.lidc_hdf5 import write_lidc_hdf5
from napari_ambiseg.readings.agreement import compare
from napari_ambiseg.readings.collection import SliceCollection
from napari_ambiseg.readings.measure import areas_mm2

RNG = np.random.default_rng(0)
READINGS = RNG.random((3, 9, 7)) < 0.5
EXPERTS = RNG.random((2, 9, 7)) < 0.5


def save_table(path: Path, **about: object) -> None:
    save_comparison_csv(
        path,
        comparison=compare(samples=READINGS, experts=EXPERTS),
        sample_areas_mm2=areas_mm2(READINGS, (0.5, 0.8)),
        expert_areas_mm2=areas_mm2(EXPERTS, (0.5, 0.8)),
        about=about,
    )


def written(path: Path) -> tuple[dict[str, str], list[dict[str, str]]]:
    """Comments (key: value) and rows of a table."""
    lines = path.read_text(encoding="utf-8").splitlines()
    comments = [line[2:] for line in lines if line.startswith("# ")]
    assert comments[0] == NOTICE == "For research, not for diagnosis"
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    return dict(line.split(": ", 1) for line in comments[1:]), rows


def test_masks_come_back_as_booleans(tmp_path: Path) -> None:
    save_readings_npz(tmp_path / "x.npz", readings=READINGS, experts=EXPERTS)
    with np.load(tmp_path / "x.npz") as saved:
        assert sorted(saved) == ["experts", "readings"]
        np.testing.assert_array_equal(saved["readings"], READINGS, strict=True)
        np.testing.assert_array_equal(saved["experts"], EXPERTS, strict=True)


def test_masks_may_lack_experts_but_not_share_a_grid(tmp_path: Path) -> None:
    save_readings_npz(tmp_path / "x.npz", readings=READINGS, experts=EXPERTS[:0])
    with np.load(tmp_path / "x.npz") as saved:
        assert saved["experts"].shape == (0, 9, 7)
    for wrong in (EXPERTS[:, :5], EXPERTS.astype(np.uint8)):
        with pytest.raises(InputImageError, match="cannot save readings bool"):
            save_readings_npz(tmp_path / "y.npz", readings=READINGS, experts=wrong)


def test_the_table_has_one_row_for_every_sample_and_expert(tmp_path: Path) -> None:
    save_table(tmp_path / "x.csv", slice="LIDC-IDRI-0003, nodule 2", threshold=0.5)
    comments, rows = written(tmp_path / "x.csv")
    expected = compare(samples=READINGS, experts=EXPERTS)
    assert [(row["sample"], row["expert"]) for row in rows] == [(s, y) for s in "123" for y in "12"]
    for row in rows:
        i, j = int(row["sample"]) - 1, int(row["expert"]) - 1
        assert float(row["dice"]) == expected.dice[i, j]
        assert float(row["iou"]) == expected.iou[i, j]
        assert float(row["sample_area_mm2"]) == pytest.approx(0.4 * READINGS[i].sum())
        assert float(row["expert_area_mm2"]) == pytest.approx(0.4 * EXPERTS[j].sum())
    assert comments["slice"] == "LIDC-IDRI-0003, nodule 2"
    assert comments["threshold"] == "0.5"
    figures = {key: float(comments[key]) for key in ("ged", "ged_unbiased", "mean_dice", "hm_iou")}
    assert figures == {key: getattr(expected, key) for key in figures}


def test_no_name_of_a_slice_can_break_the_table(tmp_path: Path) -> None:
    save_table(tmp_path / "x.csv", slice='evil\nname,"1\r\n=1+1\u2028Ärzte')
    comments, rows = written(tmp_path / "x.csv")
    assert comments["slice"] == 'evil name,"1 =1+1 Ärzte'
    assert len(rows) == 6


def test_areas_of_other_masks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputImageError, match="measure the masks that were compared"):
        save_comparison_csv(
            tmp_path / "x.csv",
            comparison=compare(samples=READINGS, experts=EXPERTS),
            sample_areas_mm2=np.ones(2),
            expert_areas_mm2=np.ones(2),
        )


WRITERS: dict[str, Callable[[Path, SliceCollection], None]] = {
    "npz": lambda path, _: save_readings_npz(path, readings=READINGS, experts=EXPERTS),
    "csv": lambda path, _: save_table(path),
    "h5": lambda path, slices: write_lidc_hdf5(path, {"train": slices}),
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_a_full_disk_is_told_in_a_sentence_and_leaves_the_old_file(
    tmp_path: Path, slices: SliceCollection, monkeypatch: pytest.MonkeyPatch, write: Callable[..., None]
) -> None:
    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "x").write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(DataFileError, match=r"cannot write .*x \(No space left on device\); make room for"):
        write(tmp_path / "x", slices)
    assert (tmp_path / "x").read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [tmp_path / "x"]


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_a_folder_that_cannot_be_written_is_told_in_a_sentence(
    tmp_path: Path, slices: SliceCollection, write: Callable[..., None]
) -> None:
    (tmp_path / "file").touch()
    for target in (tmp_path / "file" / "x", tmp_path):
        with pytest.raises(DataFileError, match=r"cannot write .*; make room for .* or choose a folder"):
            write(target, slices)
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device that is always full")
@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_a_write_that_really_fails_is_told_in_a_sentence(
    tmp_path: Path, slices: SliceCollection, monkeypatch: pytest.MonkeyPatch, write: Callable[..., None]
) -> None:
    monkeypatch.setattr(Path, "open", lambda _, *__: open("/dev/full", "wb"))  # noqa: SIM115 (closed by the writer)
    with pytest.raises(DataFileError, match="No space left on device"):
        write(tmp_path / "x", slices)
    assert list(tmp_path.iterdir()) == []

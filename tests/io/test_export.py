"""Masks, tables and animations: read back by others' readers, and never half written."""

import csv
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from napari_ambiseg.errors import DataFileError, InputImageError
from napari_ambiseg.io.export import NOTICE, save_comparison_csv, save_readings_npz, save_trajectory_gif
from napari_ambiseg.io.lidc_hdf5 import write_lidc_hdf5
from napari_ambiseg.readings.agreement import compare
from napari_ambiseg.readings.collection import SliceCollection
from napari_ambiseg.readings.measure import areas_mm2

RNG = np.random.default_rng(0)
READINGS = RNG.random((3, 9, 7)) < 0.5
EXPERTS = RNG.random((2, 9, 7)) < 0.5
FRAMES = RNG.normal(size=(5, 3, 9, 7)).astype(np.float32)
IMAGE = RNG.random((9, 7)).astype(np.float32)


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


def gif(path: Path) -> tuple[list[NDArray[np.uint8]], list[int]]:
    """Frames (H, W, 3) and durations in milliseconds."""
    frames, durations = [], []
    with Image.open(path) as file:
        assert file.info["comment"].decode() == NOTICE
        assert file.info["loop"] == 0  # without end
        for number in range(getattr(file, "n_frames", 1)):
            file.seek(number)
            frames.append(np.asarray(file.convert("RGB")))
            durations.append(file.info["duration"])
    return frames, durations


def test_the_animation_holds_every_state_and_stays_on_the_last(tmp_path: Path) -> None:
    save_trajectory_gif(tmp_path / "x.gif", frames=FRAMES, image=IMAGE)
    frames, durations = gif(tmp_path / "x.gif")
    assert len(frames) == 5
    assert durations == [300, 300, 300, 300, 2000]


def test_equal_states_and_single_ones_are_frames_too(tmp_path: Path) -> None:
    for count in (1, 4):
        save_trajectory_gif(tmp_path / "x.gif", frames=np.repeat(FRAMES[:1], count, axis=0), image=IMAGE)
        assert len(gif(tmp_path / "x.gif")[0]) == count


def test_a_long_trajectory_plays_no_faster_than_a_screen_can_show(tmp_path: Path) -> None:
    save_trajectory_gif(tmp_path / "x.gif", frames=np.repeat(FRAMES, 40, axis=0)[:, :1], image=IMAGE)
    _, durations = gif(tmp_path / "x.gif")
    assert durations == [40] * 199 + [2000]


def test_a_mask_is_coloured_where_it_is_and_the_slice_stays_grey_elsewhere(tmp_path: Path) -> None:
    inside = np.zeros((8, 8), np.bool_)
    inside[2:5, 3:7] = True
    flat = np.full((8, 8), 7.0, np.float32)
    flat[0] = 9.0  # bright first row
    save_trajectory_gif(tmp_path / "x.gif", frames=np.where(inside, 1, -1)[None, None].astype(np.float32), image=flat)
    picture = gif(tmp_path / "x.gif")[0][0].astype(int)
    scale = 512 // 8
    centres = picture[scale // 2 : 8 * scale : scale, scale // 2 : 8 * scale : scale]
    grey = (centres == centres[..., :1]).all(axis=-1)
    np.testing.assert_array_equal(grey, ~inside)
    assert (centres[0] == 255).all()
    assert (centres[7] == 0).all()


def test_every_sample_has_its_own_tile(tmp_path: Path) -> None:
    frames = np.full((1, 5, 4, 4), -1, np.float32)
    frames[0, 3] = 1  # the fourth of five: second row, first column of three
    save_trajectory_gif(tmp_path / "x.gif", frames=frames, image=np.zeros((4, 4), np.float32))
    picture = gif(tmp_path / "x.gif")[0][0].astype(int)
    coloured = np.argwhere(picture[..., 0] != picture[..., 2])
    side = 512 // 12 * 4
    assert coloured.min(axis=0).tolist() == [side + 2, 0]
    assert coloured.max(axis=0).tolist() == [2 * side + 1, side - 1]


@pytest.mark.parametrize("image", [np.zeros((9, 7)), np.full((9, 7), np.nan)])
def test_a_flat_image_and_holes_can_be_animated(tmp_path: Path, image: NDArray[np.float64]) -> None:
    frames = FRAMES.copy()
    frames[0, 0, 0] = np.nan
    save_trajectory_gif(tmp_path / "x.gif", frames=frames, image=image.astype(np.float32))
    assert len(gif(tmp_path / "x.gif")[0]) == 5


@pytest.mark.parametrize("frames", [FRAMES[:0], FRAMES[:, :0], FRAMES[0], FRAMES[..., :3]])
def test_nothing_to_animate_is_refused(tmp_path: Path, frames: NDArray[np.float32]) -> None:
    with pytest.raises(InputImageError, match="cannot animate frames"):
        save_trajectory_gif(tmp_path / "x.gif", frames=frames, image=IMAGE)


WRITERS: dict[str, Callable[[Path, SliceCollection], None]] = {
    "npz": lambda path, _: save_readings_npz(path, readings=READINGS, experts=EXPERTS),
    "csv": lambda path, _: save_table(path),
    "gif": lambda path, _: save_trajectory_gif(path, frames=FRAMES, image=IMAGE),
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

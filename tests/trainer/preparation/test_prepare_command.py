"""The command from end to end: what it writes is read by everything else, and nothing half is left behind."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from napari_ambiseg import exit_codes
from napari_ambiseg.errors import DataFileError, SettingsError
from napari_ambiseg.io.lidc_hdf5 import read_lidc_hdf5, split_names
from trainer.prepare import prepare_command

app = typer.Typer()
app.command()(prepare_command)


def prepare(*words: object) -> str:
    """Run the command; returns what it printed."""
    result = CliRunner().invoke(app, [str(word) for word in words], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result.output


def test_phantom_to_file_summary_and_page(tmp_path: Path) -> None:
    out = tmp_path / "new" / "phantom.h5"
    printed = prepare("phantom:12", "--out", out)
    assert split_names(out) == ("test", "train", "val")
    whole = [read_lidc_hdf5(out, name) for name in ("train", "val", "test")]
    assert sum(map(len, whole)) == 12
    assert all(one.rendered for one in whole)
    patients = [set(one.subjects) for one in whole]
    assert not patients[0] & patients[1] | patients[0] & patients[2] | patients[1] & patients[2]
    stored = json.loads(h5py.File(out)["/"].attrs["summary"])
    assert stored == json.loads(out.with_suffix(".json").read_text())
    assert stored["splits"]["train"]["slices"] == len(whole[0])
    assert out.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    assert "patients" in printed


def test_the_same_seed_writes_the_same_slices_and_another_does_not(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        prepare("phantom:8", "--out", tmp_path / f"{name}.h5", "--seed", seed)
    a, b, c = (read_lidc_hdf5(tmp_path / f"{name}.h5", "train") for name in "abc")
    assert a.names == b.names
    np.testing.assert_array_equal(a.images, b.images)
    assert a.subjects != c.subjects


def test_ct_with_outlines_keeps_patients_with_two_scans_together(tmp_path: Path, ct: Path, database: Path) -> None:
    prepare(ct, "--outlines", database, "--out", tmp_path / "x.h5", "--split", 0.34, 0.33, 0.33)
    found = {name: set(read_lidc_hdf5(tmp_path / "x.h5", name).subjects) for name in ("train", "val", "test")}
    assert sorted(map(len, found.values())) == [1, 1, 1]
    group = h5py.File(tmp_path / "x.h5")["train"]
    assert sorted(set(group["z_mm"][:])) == [-10, -7.5]


def test_sources_are_joined_and_missing_readers_stay_missing(tmp_path: Path, folder: Path) -> None:
    prepare(folder, "--spacing-mm", 1, "--out", tmp_path / "a.h5")
    prepare(tmp_path / "a.h5", "--resplit", "--split", 1, 0, 0, "--out", tmp_path / "b.h5")
    slices = read_lidc_hdf5(tmp_path / "b.h5", "train")
    assert len(slices) == 6
    assert sorted(slices.filled.sum(axis=1).tolist()) == [1, 2, 2, 2, 2, 3]


def test_sources_that_do_not_go_together_are_refused(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(DataFileError, match=r"128 x 128.*prepare them alike"):
        prepare(folder, "phantom:4", "--spacing-mm", 1, "--out", tmp_path / "x.h5")


def test_the_faults_of_all_sources_are_told_together(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "x.pickle").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(DataFileError, match=r"(?s)os\.system.*do not say how large.*no file or folder"):
        prepare(tmp_path / "x.pickle", folder, tmp_path / "none", "--out", tmp_path / "x.h5")
    assert not (tmp_path / "x.h5").exists()


def test_ctrl_c_while_reading_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.h5").write_bytes(b"old")

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("trainer.preparation.sources.load_data", stop)
    assert exit_codes.run(app, ["phantom:4", "--out", str(tmp_path / "x.h5")], prog_name="prepare") == 130
    assert [path.name for path in tmp_path.iterdir()] == ["x.h5"]
    assert (tmp_path / "x.h5").read_bytes() == b"old"


def test_a_full_disk_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.h5").write_bytes(b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(DataFileError, match="No space left on device"):
        prepare("phantom:5", "--out", tmp_path / "x.h5")
    assert [path.name for path in tmp_path.iterdir()] == ["x.h5"]
    assert (tmp_path / "x.h5").read_bytes() == b"old"


@pytest.mark.parametrize(
    "words",
    [
        ("--window", 5, 5),
        ("--centre", "lesion"),
        ("--grid-mm", 0.5),
        ("--fit", "scale"),
    ],
)
def test_settings_that_make_no_sense_are_refused_before_anything_is_read(
    tmp_path: Path, words: tuple[object, ...]
) -> None:
    with pytest.raises(SettingsError):
        prepare(tmp_path / "none", "--out", tmp_path / "x.h5", *words)


def test_a_target_that_is_a_source_or_no_data_file_is_refused(tmp_path: Path) -> None:
    for name, source in (("x.png", "phantom:4"), ("x.h5", tmp_path / "x.h5")):
        with pytest.raises(SettingsError, match=r"ends in \.h5"):
            prepare(source, "--out", tmp_path / name)

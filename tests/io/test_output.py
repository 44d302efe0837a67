"""Targets are judged before the work is done."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from napari_ambiseg.errors import DataFileError
from napari_ambiseg.io.output import check_folder, check_target, write_output


def test_what_is_let_through_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "old").touch()
    for name in ("old", "new", "deep/er/new", "x" * 255):
        check_target(tmp_path / name)
        write_output(tmp_path / name, b"new")
    assert check_folder(tmp_path) is None
    assert check_folder(tmp_path / "new folder" / "in it") is None
    assert not (tmp_path / "new folder").exists()


def test_a_folder_is_no_file_and_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataFileError, match="is a folder; give the name of a file"):
        check_target(tmp_path)
    with pytest.raises(DataFileError, match="is a file; give the name of a folder"):
        check_folder(tmp_path / "file")


@pytest.mark.parametrize("check", [check_target, check_folder])
def test_what_could_never_be_written_is_refused(tmp_path: Path, check: Callable[[Path], None]) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataFileError, match="file is no folder to write to; choose another"):
        check(tmp_path / "file" / "x")
    for name in ("x" * 300, "new/" + "x" * 300, "x" * 300 + "/new"):
        with pytest.raises(DataFileError, match=r"^cannot write .* \(.+\); choose another name$"):
            check(tmp_path / name)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_folder_that_may_not_be_written_to_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    for refused in (lambda: check_target(tmp_path / "x"), lambda: check_folder(tmp_path)):
        with pytest.raises(DataFileError, match="is no folder to write to"):
            refused()

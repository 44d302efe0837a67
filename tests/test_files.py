"""Files that replace their target in one step, whatever goes wrong in between."""

import os
from pathlib import Path

import pytest

from napari_ambiseg.files import write_atomically


def test_the_target_holds_the_new_bytes_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "x.bin"
    for payload in (b"old", b"", b"newer"):
        write_atomically(target, payload)
        assert target.read_bytes() == payload
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("name", ["x" * 255, "語" * 85])
def test_a_name_of_the_greatest_length_can_be_written(tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    write_atomically(target, b"long")
    assert target.read_bytes() == b"long"


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_new_file_gets_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_atomically(tmp_path / "x", b"")
    assert (tmp_path / "x").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failure_on_the_way_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    write_atomically(tmp_path / "x", b"old")
    monkeypatch.setattr(*{"fsync": (os, "fsync"), "replace": (Path, "replace")}[step], fail)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(tmp_path / "x", b"new")
    assert (tmp_path / "x").read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [tmp_path / "x"]


def test_an_interruption_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "x", b"new")
    assert list(tmp_path.iterdir()) == []

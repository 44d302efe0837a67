"""Rows on the disk: what is written is read again, what was cut off is done again, what does not fit is refused."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from napari_ambiseg.errors import DataFileError
from trainer.evaluation.protocol import DataDescription, Protocol
from trainer.evaluation.rows import Row, RowFile, parse_row

PROTOCOL = Protocol(
    model="m",
    model_sha256="0" * 64,
    data=(DataDescription("a.h5", "val", 10, "1" * 64),),
    limit=None,
    readings=(4, 16),
    steps=10,
    sampler="ddim",
    eta=0.0,
    threshold=0.5,
    seed=0,
    version="0",
)


def row(number: int) -> Row:
    return Row(id=f"a.h5/val/{number}", patient="p", seed=number, seconds=0.1 * number, figures={"ged_4": 1 / 3})


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A file of three rows."""
    path = tmp_path / "rows" / "kept.jsonl"
    with RowFile(path, PROTOCOL) as file:
        for number in range(3):
            file.append(row(number))
    return path


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """No file of this process may grow beyond ``size`` bytes; writes are cut short there, as on a full disk."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_rows_are_read_again_as_they_were_written(kept: Path) -> None:
    with RowFile(kept, PROTOCOL) as file:
        assert list(file.rows.values()) == [row(0), row(1), row(2)]


def test_undefined_figures_survive_the_file_as_null() -> None:
    line = replace(row(1), figures={"ged_unbiased_1": math.nan}).as_line()
    assert '"ged_unbiased_1": null' in line
    assert math.isnan(parse_row(line).figures["ged_unbiased_1"])


def test_a_line_that_was_cut_off_anywhere_is_dropped_and_the_file_goes_on(kept: Path) -> None:
    whole = kept.read_bytes()
    start_of_last = whole.rstrip(b"\n").rfind(b"\n") + 1
    for end in range(start_of_last, len(whole)):
        kept.write_bytes(whole[:end])
        with RowFile(kept, PROTOCOL) as file:
            assert list(file.rows.values()) == [row(0), row(1)]
            file.append(row(2))
        assert kept.read_bytes() == whole


@pytest.mark.parametrize("end", [0, 1, 30])
def test_a_file_that_was_killed_in_its_first_line_starts_afresh(kept: Path, end: int) -> None:
    first = kept.read_bytes().splitlines(keepends=True)[0]
    kept.write_bytes(first[:end])
    with RowFile(kept, PROTOCOL) as file:
        assert not file.rows
    assert kept.read_bytes() == first


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"steps": 5}, "steps is 10 there and 5 here"),
        ({"seed": 1}, "seed is 0 there and 1 here"),
        ({"readings": (4,)}, "readings is"),
        ({"data": (DataDescription("a.h5", "val", 10, "2" * 64),)}, "data is"),
        ({"model_sha256": "3" * 64}, "model_sha256 is"),
    ],
)
def test_rows_of_another_evaluation_are_refused_and_left_alone(
    kept: Path, changes: dict[str, object], named: str
) -> None:
    before = kept.read_bytes()
    with pytest.raises(DataFileError, match=named):
        RowFile(kept, replace(PROTOCOL, **changes))  # type: ignore[arg-type]
    assert kept.read_bytes() == before


@pytest.mark.parametrize("content", [b"hello", b"hello\n", b"[1]\n", b'{"id": "x"}\n', b"\xff\xfe\n", b"null\n"])
def test_a_file_that_is_not_ours_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(DataFileError, match=r"give another file"):
        RowFile(path, PROTOCOL)
    assert path.read_bytes() == content


def test_a_damaged_row_is_named_by_its_line(kept: Path) -> None:
    lines = kept.read_text().splitlines(keepends=True)
    kept.write_text("".join([lines[0], lines[1], '{"id": 3}\n', lines[3]]))
    with pytest.raises(DataFileError, match="line 3"):
        RowFile(kept, PROTOCOL)


def test_a_place_that_cannot_be_written_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataFileError, match="choose another place"):
        RowFile(tmp_path / "file" / "rows.jsonl", PROTOCOL)
    with pytest.raises(DataFileError, match="give another file"):
        RowFile(tmp_path, PROTOCOL)


def test_a_disk_that_fills_up_is_reported_and_keeps_the_rows_that_fitted(kept: Path) -> None:
    full = pytest.raises(DataFileError, match=r"make room")
    with RowFile(kept, PROTOCOL) as file, full, file_size_limit(kept.stat().st_size + 20):
        file.append(row(3))
    with RowFile(kept, PROTOCOL) as file:
        assert list(file.rows.values()) == [row(0), row(1), row(2)]

"""Rows on the disk: what is written is read again, what was cut off is done again, what does not fit is refused."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from napari_ambiseg.errors import DataFileError
from trainer.data.holdout import Holdout
from trainer.evaluation.metrics import Judged
from trainer.evaluation.protocol import DataDescription, Protocol
from trainer.evaluation.rows import Row, RowFile, in_order, kept_protocol, parse_row


def row(number: int) -> Row:
    judged = Judged({"ged_4": 1 / 3}, {"calibration_4": (number, 0.1, 1 / 7)})
    return Row(id=f"a.h5/val/{number}", patient="p", seed=number, seconds=0.1 * number, judged=judged)


@pytest.fixture
def kept(tmp_path: Path, protocol: Protocol) -> Path:
    """A file of three rows."""
    path = tmp_path / "rows" / "kept.jsonl"
    with RowFile(path, protocol) as file:
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


def test_rows_are_read_again_as_they_were_written(kept: Path, protocol: Protocol) -> None:
    with RowFile(kept, protocol) as file:
        assert list(file.rows.values()) == [row(0), row(1), row(2)]


@pytest.mark.parametrize("holdout", [None, Holdout(0.05, 3, "0" * 64)])
def test_the_protocol_is_read_again_as_it_was_written(
    tmp_path: Path, protocol: Protocol, holdout: Holdout | None
) -> None:
    written = replace(protocol, holdout=holdout)
    with RowFile(tmp_path / "rows.jsonl", written):
        pass
    assert kept_protocol(tmp_path / "rows.jsonl") == written


@pytest.mark.parametrize(
    ("said", "other"), [(', "antithetic": false', {"antithetic": True}), (', "smallest_px": 0', {"smallest_px": 24})]
)
def test_rows_from_before_a_field_was_there_are_taken_up(
    kept: Path, protocol: Protocol, said: str, other: dict[str, Any]
) -> None:
    with_it = kept.read_text()
    kept.write_text(with_it.replace(said, ""))
    assert kept.read_text() != with_it
    with RowFile(kept, protocol) as file:
        assert len(file.rows) == 3
    ((name, value),) = other.items()
    with pytest.raises(DataFileError, match=f"{name} is (False|0) there and {value} here"):
        RowFile(kept, replace(protocol, **other))


@pytest.mark.parametrize("content", ["", "not JSON", "[]", '{"protocol": {"model": 1}}', '{"protocol": 3}'])
def test_a_file_without_a_protocol_is_refused_in_a_sentence(tmp_path: Path, content: str) -> None:
    (tmp_path / "rows.jsonl").write_text(content)
    with pytest.raises(DataFileError, match="does not begin with a protocol"):
        kept_protocol(tmp_path / "rows.jsonl")


def test_undefined_figures_survive_the_file_as_null() -> None:
    line = replace(row(1), judged=Judged({"ged_unbiased_1": math.nan}, {"calibration_1": (math.nan, 1.0)})).as_line()
    assert '"ged_unbiased_1": null' in line
    found = parse_row(line).judged
    assert math.isnan(found.figures["ged_unbiased_1"])
    assert math.isnan(found.vectors["calibration_1"][0])


def test_a_line_that_was_cut_off_anywhere_is_dropped_and_the_file_goes_on(kept: Path, protocol: Protocol) -> None:
    whole = kept.read_bytes()
    start_of_last = whole.rstrip(b"\n").rfind(b"\n") + 1
    for end in range(start_of_last, len(whole)):
        kept.write_bytes(whole[:end])
        with RowFile(kept, protocol) as file:
            assert list(file.rows.values()) == [row(0), row(1)]
            file.append(row(2))
        assert kept.read_bytes() == whole


@pytest.mark.parametrize("end", [0, 1, 30])
def test_a_file_that_was_killed_in_its_first_line_starts_afresh(kept: Path, protocol: Protocol, end: int) -> None:
    first = kept.read_bytes().splitlines(keepends=True)[0]
    kept.write_bytes(first[:end])
    with RowFile(kept, protocol) as file:
        assert not file.rows
    assert kept.read_bytes() == first


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"steps": 5}, "steps is 10 there and 5 here"),
        ({"seed": 1}, "seed is 0 there and 1 here"),
        ({"readings": (4,)}, "readings is"),
        ({"data": (DataDescription("a.h5", "val", 10, "2" * 64, 4),)}, "data is"),
        ({"model_sha256": "3" * 64}, "model_sha256 is"),
    ],
)
def test_rows_of_another_evaluation_are_refused_and_left_alone(
    kept: Path, protocol: Protocol, changes: dict[str, object], named: str
) -> None:
    before = kept.read_bytes()
    with pytest.raises(DataFileError, match=named):
        RowFile(kept, replace(protocol, **changes))  # type: ignore[arg-type]
    assert kept.read_bytes() == before


@pytest.mark.parametrize("content", [b"hello", b"hello\n", b"[1]\n", b'{"id": "x"}\n', b"\xff\xfe\n", b"null\n"])
def test_a_file_that_is_not_ours_is_refused_and_left_alone(tmp_path: Path, protocol: Protocol, content: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(DataFileError, match=r"give another file"):
        RowFile(path, protocol)
    assert path.read_bytes() == content


def test_a_damaged_row_is_named_by_its_line(kept: Path, protocol: Protocol) -> None:
    lines = kept.read_text().splitlines(keepends=True)
    kept.write_text("".join([lines[0], lines[1], '{"id": 3}\n', lines[3]]))
    with pytest.raises(DataFileError, match="line 3"):
        RowFile(kept, protocol)


def test_a_place_that_cannot_be_written_is_refused_in_a_sentence(tmp_path: Path, protocol: Protocol) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataFileError, match="choose another place"):
        RowFile(tmp_path / "file" / "rows.jsonl", protocol)
    with pytest.raises(DataFileError, match="give another file"):
        RowFile(tmp_path, protocol)


def test_a_disk_that_fills_up_is_reported_and_keeps_the_rows_that_fitted(kept: Path, protocol: Protocol) -> None:
    full = pytest.raises(DataFileError, match=r"make room")
    with RowFile(kept, protocol) as file, full, file_size_limit(kept.stat().st_size + 20):
        file.append(row(3))
    with RowFile(kept, protocol) as file:
        assert list(file.rows.values()) == [row(0), row(1), row(2)]


def test_rows_of_several_parts_come_in_the_order_of_the_slices_and_none_may_be_missing() -> None:
    names = [row(number).id for number in range(4)]
    assert in_order([row(3), row(1), row(0), row(2), row(1)], names) == [row(number) for number in range(4)]
    with pytest.raises(DataFileError, match=r"1 of 4 slices have no row, a\.h5/val/2 first"):
        in_order([row(3), row(1), row(0)], names)

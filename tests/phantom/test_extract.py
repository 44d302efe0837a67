"""The extraction on a small database of our own making."""

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from napari_ambiseg.phantom.extract import Scan, choose, nodules, outlined_slices, read_scans
from napari_ambiseg.phantom.outlines import RATINGS


def ring(row: int, column: int, half: int) -> str:
    """Outline around 2 ``half`` x 2 ``half`` pixels as the database writes it: column,row per line."""
    corners = [(-half, -half), (half + 1, -half), (half + 1, half + 1), (-half, half + 1)]
    return "\n".join(f"{column + dx},{row + dy}" for dx, dy in corners)


@pytest.fixture
def scan(tmp_path: Path) -> Scan:
    """One scan: two readers on a nodule at (200, 300), on one and on two slices, and one reader on another nodule."""
    path = tmp_path / "small.sqlite"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("pragma synchronous = off")
        database.execute("create table scans (id, patient_id, series_instance_uid, pixel_spacing, slice_thickness)")
        database.execute(f"create table annotations (id, scan_id, {', '.join(RATINGS)})")
        database.execute("create table contours (id, annotation_id, inclusion, image_z_position, coords)")
        database.execute("insert into scans values (1, 'patient', '1.2.3', 0.5, 2.5)")
        for number in (1, 2, 3):
            database.execute(f"insert into annotations values ({number}, 1, {', '.join([str(number)] * 9)})")
        rows = [
            (1, 1, 1, -10.0, ring(200, 300, 8)),
            (2, 2, 1, -10.0, ring(201, 301, 6)),
            (3, 2, 1, -7.5, ring(200, 300, 3)),
            (4, 3, 1, -10.0, ring(100, 100, 5)),
        ]
        database.executemany("insert into contours values (?, ?, ?, ?, ?)", rows)
    return next(iter(read_scans(path)))


def test_annotations_that_overlap_are_one_nodule(scan: Scan) -> None:
    assert [[a.ratings[0] for a in group] for group in nodules(scan)] == [[1, 2], [3]]


def test_a_reader_who_drew_nothing_on_a_slice_has_an_empty_mask(scan: Scan) -> None:
    lower, upper = outlined_slices(scan, nodules(scan)[0], nodule=7)
    assert (lower.z_mm, upper.z_mm) == (-10.0, -7.5)
    assert lower.readings.sum(axis=(1, 2)).tolist() == [16 * 16, 12 * 12, 0, 0]
    assert upper.readings.sum(axis=(1, 2)).tolist() == [0, 6 * 6, 0, 0]
    assert lower.ratings["texture"] == 1.5


def test_the_crop_is_centred_on_the_whole_nodule(scan: Scan) -> None:
    lower, _ = outlined_slices(scan, nodules(scan)[0], nodule=7)
    rows, columns = np.nonzero(lower.readings[0])
    assert rows.mean() == pytest.approx(63.5, abs=0.5)
    assert columns.mean() == pytest.approx(63.5, abs=0.5)


def test_excluded_patients_are_never_drawn(scan: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_ambiseg.phantom.extract.SAMPLES", ())
    slices = list(outlined_slices(scan, nodules(scan)[0], nodule=7))
    assert len(choose(slices, train={"patient"}, exclude=set(), count=9, seed=0)[0]) == 2
    assert choose(slices, train={"patient"}, exclude={"patient"}, count=9, seed=0) == ([], [])

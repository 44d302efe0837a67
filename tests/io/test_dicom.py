"""CT in DICOM: synthetic slices of our own making, and real ones of several vendors where there are any."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from napari_ambiseg.errors import DataFileError
from napari_ambiseg.io.dicom import PADDING_HU, find_series, header_of, open_dataset, read_dicom_hu

WriteCt = Callable[..., Path]
HU = np.random.default_rng(0).integers(-1000, 1500, (6, 8)).astype(np.float64)


@pytest.fixture(scope="module")
def real() -> Path:
    place = Path(os.environ.get("AMBISEG_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")) / "dicom_ct"
    if not place.is_dir():
        pytest.skip(f"there is no {place}; AMBISEG_DATA names the folder with real data")
    return place


def test_hounsfield_units_come_back(tmp_path: Path, write_ct: WriteCt) -> None:
    np.testing.assert_array_equal(read_dicom_hu(write_ct(tmp_path / "a.dcm", HU)), HU)


def test_slope_and_intercept_are_applied(tmp_path: Path, write_ct: WriteCt) -> None:
    found = read_dicom_hu(write_ct(tmp_path / "a.dcm", HU, RescaleSlope=2, RescaleIntercept=-10))
    np.testing.assert_array_equal(found, 2 * (HU + 1024) - 10)


@pytest.mark.parametrize(
    ("fields", "padded"),
    [
        ({}, [False, False]),
        ({"PixelPaddingValue": -2000}, [True, False]),
        ({"PixelPaddingValue": -2000, "PixelPaddingRangeLimit": -1990}, [True, True]),
    ],
)
def test_declared_padding_is_far_below_air(
    tmp_path: Path, write_ct: WriteCt, fields: dict[str, int], padded: list[bool]
) -> None:
    hu = HU.copy()
    hu[0, :2] = -2000 - 1024, -1995 - 1024
    found = read_dicom_hu(write_ct(tmp_path / "a.dcm", hu, **fields))
    assert (found[0, :2] == PADDING_HU).tolist() == padded
    np.testing.assert_array_equal(found[1:], HU[1:])


def test_unsigned_padding_that_is_declared_negative_is_found(tmp_path: Path, write_ct: WriteCt) -> None:
    stored = (HU + 1024).astype(np.uint16)
    stored[0, 0] = 65536 - 2000
    path = write_ct(
        tmp_path / "a.dcm", HU, PixelRepresentation=0, PixelData=stored.tobytes(), PixelPaddingValue=65536 - 2000
    )
    assert read_dicom_hu(path)[0, 0] == PADDING_HU


def test_the_header_says_where_the_slice_lies(tmp_path: Path, write_ct: WriteCt) -> None:
    write_ct(tmp_path / "a.dcm", HU, ImagePositionPatient=[1, 2, 3], PixelSpacing=[0.7, 0.8], PatientID="P")
    ((header,),) = (series.headers for series in find_series(tmp_path))
    assert (header.patient, header.shape, header.spacing_mm) == ("P", (6, 8), (0.7, 0.8))
    assert (header.z_mm, header.along_mm) == (3, 3)


def test_series_are_sorted_by_place_and_other_files_passed_over(tmp_path: Path, write_ct: WriteCt) -> None:
    for number, z_mm in enumerate((5, -1, 2)):
        write_ct(tmp_path / f"deep/{number}.dcm", HU, ImagePositionPatient=[0, 0, z_mm])
    write_ct(tmp_path / "b", HU, SeriesInstanceUID="9")
    write_ct(tmp_path / "mr.dcm", HU, SeriesInstanceUID="8", Modality="MR")
    (tmp_path / "notes.txt").write_text("no DICOM")
    series = find_series(tmp_path)
    assert [[header.z_mm for header in one.headers] for one in series] == [[-1, 2, 5], [-10]]
    assert list(series[0].oddities()) == []
    assert series[0].at(2.04) is series[0].headers[1]
    assert series[0].at(2.2) is None


@pytest.mark.parametrize(
    ("places", "fields", "said"),
    [
        ((0, 1, 3), {}, "1 to 2 mm apart"),
        ((0, 1, 1, 2), {}, "1 of its slices lie where another does"),
        ((0, 1), {"GantryDetectorTilt": 12.5}, "tilted by 12.5 degrees"),
        ((0, 1), {"ImageOrientationPatient": [0, 1, 0, 0, 0, -1]}, "not axial"),
    ],
)
def test_what_is_odd_about_a_series_is_said(
    tmp_path: Path, write_ct: WriteCt, places: tuple[int, ...], fields: dict[str, object], said: str
) -> None:
    for number, z_mm in enumerate(places):
        write_ct(tmp_path / f"{number}.dcm", HU, ImagePositionPatient=[0, 0, z_mm], InstanceNumber=number, **fields)
    (series,) = find_series(tmp_path)
    assert said in ", ".join(series.oddities())


@pytest.mark.parametrize(
    "fields",
    [
        {"PixelSpacing": None},
        {"PixelSpacing": [0, 0.5]},
        {"ImagePositionPatient": None},
        {"Rows": 40000},
        {"NumberOfFrames": 3},
        {"PatientID": None},
    ],
)
def test_a_ct_file_that_is_no_slice_is_refused_wherever_it_lies(
    tmp_path: Path, write_ct: WriteCt, fields: dict[str, object]
) -> None:
    path = write_ct(tmp_path / "a.dcm", HU, **fields)
    for read in (read_dicom_hu, lambda path: find_series(path.parent)):
        with pytest.raises(DataFileError):
            read(path)


@pytest.mark.parametrize(
    "fields", [{"PixelData": b"12"}, {"RescaleSlope": None}, {"Modality": "MR"}, {"RescaleSlope": 0}]
)
def test_pixels_that_cannot_be_hounsfield_units_are_refused(
    tmp_path: Path, write_ct: WriteCt, fields: dict[str, object]
) -> None:
    with pytest.raises(DataFileError):
        read_dicom_hu(write_ct(tmp_path / "a.dcm", HU, **fields))


def test_changed_bytes_give_a_slice_or_a_refusal(tmp_path: Path, write_ct: WriteCt) -> None:
    whole, chance = write_ct(tmp_path / "a.dcm", HU).read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(150):
        damaged = bytearray(whole)
        for place in chance.integers(132, len(damaged), 3):
            damaged[place] = chance.integers(256)
        (tmp_path / "b.dcm").write_bytes(bytes(damaged[: chance.integers(100, len(damaged) + 1)]))
        try:
            assert read_dicom_hu(tmp_path / "b.dcm").ndim == 2
        except DataFileError:
            refused += 1
    assert refused > 50


def test_real_slices_of_several_vendors_are_hounsfield_units(real: Path) -> None:
    for path in sorted((real / "chest_single_slices").glob("*.dcm")):
        hu, header = read_dicom_hu(path), header_of(open_dataset(path, pixels=False), path)
        assert hu.shape == header.shape == (512, 512)
        assert 0.5 < header.spacing_mm[0] < 1
        body = hu[156:356, 156:356]
        assert ((body > -150) & (body < 150)).mean() > 0.1  # soft tissue
        assert (hu == PADDING_HU).any() or hu.min() >= -2048


def test_a_real_series_with_tilt_and_uneven_steps_is_said_to_be_so(real: Path) -> None:
    (series,) = find_series(real / "GE_head_28slices")
    assert len(series.headers) == 28
    said = ", ".join(series.oddities())
    assert "tilted by 18.5 degrees" in said
    assert "mm apart" in said


def test_a_segmentation_beside_real_slices_is_passed_over(real: Path) -> None:
    (series,) = find_series(real / "liver_3slices_seg")
    assert [header.z_mm for header in series.headers] == pytest.approx([-128.69, -127.69, -126.69])
    assert list(series.oddities()) == []
    with pytest.raises(DataFileError):
        read_dicom_hu(real / "liver_3slices_seg" / "liver_SEG.dcm")

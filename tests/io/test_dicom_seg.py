"""Segmentation objects read back with pydicom and highdicom: whose pixels, which image, who drew."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import generate_uid

from napari_ambiseg.errors import DataFileError, InputImageError, SettingsError
from napari_ambiseg.io import dicom_seg
from napari_ambiseg.io.dicom_seg import DrawnBy, Segment, save_dicom_seg, save_dicom_seg_probability
from napari_ambiseg.io.export import NOTICE

if find_spec("highdicom") is None:
    pytest.skip("needs the extra dicom-seg", allow_module_level=True)

from highdicom.seg import segread

MASKS = np.random.default_rng(0).random((3, 1, 9, 7)) < 0.4
SEGMENTS = (
    Segment("sample 1", MASKS[0], DrawnBy.MODEL),
    Segment("Dr. Çelik, second reading", MASKS[1], DrawnBy.PERSON),
    Segment("sample 1, corrected", MASKS[2], DrawnBy.BOTH),
    Segment("sees nothing", np.zeros_like(MASKS[0]), DrawnBy.MODEL),
)
WriteCt = Callable[..., Path]


@pytest.fixture
def source(tmp_path: Path, write_ct: WriteCt) -> Callable[..., Path]:
    """A CT slice that knows its study: ``source(z=..., **fields)``."""
    study = {name: generate_uid() for name in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")}

    def write(z: float = -10.0, **fields: object) -> Path:
        said = {
            "ImagePositionPatient": [3.5, -4, z],
            "PixelSpacing": [0.5, 0.8],
            "SliceThickness": 2.5,
            **study,
            **fields,
        }
        return write_ct(tmp_path / f"{z}.dcm", np.zeros((9, 7)), **said)

    return write


def test_every_mask_comes_back_as_a_segment_of_its_own(tmp_path: Path, source: Callable[..., Path]) -> None:
    ct = source()
    save_dicom_seg(tmp_path / "seg.dcm", segments=SEGMENTS, sources=[ct], model="lidc-small-64")
    found = segread(tmp_path / "seg.dcm")
    image = pydicom.dcmread(ct)
    pixels = found.get_pixels_by_source_instance([image.SOPInstanceUID])
    np.testing.assert_array_equal(pixels[..., :3], np.moveaxis(MASKS, 0, -1))
    assert not pixels[..., 3].any()
    described = found.SegmentSequence
    assert [s.SegmentLabel for s in described] == [segment.name for segment in SEGMENTS]
    assert [s.SegmentAlgorithmType for s in described] == ["AUTOMATIC", "MANUAL", "SEMIAUTOMATIC", "AUTOMATIC"]
    assert described[0].SegmentAlgorithmName == "lidc-small-64"
    assert "SegmentAlgorithmName" not in described[1]
    assert {s.SegmentedPropertyTypeCodeSequence[0].CodeMeaning for s in described} == {"Lesion"}


def test_it_refers_to_the_very_image_and_lies_where_that_lies(tmp_path: Path, source: Callable[..., Path]) -> None:
    ct = pydicom.dcmread(source())
    save_dicom_seg(tmp_path / "seg.dcm", segments=SEGMENTS, sources=[tmp_path / "-10.0.dcm"])
    seg = pydicom.dcmread(tmp_path / "seg.dcm")
    assert seg.Modality == "SEG"
    assert seg.SegmentationType == "BINARY"
    for name in ("PatientID", "StudyInstanceUID", "FrameOfReferenceUID"):
        assert seg[name].value == ct[name].value
    assert seg.SeriesInstanceUID != ct.SeriesInstanceUID
    series = seg.ReferencedSeriesSequence[0]
    assert series.SeriesInstanceUID == ct.SeriesInstanceUID
    assert [i.ReferencedSOPInstanceUID for i in series.ReferencedInstanceSequence] == [ct.SOPInstanceUID]
    shared = seg.SharedFunctionalGroupsSequence[0]
    assert list(shared.PixelMeasuresSequence[0].PixelSpacing) == [0.5, 0.8]
    assert list(shared.PlaneOrientationSequence[0].ImageOrientationPatient) == [1, 0, 0, 0, 1, 0]
    frames = seg.PerFrameFunctionalGroupsSequence
    assert len(frames) == 4
    for frame in frames:
        assert list(frame.PlanePositionSequence[0].ImagePositionPatient) == [3.5, -4, -10]
        derived = frame.DerivationImageSequence[0].SourceImageSequence[0]
        assert derived.ReferencedSOPInstanceUID == ct.SOPInstanceUID
        assert derived.ReferencedSOPClassUID == ct.SOPClassUID


def test_the_notice_and_the_program_stand_in_it(tmp_path: Path, source: Callable[..., Path]) -> None:
    save_dicom_seg(tmp_path / "seg.dcm", segments=SEGMENTS, sources=[source()])
    seg = pydicom.dcmread(tmp_path / "seg.dcm")
    assert seg.ContentDescription == NOTICE
    assert NOTICE in seg.SeriesDescription
    assert seg.ManufacturerModelName == "napari-ambiseg"


def test_names_of_any_alphabet_survive(tmp_path: Path, source: Callable[..., Path]) -> None:
    ct = source(SpecificCharacterSet="ISO_IR 100", PatientName="Müller^Änne")
    named = Segment("李医生 · Dr. Çelik", MASKS[1], DrawnBy.PERSON)
    save_dicom_seg(tmp_path / "seg.dcm", segments=[named], sources=[ct])
    seg = pydicom.dcmread(tmp_path / "seg.dcm")
    assert seg.SegmentSequence[0].SegmentLabel == named.name
    assert str(seg.PatientName) == "Müller^Änne"


@pytest.mark.parametrize("said", [None, "", "ISO_IR 6"])
def test_a_source_that_is_silent_on_its_alphabet_will_do(
    tmp_path: Path, source: Callable[..., Path], said: str | None
) -> None:
    save_dicom_seg(tmp_path / "seg.dcm", segments=SEGMENTS, sources=[source(SpecificCharacterSet=said)])
    assert str(pydicom.dcmread(tmp_path / "seg.dcm").PatientID) == "Anna"


def test_a_probability_is_fractional_to_half_a_step(tmp_path: Path, source: Callable[..., Path]) -> None:
    share = np.random.default_rng(1).random((1, 9, 7)).astype(np.float32)
    share[0, 0, :2] = 0, 1
    save_dicom_seg_probability(tmp_path / "p.dcm", probability=share, sources=[source()], model="m")
    found = segread(tmp_path / "p.dcm")
    assert (found.SegmentationType, found.SegmentationFractionalType) == ("FRACTIONAL", "PROBABILITY")
    image = pydicom.dcmread(tmp_path / "-10.0.dcm")
    read = found.get_pixels_by_source_instance([image.SOPInstanceUID])[..., 0]
    np.testing.assert_allclose(read, share, atol=0.5 / 255 + 1e-6)
    assert read[0, 0, :2].tolist() == [0, 1]


def test_masks_of_several_slices_name_the_image_of_each(tmp_path: Path, source: Callable[..., Path]) -> None:
    files = [source(z) for z in (-10.0, -7.5, -5.0)]
    masks = np.random.default_rng(2).random((3, 9, 7)) < 0.5
    save_dicom_seg(tmp_path / "seg.dcm", segments=[Segment("a", masks, DrawnBy.MODEL)], sources=files)
    uids = [pydicom.dcmread(file).SOPInstanceUID for file in files]
    pixels = segread(tmp_path / "seg.dcm").get_pixels_by_source_instance(uids[::-1])
    np.testing.assert_array_equal(pixels[..., 0], masks[::-1])


def test_a_source_that_is_no_dicom_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    for name, words in (("picture.png", "no readable DICOM file"), ("none.dcm", "check the path")):
        with pytest.raises(DataFileError, match=words):
            save_dicom_seg(tmp_path / "seg.dcm", segments=SEGMENTS, sources=[tmp_path / name])
    assert not (tmp_path / "seg.dcm").exists()


def test_a_source_without_a_frame_of_reference_is_told_in_a_sentence(
    tmp_path: Path, source: Callable[..., Path]
) -> None:
    with pytest.raises(DataFileError, match=r"no FrameOfReferenceUID.*as NIfTI instead"):
        save_dicom_seg(tmp_path / "s.dcm", segments=SEGMENTS, sources=[source(FrameOfReferenceUID=None)])


def test_masks_of_another_size_or_number_are_refused(tmp_path: Path, source: Callable[..., Path]) -> None:
    ct = source()
    small = Segment("small", np.zeros((1, 5, 5), np.bool_), DrawnBy.MODEL)
    for segments, sources in (([small], [ct]), (SEGMENTS, [ct, ct]), (SEGMENTS, [])):
        with pytest.raises(InputImageError, match="give the file of each slice"):
            save_dicom_seg(tmp_path / "s.dcm", segments=segments, sources=sources)
    with pytest.raises(InputImageError, match="choose at least one"):
        save_dicom_seg(tmp_path / "s.dcm", segments=[], sources=[ct])


def test_without_highdicom_the_remedy_is_named(
    tmp_path: Path, source: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dicom_seg, "find_spec", lambda _: None)
    with pytest.raises(SettingsError, match=r'pip install "napari-ambiseg\[dicom-seg\]"'):
        save_dicom_seg(tmp_path / "s.dcm", segments=SEGMENTS, sources=[source()])


def test_real_series_of_several_vendors_take_masks(tmp_path: Path, lidc_val: Path) -> None:
    folders = sorted((lidc_val.parent / "dicom_ct").iterdir())
    written = 0
    for file in (next(folder.rglob("*.dcm"), None) for folder in folders if folder.is_dir()):
        if file is None:
            continue
        image = pydicom.dcmread(file, stop_before_pixels=True)
        if image.Modality != "CT" or "FrameOfReferenceUID" not in image:
            continue
        mask = np.zeros((1, image.Rows, image.Columns), np.bool_)
        mask[0, 100:120, 90:130] = True
        save_dicom_seg(tmp_path / "s.dcm", segments=[Segment("box", mask, DrawnBy.PERSON)], sources=[file])
        read = segread(tmp_path / "s.dcm").get_pixels_by_source_instance([image.SOPInstanceUID])
        np.testing.assert_array_equal(read[..., 0], mask)
        written += 1
    assert written > 0

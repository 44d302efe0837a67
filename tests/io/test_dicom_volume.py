"""What is dragged onto the viewer: DICOM files and folders as volumes, with what a user must know of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import EnhancedCTImageStorage, JPEGLosslessSV1, RLELossless, SegmentationStorage

from napari_ambiseg.errors import DataFileError
from napari_ambiseg.io.dicom import PADDING_HU
from napari_ambiseg.io.dicom_enhanced import read_enhanced
from napari_ambiseg.io.dicom_volume import MOST_SERIES, read_dicom
from napari_ambiseg.io.volume import ImageVolume

WriteCt = Callable[..., Path]
RNG = np.random.default_rng(0)
STACK = RNG.integers(-1000, 1500, (5, 6, 8)).astype(np.float64)


@pytest.fixture
def write_series(tmp_path: Path, write_ct: WriteCt) -> Callable[..., Path]:
    """Writes slices at places along z, in an order of files that says nothing; returns their folder."""

    def write(places: tuple[float, ...] = (0, 2, 4, 6, 8), folder: str = "series", **fields: Any) -> Path:
        for i, z_mm in enumerate(places):
            position = [-10, -20, z_mm]
            name = f"{(7 * i + 3) % 31:02d}.dcm"
            more = {"ImagePositionPatient": position, "InstanceNumber": i + 1, "PixelSpacing": [0.7, 0.8], **fields}
            write_ct(tmp_path / folder / name, STACK[i % len(STACK)], **more)
        return tmp_path / folder

    return write


def only(paths: list[Path]) -> ImageVolume:
    volumes, _ = read_dicom(paths)
    assert len(volumes) == 1
    return volumes[0]


def test_a_folder_is_a_volume_in_hu_sorted_by_place_and_placed_in_mm(write_series: Callable[..., Path]) -> None:
    volume = only([write_series()])
    np.testing.assert_array_equal(volume.pixels, STACK)
    assert volume.pixels.dtype == np.int16
    assert (volume.is_hu, volume.notes) == (True, ())
    assert volume.spacing_mm == (2, 0.7, 0.8)
    assert volume.origin_mm == (0, -20, -10)
    corner = volume.affine @ (7, 5, 4, 1)  # the last column, row and slice
    np.testing.assert_allclose(corner, (-10 + 7 * 0.8, -20 + 5 * 0.7, 8, 1))
    assert [pydicom.dcmread(path).InstanceNumber for path in volume.sources] == [1, 2, 3, 4, 5]


def test_one_file_brings_the_slices_of_its_series_that_lie_beside_it(
    write_series: Callable[..., Path], write_ct: WriteCt
) -> None:
    folder = write_series()
    write_ct(folder / "other.dcm", STACK[0], SeriesInstanceUID="1.2.9")
    (folder / "notes.txt").write_text("no DICOM")
    np.testing.assert_array_equal(only([folder / "03.dcm"]).pixels, STACK)
    assert only([folder / "other.dcm"]).pixels.shape == (6, 8)


def test_of_several_files_only_these_are_opened(write_series: Callable[..., Path]) -> None:
    folder = write_series()
    chosen = [path for path in sorted(folder.iterdir()) if pydicom.dcmread(path).InstanceNumber in (2, 3)]
    np.testing.assert_array_equal(only(chosen).pixels, STACK[1:3])


def test_a_coronal_series_keeps_its_own_axes_and_its_place_in_the_patient(tmp_path: Path, write_ct: WriteCt) -> None:
    for i, y_mm in enumerate((30, 33)):
        write_ct(
            tmp_path / f"{i}",
            STACK[i],
            ImageOrientationPatient=[1, 0, 0, 0, 0, -1],
            ImagePositionPatient=[5, y_mm, 100],
            PixelSpacing=[0.7, 0.8],
        )
    volume = only([tmp_path])
    assert volume.spacing_mm == (3, 0.7, 0.8)
    np.testing.assert_array_equal(volume.pixels, STACK[:2])
    np.testing.assert_allclose(volume.affine @ (1, 2, 1, 1), (5.8, 33, 100 - 1.4, 1))
    assert "not axial" in " ".join(volume.notes)


@pytest.mark.parametrize(
    ("places", "said"),
    [
        ((0, 2, 4, 10, 12), "2 slices are missing between 4 and 10 mm"),
        ((0, 2, 4, 6, 7), "its slices are 1 to 2 mm apart"),
        ((0, 2, 4, 4, 6), "1 slices that lie where another does were left out"),
    ],
)
def test_what_makes_a_series_no_grid_is_told(
    write_series: Callable[..., Path], places: tuple[float, ...], said: str
) -> None:
    volume = only([write_series(places)])
    assert said in " ".join(volume.notes)
    assert volume.spacing_mm[0] == 2  # the usual step


def test_of_slices_at_one_place_the_first_number_stays(write_series: Callable[..., Path]) -> None:
    volume = only([write_series((0, 2, 4, 4, 6))])
    np.testing.assert_array_equal(volume.pixels, STACK[[0, 1, 2, 4]])


def test_slices_shifted_by_a_tilted_gantry_are_told_and_stacked(tmp_path: Path, write_ct: WriteCt) -> None:
    for i in range(3):
        write_ct(tmp_path / f"{i}", STACK[i], ImagePositionPatient=[0, 0.6 * i, 2 * i], GantryDetectorTilt=16.7)
    volume = only([tmp_path])
    told = " ".join(volume.notes)
    assert "tilted by 16.7 degrees" in told
    assert "shifted by 0.6 mm" in told
    assert "only measures within a slice are right" in told
    np.testing.assert_allclose(volume.affine @ (0, 0, 2, 1), (0, 1.2, 4, 1))


def test_repeated_acquisitions_are_volumes_of_their_own(write_series: Callable[..., Path]) -> None:
    volumes, _ = read_dicom([write_series((0, 2, 0, 2))])
    np.testing.assert_array_equal(volumes[0].pixels, STACK[:2])
    np.testing.assert_array_equal(volumes[1].pixels, STACK[2:4])
    assert ["acquisition 1 of 2" in volumes[0].name, "acquisition 2 of 2" in volumes[1].name] == [True, True]


def test_series_of_a_folder_are_volumes_and_of_many_the_largest(
    write_series: Callable[..., Path], tmp_path: Path, write_ct: WriteCt
) -> None:
    write_series(folder="all/large")
    for i in range(MOST_SERIES - 1):
        write_ct(tmp_path / f"all/{i}", STACK[0], SeriesInstanceUID=f"1.2.{i + 5}")
    volumes, notes = read_dicom([tmp_path / "all"])
    assert [volume.pixels.ndim for volume in volumes] == [3, 2, 2, 2]
    assert notes == ()
    write_ct(tmp_path / "all/more", STACK[0], SeriesInstanceUID="1.2.77")
    volumes, notes = read_dicom([tmp_path / "all"])
    assert [volume.pixels.shape for volume in volumes] == [STACK.shape]
    assert "5 series were found" in notes[0]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"SOPClassUID": SegmentationStorage, "NumberOfFrames": 2}, "segmentations"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.481.3", "Rows": None, "Columns": None}, "RT Structure Set"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "localizers"),
        ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}, "in colour"),
        ({"NumberOfFrames": 3}, "several frames"),
        ({"PixelSpacing": [0, 0]}, "damaged"),
    ],
)
def test_what_is_no_slice_is_left_out_with_its_reason(
    write_series: Callable[..., Path], write_ct: WriteCt, fields: dict[str, Any], said: str
) -> None:
    folder = write_series()
    alone = write_ct(folder.parent / "alone" / "odd.dcm", STACK[0], **fields)
    write_ct(folder / "odd.dcm", STACK[0], **fields)
    volumes, notes = read_dicom([folder])
    assert [volume.pixels.shape for volume in volumes] == [STACK.shape]
    assert said in " ".join(notes)
    with pytest.raises(DataFileError, match=said):
        read_dicom([alone])


def test_an_encoding_without_a_decoder_is_named(write_series: Callable[..., Path], write_ct: WriteCt) -> None:
    path = write_ct(write_series().parent / "jpeg" / "a.dcm", STACK[0])
    dataset = pydicom.dcmread(path)
    dataset.PixelData = pydicom.encaps.encapsulate([b"\xff\xd8\xff\xd9"])
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    dataset.save_as(path)
    with pytest.raises(DataFileError, match="decompress"):
        read_dicom([path])


def test_run_lengths_are_decoded(write_series: Callable[..., Path]) -> None:
    folder = write_series()
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        dataset.compress(RLELossless)
        dataset.save_as(path)
    np.testing.assert_array_equal(only([folder]).pixels, STACK)


def test_padding_and_fractions_of_hu_are_kept(write_series: Callable[..., Path]) -> None:
    lowest = int(STACK[0].min()) + 1024
    volume = only([write_series((0,), RescaleSlope=0.5, PixelPaddingValue=lowest)])
    assert volume.pixels.dtype == np.float32
    np.testing.assert_array_equal(volume.pixels == PADDING_HU, STACK[0] == STACK[0].min())
    other = volume.pixels[volume.pixels != PADDING_HU]
    np.testing.assert_array_equal(other, ((STACK[0] + 1024) / 2 - 1024)[STACK[0] != STACK[0].min()])


def test_other_modalities_are_shown_but_are_not_hu(write_series: Callable[..., Path]) -> None:
    volume = only(
        [write_series(Modality="MR", RescaleSlope=None, RescaleIntercept=None, WindowCenter=900, WindowWidth=400)]
    )
    assert (volume.is_hu, volume.window) == (False, (700, 1100))
    np.testing.assert_array_equal(volume.pixels, STACK + 1024)


def test_a_picture_without_a_place_is_shown_alone_and_says_so(tmp_path: Path, write_ct: WriteCt) -> None:
    loose: dict[str, Any] = {
        "Modality": "DX",
        "ImagePositionPatient": None,
        "ImageOrientationPatient": None,
        "PixelSpacing": None,
        "ImagerPixelSpacing": [0.2, 0.3],
        "PhotometricInterpretation": "MONOCHROME1",
    }
    volume = only([write_ct(tmp_path / "a.dcm", STACK[0], **loose)])
    assert volume.spacing_mm[1:] == (0.2, 0.3)
    assert volume.inverted
    assert "does not say where it lies" in volume.notes[0]


def _groups(**items: Any) -> Dataset:
    """Functional groups: each a sequence of one item."""
    groups = Dataset()
    for name, fields in items.items():
        item = Dataset()
        for key, value in fields.items():
            setattr(item, key, value)
        setattr(groups, name, Sequence([item]))
    return groups


@pytest.fixture
def enhanced(tmp_path: Path, write_ct: WriteCt) -> Path:
    """An enhanced CT whose frames come from the head down and have intercepts of their own."""
    stored = (STACK[::-1] + 1024 + 10 * np.arange(5)[:, None, None]).astype("<i2")
    frames = [
        _groups(
            PlanePositionSequence={"ImagePositionPatient": [1, 2, 3.0 * (4 - i)]},
            PixelValueTransformationSequence={
                "RescaleSlope": 1,
                "RescaleIntercept": -1024 - 10 * i,
                "RescaleType": "HU",
            },
        )
        for i in range(5)
    ]
    shared = _groups(
        PixelMeasuresSequence={"PixelSpacing": [0.7, 0.8], "SliceThickness": 3},
        PlaneOrientationSequence={"ImageOrientationPatient": [1, 0, 0, 0, 1, 0]},
        FrameVOILUTSequence={"WindowCenter": -600, "WindowWidth": 1500},
    )
    nothing = ("PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient", "RescaleSlope", "RescaleIntercept")
    return write_ct(
        tmp_path / "enhanced.dcm",
        STACK[0],
        SOPClassUID=EnhancedCTImageStorage,
        NumberOfFrames=5,
        PixelData=stored.tobytes(),
        PerFrameFunctionalGroupsSequence=Sequence(frames),
        SharedFunctionalGroupsSequence=Sequence([shared]),
        **dict.fromkeys(nothing),
    )


def test_enhanced_ct_is_a_volume_each_frame_rescaled_by_itself(enhanced: Path) -> None:
    volume = only([enhanced])
    np.testing.assert_array_equal(volume.pixels, STACK)
    assert (volume.spacing_mm, volume.origin_mm) == ((3, 0.7, 0.8), (0, 2, 1))
    assert (volume.is_hu, volume.window, volume.sources) == (True, (-1350, 150), (enhanced,))


def test_enhanced_frames_that_do_not_say_where_they_lie_are_refused(enhanced: Path) -> None:
    dataset = pydicom.dcmread(enhanced)
    del dataset.PerFrameFunctionalGroupsSequence[2].PlanePositionSequence
    dataset.save_as(enhanced)
    with pytest.raises(DataFileError):
        read_enhanced(enhanced)


def test_progress_counts_headers_and_pixels(write_series: Callable[..., Path]) -> None:
    counted = list[int]()
    read_dicom([write_series()], counted.append)
    assert sum(counted) == 2 * 5


def test_files_that_are_no_dicom_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_text("no DICOM")
    for paths in ([tmp_path], [tmp_path / "a.dcm"], [tmp_path / "none.dcm"]):
        with pytest.raises(DataFileError):
            read_dicom(paths)

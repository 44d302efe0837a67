"""NIfTI as pictures and masks to be shown."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from napari_ambiseg.errors import DataFileError
from napari_ambiseg.io.nifti import read_nifti, read_nifti_times
from napari_ambiseg.io.nifti_volume import FEWEST_GREYS, read_nifti_volume

RNG = np.random.default_rng(0)
GREYS = RNG.integers(-1000, 1000, (5, 6, 4)).astype(np.int16)
MASK = (RNG.random((5, 6, 4)) < 0.3).astype(np.uint8)
AFFINE = np.array([[0.7, 0, 0, 10], [0, 0.8, 0, 20], [0, 0, 2.5, 30], [0, 0, 0, 1]])


def save(path: Path, values: np.ndarray, affine: np.ndarray = AFFINE, *, intent: int = 0) -> Path:
    image = nib.Nifti1Image(values, affine)
    image.header["intent_code"] = intent
    nib.save(image, path)
    return path


def test_a_volume_lies_in_millimetres_along_head_back_and_left(tmp_path: Path) -> None:
    volume, is_labels = read_nifti_volume(save(tmp_path / "ct.nii.gz", GREYS))
    assert not is_labels
    assert volume.name == "ct"
    assert volume.pixels.dtype == np.int16
    assert volume.spacing_mm == pytest.approx((2.5, 0.8, 0.7))
    # the first pixel is the one most to the front and the right: the last of the stored rows and columns
    assert volume.origin_mm == pytest.approx((30, -(20 + 5 * 0.8), -(10 + 4 * 0.7)))
    assert volume.notes == ()


def test_a_single_slice_is_flat_and_a_series_keeps_its_times(tmp_path: Path) -> None:
    flat, _ = read_nifti_volume(save(tmp_path / "flat.nii", GREYS[:, :, :1]))
    assert flat.pixels.shape == (6, 5)
    path = save(tmp_path / "times.nii", np.stack([GREYS, GREYS + 1, GREYS + 2], axis=-1))
    series, _ = read_nifti_volume(path)
    assert series.pixels.shape == (3, 4, 6, 5)
    np.testing.assert_array_equal(series.pixels[2], read_nifti(save(tmp_path / "one.nii", GREYS)).pixels + 2)
    assert len(read_nifti_times(path)) == 3
    with pytest.raises(DataFileError, match="one volume"):
        read_nifti(path)


def test_the_headers_slope_is_applied(tmp_path: Path) -> None:
    image = nib.Nifti1Image(GREYS, AFFINE)
    image.header.set_slope_inter(0.5, -100)
    nib.save(image, tmp_path / "a.nii")
    raw = bytearray((tmp_path / "a.nii").read_bytes())
    volume, _ = read_nifti_volume(tmp_path / "a.nii")
    assert volume.pixels.dtype in (np.float32, np.int16)
    stored = np.frombuffer(bytes(raw[352:]), "<i2").reshape((5, 6, 4), order="F")
    slope, intercept = np.frombuffer(bytes(raw[112:120]), "<f4")
    expected = (stored * slope + intercept)[::-1, ::-1].transpose(2, 1, 0)
    np.testing.assert_allclose(volume.pixels, expected)


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("plain.nii", MASK, True),
        ("float.nii", MASK.astype(np.float32), True),
        ("ct.nii", GREYS, False),
        ("ct_seg.nii.gz", (np.abs(GREYS) % 40).astype(np.int16), True),
        ("reader-2.mask.nii", MASK, True),
        ("ct.nii", (np.abs(GREYS) % FEWEST_GREYS).astype(np.uint8), False),
        ("ct.nii", (np.abs(GREYS) % (FEWEST_GREYS - 1)).astype(np.uint8), True),
        ("ct_seg.nii", MASK / 2, False),  # a probability
        ("masked.nii", GREYS, False),
        ("mask.nii", GREYS, False),  # whatever its name says
        ("nans.nii", np.where(MASK == 0, np.nan, 1.0), False),
    ],
)
def test_labels_are_told_from_greys(tmp_path: Path, name: str, values: np.ndarray, expected: bool) -> None:
    volume, is_labels = read_nifti_volume(save(tmp_path / name, values))
    assert is_labels == expected
    if expected:
        assert volume.pixels.dtype in (np.uint8, np.uint16)
        np.testing.assert_array_equal(volume.pixels, values[::-1, ::-1].transpose(2, 1, 0))


def test_a_header_that_says_labels_is_believed(tmp_path: Path) -> None:
    values = (np.abs(GREYS) % 300).astype(np.int16)
    assert read_nifti_volume(save(tmp_path / "a.nii", values, intent=1002))[1]
    assert not read_nifti_volume(save(tmp_path / "b.nii", values))[1]


def test_oblique_and_sheared_slices_are_told(tmp_path: Path) -> None:
    angle = np.radians(10)
    turn = np.eye(4)
    turn[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    oblique, _ = read_nifti_volume(save(tmp_path / "oblique.nii", GREYS, turn @ AFFINE))
    assert "oblique by 10 degrees" in oblique.notes[0]
    assert oblique.spacing_mm == pytest.approx((2.5, 0.8, 0.7), abs=1e-5)
    shear = AFFINE.copy()
    shear[1, 2] = 0.5
    sheared, _ = read_nifti_volume(save(tmp_path / "sheared.nii", GREYS, shear))
    assert "shifted by 0.5 mm" in " ".join(sheared.notes)
    assert sheared.spacing_mm == pytest.approx((2.5, 0.8, 0.7))


def test_colours_are_refused(tmp_path: Path) -> None:
    colours = np.zeros((5, 6, 4), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    nib.save(nib.Nifti1Image(colours, AFFINE), tmp_path / "a.nii")
    with pytest.raises(DataFileError):
        read_nifti_volume(tmp_path / "a.nii")

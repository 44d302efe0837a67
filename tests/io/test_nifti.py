from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, ornt_transform

from napari_ambiseg.errors import DataFileError
from napari_ambiseg.io.nifti import read_nifti

VALUES = np.random.default_rng(0).integers(-1000, 1000, (5, 6, 4)).astype(np.int16)  # to the right, front, head
AFFINE = np.array([[0.7, 0, 0, 10], [0, 0.8, 0, 20], [0, 0, 2.5, 30], [0, 0, 0, 1]])


def save(path: Path, values: np.ndarray = VALUES, affine: np.ndarray = AFFINE) -> Path:
    nib.save(nib.Nifti1Image(values, affine), path)
    return path


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_slices_run_to_the_head_rows_to_the_back_and_columns_to_the_left(tmp_path: Path, name: str) -> None:
    volume = read_nifti(save(tmp_path / name))
    for k in range(4):
        np.testing.assert_array_equal(volume.pixels[k], VALUES[::-1, ::-1, k].T)
    assert volume.spacing_mm == pytest.approx((0.8, 0.7))
    assert volume.z_mm.tolist() == [30, 32.5, 35, 37.5]


@pytest.mark.parametrize("codes", ["LPS", "SAR", "PIL", "ASR"])
def test_the_order_in_which_a_file_stores_its_axes_does_not_matter(tmp_path: Path, codes: str) -> None:
    image = nib.Nifti1Image(VALUES, AFFINE)
    turned = image.as_reoriented(ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(codes)))
    nib.save(turned, tmp_path / "turned.nii.gz")
    one, other = read_nifti(save(tmp_path / "a.nii")), read_nifti(tmp_path / "turned.nii.gz")
    np.testing.assert_array_equal(one.pixels, other.pixels)
    assert one.lies_with(other)


def test_the_matrix_leads_from_pixels_to_millimetres(tmp_path: Path) -> None:
    volume = read_nifti(save(tmp_path / "a.nii"))
    column, row, k = 3, 1, 2
    left, posterior, superior = (volume.affine @ [column, row, k, 1])[:3]
    right, front, head = np.linalg.inv(AFFINE)[:3] @ [-left, -posterior, superior, 1]
    assert VALUES[round(right), round(front), round(head)] == volume.pixels[k, row, column]


@pytest.mark.parametrize(
    ("index", "expected", "spacing"),
    [
        (np.s_[:, :, 1:2], VALUES[::-1, ::-1, 1].T, (0.8, 0.7)),
        (np.s_[:, 2:3, :], VALUES[::-1, 2, ::-1].T, (2.5, 0.7)),  # coronal, the head upwards
        (np.s_[3:4, :, :], VALUES[3, ::-1, ::-1].T, (2.5, 0.8)),  # sagittal
    ],
)
def test_a_single_slice_is_read_whichever_way_it_was_cut(
    tmp_path: Path, index: tuple[slice, ...], expected: np.ndarray, spacing: tuple[float, float]
) -> None:
    volume = read_nifti(save(tmp_path / "a.nii", VALUES[index]))
    np.testing.assert_array_equal(volume.pixels, expected[None])
    assert volume.spacing_mm == pytest.approx(spacing)


def test_a_flat_file_and_further_axes_of_length_1_are_read(tmp_path: Path) -> None:
    assert read_nifti(save(tmp_path / "a.nii", VALUES[:, :, 0])).pixels.shape == (1, 6, 5)
    assert read_nifti(save(tmp_path / "b.nii", VALUES[..., None])).pixels.shape == (4, 6, 5)


def test_masks_beside_the_image_do_not_lie_with_it(tmp_path: Path) -> None:
    moved = AFFINE + np.array([[0, 0, 0, 0.3]] + [[0] * 4] * 3)
    one, other = read_nifti(save(tmp_path / "a.nii")), read_nifti(save(tmp_path / "b.nii", VALUES, moved))
    assert not one.lies_with(other)
    assert not one.lies_with(read_nifti(save(tmp_path / "c.nii", VALUES[:, :, :3])))


@pytest.mark.parametrize(
    "values",
    [np.zeros((2, 3, 4, 5), np.int16), np.zeros((2, 3), np.complex64), np.zeros((2, 2), [(c, "u1") for c in "RGB"])],
    ids=["series", "complex", "colour"],
)
def test_what_is_no_volume_of_numbers_is_refused(tmp_path: Path, values: np.ndarray) -> None:
    with pytest.raises(DataFileError):
        read_nifti(save(tmp_path / "a.nii", values))


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_damaged_files_are_refused_or_read(tmp_path: Path, name: str) -> None:
    whole, chance, refused = save(tmp_path / name).read_bytes(), np.random.default_rng(0), 0
    for _ in range(100):
        damaged = bytearray(whole)
        for place in chance.integers(0, min(len(damaged), 352), 3):
            damaged[place] = chance.integers(256)
        (tmp_path / name).write_bytes(bytes(damaged[: chance.integers(1, len(damaged) + 1)]))
        try:
            read_nifti(tmp_path / name)
        except DataFileError:
            refused += 1
    assert refused > 50


def test_a_header_that_declares_more_than_the_file_holds_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii")
    content = bytearray(path.read_bytes())
    content[40:56] = np.array([3, 30000, 30000, 30000, 1, 1, 1, 1], "<i2").tobytes()
    path.write_bytes(content)
    with pytest.raises(DataFileError, match="declares 54000000000000 bytes"):
        read_nifti(path)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match="check the path"):
        read_nifti(tmp_path / "none.nii")

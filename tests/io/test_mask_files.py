"""Masks as others' programs read them: at the right place, of the right size, with their names."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import tifffile
from nibabel.orientations import axcodes2ornt, ornt_transform

from napari_ambiseg.errors import DataFileError, InputImageError
from napari_ambiseg.io.affine import affine_of_slice, flat_affine
from napari_ambiseg.io.export import NOTICE
from napari_ambiseg.io.mask_files import save_nifti, save_tiff
from napari_ambiseg.io.nifti import read_nifti, read_nifti_times
from napari_ambiseg.io.tiff_spacing import tiff_spacing_mm

MASKS = np.random.default_rng(0).random((3, 2, 5, 4)) < 0.4
NAMES = ("sample 1", "sample 2", "Dr. Çelik")
AFFINE = np.array([[0.7, 0, 0, -10], [0, 0.8, 0, 20], [0, 0, 2.5, 30], [0, 0, 0, 1]])  # to the left, back, head


@pytest.mark.parametrize("name", ["masks.nii", "masks.nii.gz"])
def test_masks_lie_where_the_matrix_says(tmp_path: Path, name: str) -> None:
    save_nifti(tmp_path / name, masks=MASKS, names=NAMES, affine=AFFINE)
    image = nib.load(tmp_path / name)
    assert image.shape == (4, 5, 2, 3)
    assert image.get_data_dtype() == np.uint8
    column, row, k, number = 3, 1, 1, 2
    assert image.dataobj[column, row, k, number] == MASKS[number, k, row, column]
    right, front, head = (image.affine @ [column, row, k, 1])[:3]
    left, back, up = (AFFINE @ [column, row, k, 1])[:3]
    np.testing.assert_allclose([-right, -front, head], [left, back, up], atol=1e-5)
    assert image.header.get_zooms()[:3] == pytest.approx((0.7, 0.8, 2.5))
    assert image.header.get_xyzt_units()[0] == "mm"


def test_our_own_reader_finds_every_mask_where_it_was(tmp_path: Path) -> None:
    save_nifti(tmp_path / "masks.nii.gz", masks=MASKS, names=NAMES, affine=AFFINE)
    volumes = read_nifti_times(tmp_path / "masks.nii.gz")
    for volume, mask in zip(volumes, MASKS, strict=True):
        np.testing.assert_array_equal(volume.pixels, mask)
        np.testing.assert_allclose(volume.affine, AFFINE, atol=1e-5)


def test_one_mask_is_a_plain_volume_and_a_probability_keeps_its_values(tmp_path: Path) -> None:
    share = MASKS.mean(axis=0, dtype=np.float32)
    save_nifti(tmp_path / "p.nii", masks=share[None], names=["probability"], affine=AFFINE)
    volume = read_nifti(tmp_path / "p.nii")
    np.testing.assert_array_equal(volume.pixels, share)


def test_names_and_notice_travel_with_the_masks(tmp_path: Path) -> None:
    save_nifti(tmp_path / "masks.nii", masks=MASKS, names=NAMES, affine=AFFINE)
    header = nib.load(tmp_path / "masks.nii").header
    assert header["descrip"].item().decode() == NOTICE
    (comment,) = header.extensions
    assert json.loads(comment.get_content()) == {"notice": NOTICE, "names": list(NAMES)}


@pytest.mark.parametrize("codes", ["RAS", "LPS", "SAR", "PIL"])
def test_masks_of_one_slice_can_be_laid_over_the_file_that_the_image_came_from(tmp_path: Path, codes: str) -> None:
    values = np.random.default_rng(1).integers(0, 1000, (6, 5, 4)).astype(np.int16)
    image = nib.Nifti1Image(values, np.diag([0.7, 0.8, 2.5, 1]) + np.eye(4, k=3) * 9)
    nib.save(image.as_reoriented(ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(codes))), tmp_path / "ct.nii.gz")
    volume, index = read_nifti(tmp_path / "ct.nii.gz"), 2
    bright = volume.pixels > 500
    save_nifti(
        tmp_path / "mask.nii.gz",
        masks=bright[None, index : index + 1],
        names=["bright"],
        affine=affine_of_slice(volume.affine, index),
        like=tmp_path / "ct.nii.gz",
    )
    source, written = nib.load(tmp_path / "ct.nii.gz"), nib.load(tmp_path / "mask.nii.gz")
    assert written.shape == source.shape
    np.testing.assert_allclose(written.affine, source.affine, atol=1e-5)
    upwards = "S" in codes
    head, index = codes.index("S" if upwards else "I"), index if upwards else 3 - index
    only = np.where(np.isin(np.arange(source.shape[head]), index), 1, 0).reshape(
        [-1 if a == head else 1 for a in (0, 1, 2)]
    )
    np.testing.assert_array_equal(np.asarray(written.dataobj), (np.asarray(source.dataobj) > 500) * only)


def test_masks_of_another_image_do_not_fit_its_file(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Image(np.zeros((4, 5, 2), np.int16), np.eye(4)), tmp_path / "ct.nii")
    for affine in (AFFINE, np.diag([-1.0, -1.0, 1.0, 1.0]) + np.eye(4, k=3) * 0.3):
        with pytest.raises(DataFileError, match="give the file that the image was read from"):
            save_nifti(tmp_path / "x.nii", masks=MASKS, names=NAMES, affine=affine, like=tmp_path / "ct.nii")
    with pytest.raises(DataFileError, match="check the path"):
        save_nifti(tmp_path / "x.nii", masks=MASKS, names=NAMES, affine=AFFINE, like=tmp_path / "none.nii")
    assert not (tmp_path / "x.nii").exists()


def test_tiff_pages_are_masks_with_their_names_and_a_size_in_millimetres(tmp_path: Path) -> None:
    save_tiff(tmp_path / "masks.tif", masks=MASKS[:, 0], names=NAMES, spacing_mm=(0.5, 0.8))
    with tifffile.TiffFile(tmp_path / "masks.tif") as file:
        assert len(file.pages) == 3
        np.testing.assert_array_equal(file.asarray(), MASKS[:, 0] * 255)
        assert file.imagej_metadata is not None
        assert file.imagej_metadata["Labels"] == list(NAMES)
        assert file.imagej_metadata["Info"] == NOTICE
    assert tiff_spacing_mm(tmp_path / "masks.tif") == pytest.approx((0.5, 0.8))


def test_a_probability_is_a_tiff_of_floats(tmp_path: Path) -> None:
    share = MASKS[:, 0].mean(axis=0, dtype=np.float32)
    save_tiff(tmp_path / "p.tif", masks=share[None], names=["probability"], spacing_mm=(1, 1))
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "p.tif"), share)


def test_a_slice_without_a_place_has_at_least_its_pixels_size(tmp_path: Path) -> None:
    save_nifti(tmp_path / "m.nii", masks=MASKS[:1, :1], names=NAMES[:1], affine=flat_affine((0.5, 0.8)))
    assert read_nifti(tmp_path / "m.nii").spacing_mm == pytest.approx((0.5, 0.8))


def test_nothing_and_nameless_masks_are_refused(tmp_path: Path) -> None:
    for masks, names in ((MASKS[:0], ()), (MASKS, NAMES[:2]), (MASKS[0], NAMES)):
        with pytest.raises(InputImageError, match="a name for each"):
            save_nifti(tmp_path / "x.nii", masks=masks, names=names, affine=AFFINE)
    with pytest.raises(InputImageError, match=r"expected \(number, height, width\)"):
        save_tiff(tmp_path / "x.tif", masks=MASKS, names=NAMES, spacing_mm=(1, 1))


def test_what_cannot_be_written_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataFileError, match="cannot write"):
        save_nifti(tmp_path / "file" / "x.nii", masks=MASKS, names=NAMES, affine=AFFINE)
    with pytest.raises(DataFileError, match="cannot write"):
        save_tiff(tmp_path / "file" / "x.tif", masks=MASKS[:, 0], names=NAMES, spacing_mm=(1, 1))


def test_more_than_memory_should_hold_is_refused_before_it_is_made(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Image(np.zeros((512, 512, 300), np.uint8), np.diag([-1, -1, 1, 1])), tmp_path / "ct.nii.gz")
    many = np.zeros((100, 1, 2, 2), np.bool_)
    with pytest.raises(DataFileError, match=r"take 7.9 GB; choose fewer"):
        save_nifti(tmp_path / "x.nii", masks=many, names=["m"] * 100, affine=np.eye(4), like=tmp_path / "ct.nii.gz")

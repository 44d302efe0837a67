"""Folders of pictures with one mask per expert, in both layouts, PNG, TIFF and NIfTI, and all that may be wrong."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_ambiseg.errors import DataFileError
from trainer.preparation.folder import FolderSettings, from_folder

Pictures = Mapping[str, tuple[np.ndarray, dict[str, np.ndarray]]]
AS_IT_IS = FolderSettings(spacing_mm=1)


def test_pictures_of_8_bits_come_back_as_they_are(folder: Path, pictures: Pictures) -> None:
    slices = from_folder(folder, AS_IT_IS).slices
    assert slices.names == tuple(pictures)
    for i, (image, masks) in enumerate(pictures.values()):
        np.testing.assert_array_equal(slices.images[i], image)
        for slot, expert in enumerate(("Ann", "Ben", "Zoe")):
            np.testing.assert_array_equal(slices.readings[i, slot], masks.get(expert, np.zeros((40, 30), bool)))


def test_an_expert_without_a_file_is_missing_not_empty(folder: Path) -> None:
    slices = from_folder(folder, AS_IT_IS).slices
    assert slices.filled.tolist() == [[True, True, True], *[[True, False, True]] * 4, [False, False, True]]
    assert len(slices[5].readings) == 1


def test_subjects_are_the_names_before_the_first_mark_and_that_is_said(folder: Path) -> None:
    part = from_folder(folder, AS_IT_IS)
    assert part.slices.subjects == ("s0", "s0", "s1", "s1", "s2", "s2")
    assert "3 of 6 pictures" in part.notes[1]


def test_a_folder_for_each_picture_holds_the_same(tmp_path: Path, folder: Path, pictures: Pictures) -> None:
    for name, (image, masks) in pictures.items():
        (tmp_path / "other" / name).mkdir(parents=True)
        Image.fromarray(image).save(tmp_path / "other" / name / "image.png")
        for expert, mask in masks.items():
            tifffile.imwrite(tmp_path / "other" / name / f"mask_{expert}.tif", mask.astype(np.uint8))
    one, other = from_folder(folder, AS_IT_IS).slices, from_folder(tmp_path / "other", AS_IT_IS).slices
    np.testing.assert_array_equal(one.images, other.images)
    np.testing.assert_array_equal(one.readings, other.readings)
    np.testing.assert_array_equal(one.filled, other.filled)


def test_a_table_says_subject_split_and_lesion(folder: Path, pictures: Pictures) -> None:
    rows = [f"{name},P{i % 2},{'val' if i % 2 else 'train'},{i // 4}" for i, name in enumerate(pictures)]
    (folder / "slices.csv").write_text("\n".join(["name,subject,split,nodule", *rows]))
    part = from_folder(folder, AS_IT_IS)
    assert part.slices.subjects == ("P0", "P1") * 3
    assert part.splits == ("train", "val") * 3
    assert part.slices.nodules.tolist() == [0, 1, 0, 1, 2, 3]


def everything_wrong(root: Path) -> list[str]:
    """Spoil a folder in every way; what must be said of it."""
    grey = np.zeros((40, 30), np.uint8)
    Image.fromarray(np.dstack([grey, grey + 9, grey])).save(root / "images" / "s0_0.png")
    Image.fromarray(grey[:5]).save(root / "experts" / "Zoe" / "s0_1.png")
    Image.fromarray(np.arange(1200, dtype=np.uint8).reshape(40, 30) % 3).save(root / "experts" / "Ann" / "s0_1.png")
    (root / "images" / "s1_2.png").write_bytes(b"no picture")
    (root / "experts" / "Zoe" / "s2_5.png").unlink()
    Image.fromarray(grey).save(root / "experts" / "Zoe" / "stranger.png")
    Image.fromarray(grey).save(root / "images" / "s2_4.tif")
    (root / "slices.csv").write_text("name,split\ns0_0,train\ns0_0,\ns0_1,train\nnobody,\n")
    return [
        "s0_0.png is in colour",
        r"Zoe/s0_1.png has shape \(5, 30\)",
        "Ann/s0_1.png has the values 0, 1, 2",
        "s1_2.png is no readable picture",
        "s2_5 has no mask of any expert",
        "Zoe/stranger.png is a mask of no picture",
        "have one name",
        "'s0_0' twice",
        "names 'nobody'",
        "s1_3 is not in slices.csv",
        "a split for some",
    ]


def test_all_that_is_wrong_with_a_folder_is_told_at_once(folder: Path) -> None:
    expected = everything_wrong(folder)
    with pytest.raises(DataFileError) as caught:
        from_folder(folder, AS_IT_IS)
    for said in expected:
        assert caught.match(said)


def test_what_settings_would_say_is_asked_once_for_all_pictures(folder: Path) -> None:
    with pytest.raises(DataFileError, match="6 of its pictures, the first s0_0, do not say how large"):
        from_folder(folder, FolderSettings())
    for path in (folder / "images").iterdir():
        Image.fromarray(np.arange(1200, dtype=np.uint16).reshape(40, 30)).save(path)
    with pytest.raises(DataFileError, match="6 of its pictures, the first s0_0, are uint16; give --window"):
        from_folder(folder, AS_IT_IS)


def test_a_folder_of_no_layout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match=r"images/NAME\.png"):
        from_folder(tmp_path, AS_IT_IS)
    with pytest.raises(DataFileError, match="check the path"):
        from_folder(tmp_path / "none", AS_IT_IS)


def one_picture(root: Path, image: np.ndarray, mask: np.ndarray, **tags: Any) -> Path:
    """A folder with one TIFF picture and one expert."""
    for name, pixels in (("images", image), ("experts/E", mask.astype(np.uint8))):
        (root / name).mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(root / name / "p.tif", pixels, **(tags if name == "images" else {}))
    return root


def test_a_window_is_on_the_models_scale_and_the_file_says_which(tmp_path: Path) -> None:
    hu = np.array([[-2000, -1295, -850, 40], [930, 3000, 0, -100]], np.int16)
    slices = from_folder(one_picture(tmp_path, hu, hu > 0), FolderSettings(spacing_mm=1, window=(-1295, 930))).slices
    assert slices.images[0, 0].tolist() == [0, 0, 51, 153]
    assert (slices.intensity.lung_hu, slices.intensity.tissue_hu) == pytest.approx((-850, 40))
    np.testing.assert_allclose(slices.normalised(0)[0], slices.intensity.from_hu(hu), atol=0.006)


def test_any_window_agrees_with_the_scale_that_the_file_declares(tmp_path: Path) -> None:
    values = np.arange(100, 300, dtype=np.uint16).reshape(10, 20)
    slices = from_folder(one_picture(tmp_path, values, values > 200), FolderSettings(spacing_mm=1, window=(120, 250)))
    inputs = slices.slices.normalised(0)[0]
    np.testing.assert_allclose(inputs, slices.slices.intensity.from_hu(values), atol=0.006)
    assert (inputs.min(), inputs.max()) == (-0.5, 2)


def test_percentiles_put_a_slices_dark_at_lung_and_its_bright_at_tissue(tmp_path: Path) -> None:
    values = np.arange(10_000, dtype=np.uint16).reshape(100, 100)
    slices = from_folder(one_picture(tmp_path, values, values > 200), FolderSettings(spacing_mm=1, percentiles=True))
    found = slices.slices.normalised(0)[0].ravel()
    assert found[100] == pytest.approx(0, abs=0.01)
    assert found[9899] == pytest.approx(1, abs=0.01)


def test_a_square_is_cut_without_resampling_or_padded_with_black(folder: Path, pictures: Pictures) -> None:
    part = from_folder(folder, FolderSettings(spacing_mm=1, size=36))
    image, masks = pictures["s0_0"]
    np.testing.assert_array_equal(part.slices.images[0][:, 3:33], image[2:38])
    np.testing.assert_array_equal(part.slices.readings[0, 2][:, 3:33], masks["Zoe"][2:38])
    assert not part.slices.images[0][:, [0, 1, 2, 33, 34, 35]].any()
    assert "6 of 6 slices lose a part of a mask" in part.notes[-1]


def test_a_square_around_the_lesion_holds_all_of_it(tmp_path: Path) -> None:
    mask = np.zeros((100, 90), bool)
    mask[80:95, 2:9] = True
    image = np.where(mask, 200, 10).astype(np.uint8)
    settings = FolderSettings(spacing_mm=1, size=32, centre="lesion")
    part = from_folder(one_picture(tmp_path, image, mask), settings)
    np.testing.assert_array_equal(part.slices.images[0], image[68:, :32])  # as far as the picture reaches
    assert part.slices.readings.sum() == mask.sum()
    assert not any("lose" in note for note in part.notes)


def test_a_finer_grid_keeps_areas_and_places(tmp_path: Path) -> None:
    mask = np.zeros((60, 60), bool)
    mask[20:40, 25:35] = True
    settings = FolderSettings(spacing_mm=1, size=120, grid_mm=0.5)
    part = from_folder(one_picture(tmp_path, np.where(mask, 200, 10).astype(np.uint8), mask), settings)
    assert part.slices.spacing_mm == (0.5, 0.5)
    expected = np.kron(mask, np.ones((2, 2), bool))
    np.testing.assert_array_equal(part.slices.readings[0, 0], expected)
    assert (part.slices.images[0][expected].astype(int) >= 117).all()  # a corner is 9/16 of the way up


def test_scaling_shows_the_whole_picture_with_larger_pixels(folder: Path) -> None:
    part = from_folder(folder, FolderSettings(spacing_mm=0.5, size=20, fit="scale"))
    assert part.slices.images.shape == (6, 20, 20)
    assert part.slices.spacing_mm == (1, 1)
    assert not part.slices.images[:, :, [0, 1, 18, 19]].any()  # 40 x 30 is not square


def test_pictures_of_several_sizes_or_spacings_are_refused_with_the_remedy(folder: Path) -> None:
    one_picture(folder, np.zeros((9, 9), np.uint8), np.ones((9, 9)), resolution=(25, 25), resolutionunit=3)
    with pytest.raises(DataFileError, match="give --size"):
        from_folder(folder, AS_IT_IS)
    for path in sorted((folder / "images").glob("*.png")):
        tifffile.imwrite(path.with_suffix(".tif"), np.zeros((40, 30), np.uint8), resolution=(20, 20), resolutionunit=3)
        path.unlink()
    with pytest.raises(DataFileError, match=r"0\.4 to 0\.5 mm.*--grid-mm"):
        from_folder(folder, FolderSettings(size=40))
    assert from_folder(folder, FolderSettings(size=40, grid_mm=0.5)).slices.spacing_mm == (0.5, 0.5)


def save_volume(path: Path, values: np.ndarray, spacing: tuple[float, float, float] = (0.7, 0.7, 2.5)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(values, np.diag([*spacing, 1.0])), path)


@pytest.fixture
def volumes(tmp_path: Path) -> Path:
    """A volume of five slices; A marked the second and third, B the third, both somewhere else than in the middle."""
    values = np.random.default_rng(0).integers(-1000, 500, (50, 40, 5)).astype(np.int16)
    marked = np.zeros((2, 50, 40, 5), np.uint8)
    marked[0, 5:10, 6:9, 1:3] = 1
    marked[1, 4:9, 6:9, 2] = 1
    save_volume(tmp_path / "images" / "p1.nii.gz", values)
    save_volume(tmp_path / "experts" / "A" / "p1.nii.gz", marked[0])
    save_volume(tmp_path / "experts" / "B" / "p1.nii", marked[1])
    return tmp_path


def test_a_volume_gives_the_slices_that_anybody_marked(volumes: Path) -> None:
    settings = FolderSettings(window=(-1295, 930), size=32, centre="lesion")
    part = from_folder(volumes, settings)
    assert part.slices.names == ("p1, slice 2", "p1, slice 3")
    assert part.z_mm.tolist() == [2.5, 5.0]
    assert part.slices.readings.sum(axis=(2, 3)).tolist() == [[15, 0], [15, 15]]
    assert part.slices.filled.all()  # B read the volume and drew nothing on its second slice
    assert part.slices.spacing_mm == pytest.approx((0.7, 0.7))


def test_all_slices_of_a_volume_can_be_had(volumes: Path) -> None:
    settings = FolderSettings(window=(-1295, 930), all_slices=True)
    assert len(from_folder(volumes, settings).slices) == 5


def test_a_mask_on_another_grid_is_refused(volumes: Path) -> None:
    save_volume(volumes / "experts" / "A" / "p1.nii.gz", np.zeros((50, 40, 5), np.uint8), (0.7, 0.7, 3.0))
    with pytest.raises(DataFileError, match=r"A/p1.nii.gz is not on the grid"):
        from_folder(volumes, FolderSettings(window=(-1295, 930)))


def test_volumes_that_nobody_marked_are_refused(volumes: Path) -> None:
    for path in (volumes / "experts").rglob("p1.*"):
        save_volume(path, np.zeros((50, 40, 5), np.uint8))
    with pytest.raises(DataFileError, match="--all-slices"):
        from_folder(volumes, FolderSettings(window=(-1295, 930)))

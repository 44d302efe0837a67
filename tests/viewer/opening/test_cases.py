"""Folders of pictures with experts' masks: opened, stepped through, and who has not read one counts for nothing."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import tifffile
from napari.layers import Image, Labels, Layer
from PIL import Image as Picture

from napari_ambiseg.engine.grey import GreyScale
from napari_ambiseg.errors import DataFileError
from napari_ambiseg.io.lidc_hdf5 import write_lidc_hdf5
from napari_ambiseg.readings.collection import SliceCollection
from napari_ambiseg.viewer.image.experts import detected, expert_masks
from napari_ambiseg.viewer.image.origin import origin_of, patient_of
from napari_ambiseg.viewer.opening import reader, sources
from napari_ambiseg.viewer.widgets import notices

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (2, 20, 30)).astype(np.uint8)
MASKS = RNG.random((2, 2, 20, 30)) < 0.3


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the user is warned of."""
    said = list[str]()
    monkeypatch.setattr(notices, "show_warning", said.append)
    return said


def save_png(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Picture.fromarray(pixels).save(path)


@pytest.fixture(params=["by expert", "by picture"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Two pictures; Anna has read both, Bo the second alone."""
    for i in range(2):
        for expert, mask in zip(("anna", "bo")[: i + 1], MASKS[i], strict=False):
            by_expert, by_picture = f"experts/{expert}/p{i}.png", f"p{i}/mask_{expert}.png"
            save_png(
                tmp_path / (by_expert if request.param == "by expert" else by_picture), 255 * mask.astype(np.uint8)
            )
        save_png(tmp_path / (f"images/p{i}.png" if request.param == "by expert" else f"p{i}/image.png"), PIXELS[i])
    return tmp_path


def opened(folder: Path) -> tuple[Image, list[Labels]]:
    read = reader.get_reader(str(folder))
    assert read is not None
    image, *experts = (Layer.create(*data) for data in read(str(folder)))
    return image, experts


def masks_of(image: Image, experts: list[Labels]) -> tuple[np.ndarray, tuple[str, ...]]:
    found = expert_masks(detected(experts, image), image, (0,) * (image.ndim - 2))
    return found.masks, found.names


def test_a_folder_opens_as_a_picture_and_a_layer_for_each_expert(folder: Path, told: list[str]) -> None:
    image, experts = opened(folder)
    np.testing.assert_array_equal(image.data, PIXELS[0])
    assert [layer.name for layer in experts] == ["anna", "bo"]
    assert [layer.visible for layer in experts] == [True, False]
    assert (origin_of(image).count, origin_of(image).grey) == (2, GreyScale.AUTO)
    masks, names = masks_of(image, experts)
    np.testing.assert_array_equal(masks, MASKS[0, :1])  # Bo's missing mask is not an empty one
    assert names == ("anna",)
    assert "how large a pixel" in told[0]


def test_one_can_step_to_the_next_case_and_back(folder: Path) -> None:
    image, experts = opened(folder)
    assert sources.go_to(origin_of(image), 1, [image, *experts]) == []
    np.testing.assert_array_equal(image.data, PIXELS[1])
    assert image.name == "p1"
    np.testing.assert_array_equal(masks_of(image, experts)[0], MASKS[1])
    assert sources.go_to(origin_of(image), 0, [image, *experts]) == []
    assert masks_of(image, experts)[1] == ("anna",)


def test_who_paints_in_a_layer_that_was_not_read_has_read_it(folder: Path) -> None:
    image, experts = opened(folder)
    experts[1].data[3:5, 3:5] = 1
    masks, names = masks_of(image, experts)
    assert names == ("anna", "bo")
    assert masks[1].sum() == 4
    (kept,) = sources.go_to(origin_of(image), 1, [image, *experts])
    assert kept.data.sum() == 4


def test_a_single_case_opens_by_its_own_folder(tmp_path: Path) -> None:
    save_png(tmp_path / "case/image.png", PIXELS[0])
    save_png(tmp_path / "case/mask_anna.png", MASKS[0, 0].astype(np.uint8))
    image, experts = opened(tmp_path / "case")
    np.testing.assert_array_equal(image.data, PIXELS[0])
    assert (image.name, [layer.name for layer in experts], origin_of(image).count) == ("case", ["anna"], 1)


def test_volumes_lie_in_millimetres_and_know_their_place(tmp_path: Path) -> None:
    hu = RNG.integers(-1000, 1000, (4, 20, 30)).astype(np.int16)
    affine = np.diag([-0.8, -0.7, 2.0, 1.0])
    for name, values in (("image", hu), ("mask_anna", (hu > 0).astype(np.uint8))):
        (tmp_path / "scan").mkdir(exist_ok=True)
        nib.save(nib.Nifti1Image(values.transpose(2, 1, 0), affine), tmp_path / f"scan/{name}.nii.gz")
    image, (anna,) = opened(tmp_path)
    np.testing.assert_array_equal(image.data, hu)
    np.testing.assert_array_equal(anna.data, hu > 0)
    np.testing.assert_allclose(image.scale, (2, 0.7, 0.8), atol=1e-6)
    np.testing.assert_array_equal(image.scale, anna.scale)
    assert origin_of(image).grey is GreyScale.HU
    np.testing.assert_allclose(patient_of(image).affine[:3, :3], np.diag([0.8, 0.7, 2.0]), atol=1e-6)


def test_pixel_size_and_contrast_follow_the_case(tmp_path: Path) -> None:
    for name, side_um, top in (("a", 2.0, 1000), ("b", 4.0, 4000)):
        (tmp_path / name).mkdir()
        grey = np.linspace(0, top, 600).reshape(20, 30).astype(np.uint16)
        resolution = (1e4 / side_um,) * 2
        tifffile.imwrite(tmp_path / name / "image.tif", grey, resolution=resolution, resolutionunit="CENTIMETER")
        tifffile.imwrite(tmp_path / name / "mask_anna.tif", (grey > top / 2).astype(np.uint8))
    image, experts = opened(tmp_path)
    np.testing.assert_allclose(image.scale, 2e-3)
    sources.go_to(origin_of(image), 1, [image, *experts])
    np.testing.assert_allclose(image.scale, 4e-3)
    np.testing.assert_allclose(experts[0].scale, 4e-3)
    assert 3900 < image.contrast_limits[1] < 4000


def test_a_mask_that_does_not_fit_is_told_and_left_out(tmp_path: Path, told: list[str]) -> None:
    save_png(tmp_path / "p/image.png", PIXELS[0])
    save_png(tmp_path / "p/mask_anna.png", MASKS[0, 0].astype(np.uint8))
    save_png(tmp_path / "p/mask_bo.png", MASKS[0, 0, :10].astype(np.uint8))
    image, experts = opened(tmp_path)
    assert masks_of(image, experts)[1] == ("anna",)
    assert any("mask of bo is left out" in note for note in told)


def test_a_volume_is_not_forced_into_the_layers_of_a_picture(tmp_path: Path) -> None:
    save_png(tmp_path / "a/image.png", PIXELS[0])
    save_png(tmp_path / "a/mask_anna.png", MASKS[0, 0].astype(np.uint8))
    (tmp_path / "b").mkdir()
    for name in ("image", "mask_anna"):
        nib.save(nib.Nifti1Image(np.ones((5, 6, 3), np.uint8), np.eye(4)), tmp_path / f"b/{name}.nii")
    image, experts = opened(tmp_path)
    with pytest.raises(DataFileError, match="open it by itself"):
        sources.go_to(origin_of(image), 1, [image, *experts])
    np.testing.assert_array_equal(image.data, PIXELS[0])


def test_slots_that_nobody_filled_count_for_nothing_and_keep_their_expert(tmp_path: Path) -> None:
    present = np.array([[True, False, True], [True, True, False]])
    readings = RNG.random((2, 3, 20, 30)) < 0.3
    readings[~present] = False
    slices = SliceCollection(
        images=PIXELS,
        readings=readings,
        subjects=("p", "q"),
        nodules=np.array([0, 1]),
        names=("one", "two"),
        present=present,
    )
    write_lidc_hdf5(tmp_path / "a.h5", {"train": slices, "val": slices.subset([1])})
    image, experts = opened(tmp_path / "a.h5")
    assert (origin_of(image).split, masks_of(image, experts)[1]) == ("val", ("Expert 1", "Expert 2"))
    assert sources.go_to(origin_of(image), 0, [image, *experts], split="train") == []
    assert (origin_of(image).split, origin_of(image).count) == ("train", 2)
    masks, names = masks_of(image, experts)
    np.testing.assert_array_equal(masks, readings[0, [0, 2]])
    assert names == ("Expert 1", "Expert 3")
    with pytest.raises(DataFileError, match="no split 'test'"):
        sources.go_to(origin_of(image), 0, [image, *experts], split="test")

"""What happens when files and folders are dropped on napari."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from npe2 import PluginManager

from napari_ambiseg.engine.grey import GreyScale
from napari_ambiseg.errors import DataFileError
from napari_ambiseg.viewer.image.experts import expert_masks
from napari_ambiseg.viewer.image.origin import origin_of, patient_of
from napari_ambiseg.viewer.image.plane import plane_of
from napari_ambiseg.viewer.opening import reader
from napari_ambiseg.viewer.widgets import notices

WriteCt = Callable[..., Path]
RNG = np.random.default_rng(0)
STACK = RNG.integers(-1000, 1500, (4, 6, 8)).astype(np.float64)


@pytest.fixture
def series(tmp_path: Path, write_ct: WriteCt) -> Path:
    """A folder with a CT of four slices, 2 mm apart, of pixels of 0.7 x 0.8 mm."""
    for i, hu in enumerate(STACK):
        place = {"ImagePositionPatient": [-10, -20, 2 * i], "PixelSpacing": [0.7, 0.8], "InstanceNumber": i}
        write_ct(tmp_path / "ct" / f"{i}.dcm", hu, **place)
    return tmp_path / "ct"


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the user is notified of."""
    said = list[str]()
    for module, name in ((reader, "show_info"), (reader, "show_error"), (notices, "show_warning")):
        monkeypatch.setattr(module, name, said.append)
    return said


def opened(path: Path | list[Path]) -> list[Layer]:
    given = str(path) if isinstance(path, Path) else [str(one) for one in path]
    read = reader.get_reader(given)
    assert read is not None
    return [Layer.create(*data) for data in read(given)]


def as_nifti(path: Path, values: np.ndarray) -> Path:
    """Saves (slices, rows, columns) so that they lie where the series does."""
    affine = np.diag([-0.8, -0.7, 2.0, 1.0])
    affine[:3, 3] = 10, 20, 0
    nib.save(nib.Nifti1Image(values.transpose(2, 1, 0), affine), path)
    return path


def test_a_series_opens_in_hu_in_millimetres_and_can_be_read(series: Path) -> None:
    (layer,) = opened(series)
    assert isinstance(layer, Image)
    np.testing.assert_array_equal(layer.data, STACK)
    assert tuple(layer.scale) == (2, 0.7, 0.8)
    assert tuple(layer.translate) == (0, -20, -10)
    assert origin_of(layer).grey is GreyScale.HU
    assert [file.name for file in patient_of(layer).files] == ["0.dcm", "1.dcm", "2.dcm", "3.dcm"]
    plane = plane_of(layer, point=(4.0, 0.0, 0.0), displayed=(1, 2))
    assert (plane.index, plane.in_mm) == ((2,), True)
    assert plane.spacing_mm == pytest.approx((0.7, 0.8))


def test_a_nifti_file_of_the_same_scan_lies_upon_it(series: Path, tmp_path: Path) -> None:
    (dicom,) = opened(series)
    (nifti,) = opened(as_nifti(tmp_path / "ct.nii.gz", STACK.astype(np.int16)))
    np.testing.assert_array_equal(nifti.data, dicom.data)
    np.testing.assert_allclose(nifti.scale, dicom.scale, atol=1e-6)
    np.testing.assert_allclose(nifti.translate, dicom.translate, atol=1e-6)
    assert origin_of(nifti).grey is GreyScale.HU


def test_a_nifti_mask_opens_as_labels_and_serves_as_an_expert(series: Path, tmp_path: Path) -> None:
    (image,) = opened(series)
    (labels,) = opened(as_nifti(tmp_path / "reader_seg.nii", (STACK > 0).astype(np.uint8)))
    assert isinstance(labels, Labels)
    masks = expert_masks([labels], image, (2,)).masks
    np.testing.assert_array_equal(masks, (STACK > 0)[2:3])


def test_times_come_first_and_are_no_millimetres(tmp_path: Path) -> None:
    values = np.stack([STACK, STACK + 1], axis=-1).astype(np.int16)
    nib.save(nib.Nifti1Image(values.transpose(2, 1, 0, 3), np.diag([-0.8, -0.7, 2, 1])), tmp_path / "times.nii")
    (layer,) = opened(tmp_path / "times.nii")
    assert layer.data.shape == (2, 4, 6, 8)
    assert tuple(layer.scale) == (1, 2, 0.7, 0.8)
    assert [str(unit) for unit in layer.units] == ["pixel", "millimeter", "millimeter", "millimeter"]
    plane = plane_of(layer, point=(1.0, 4.0, 0.0, 0.0), displayed=(2, 3))
    assert (plane.index, plane.in_mm) == ((1, 2), True)


def test_the_window_of_the_file_is_taken_else_soft_tissue_else_percentiles(
    tmp_path: Path, write_ct: WriteCt, series: Path
) -> None:
    (own,) = opened(write_ct(tmp_path / "own/a.dcm", STACK[0], WindowCenter=-600, WindowWidth=1500))
    assert tuple(own.contrast_limits) == (-1350, 150)
    assert tuple(opened(series)[0].contrast_limits) == (-160, 240)
    grey = RNG.random((4, 6, 8)) * 1000
    low, high = opened(as_nifti(tmp_path / "mr.nii", grey))[0].contrast_limits
    assert grey.min() < low < 50
    assert 950 < high < grey.max()


def test_files_dropped_together_open_their_series_once(
    series: Path, monkeypatch: pytest.MonkeyPatch, told: list[str]
) -> None:
    viewer = ViewerModel()
    monkeypatch.setattr(reader.napari, "current_viewer", lambda: viewer)
    monkeypatch.setattr(reader, "_last_seen", {})
    for file in sorted(series.iterdir()):
        data = reader.get_reader(str(file))(str(file))
        if data is not reader.NOTHING_NEW:
            viewer.add_layer(Layer.create(*data[0]))
    assert [layer.data.shape for layer in viewer.layers] == [STACK.shape]
    assert told == []
    monkeypatch.setattr(reader, "_PAUSE_S", 0.0)  # and much later
    assert reader.get_reader(str(file))(str(file)) is reader.NOTHING_NEW
    assert "open already" in told[0]
    viewer.layers.clear()
    assert reader.get_reader(str(file))(str(file)) is not reader.NOTHING_NEW


def test_a_stack_of_files_is_these_files_alone(series: Path) -> None:
    (layer,) = opened([series / "1.dcm", series / "2.dcm"])
    np.testing.assert_array_equal(layer.data, STACK[1:3])


def test_what_is_odd_or_left_out_is_told(series: Path, write_ct: WriteCt, told: list[str]) -> None:
    write_ct(series / "scout.dcm", STACK[0], ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    (series / "2.dcm").unlink()
    opened(series)
    assert "localizers" in told[0]
    assert "1 slice is missing" in told[1] or "apart" in told[1]


def test_a_file_without_a_picture_hinders_no_other(tmp_path: Path, told: list[str]) -> None:
    (tmp_path / "report.dcm").write_text("no DICOM")
    assert reader.get_reader(str(tmp_path / "report.dcm"))(str(tmp_path / "report.dcm")) == reader.NOTHING_NEW
    assert "report.dcm" in told[0]


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.txt", "a"])
def test_other_files_and_folders_are_left_to_other_readers(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("something")
    for path in (str(tmp_path / name), str(tmp_path), [str(tmp_path / name)]):
        assert reader.get_reader(path) is None


def test_a_nifti_file_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.nii").write_text("no NIfTI")
    with pytest.raises(DataFileError, match=r"a\.nii"):
        opened(tmp_path / "a.nii")


def _readers(path: Any) -> set[str]:
    return {one.plugin_name for one in PluginManager.instance().iter_compatible_readers([str(path)])}


@pytest.mark.parametrize(
    "name", ["a.dcm", "a.IMA", "a.nii", "A.NII.GZ", "a.h5", "a.HDF5", "1.3.6.1.4.1.14519.5.2.1", "00000001"]
)
def test_napari_asks_us_for_what_we_open(name: str) -> None:
    PluginManager.instance().discover()
    assert "napari-ambiseg" in _readers(name)


def test_napari_asks_us_for_folders_but_not_for_every_file(tmp_path: Path) -> None:
    PluginManager.instance().discover()
    assert "napari-ambiseg" in _readers(tmp_path)
    for name in ("a.png", "a.tif", "b", "1.2.png"):
        assert "napari-ambiseg" not in _readers(name)

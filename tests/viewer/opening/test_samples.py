"""File > Open Sample: a file that the user has, and a real nodule, whose archive is stood in for by the test."""

import time
from collections.abc import Callable, Generator
from pathlib import Path

import numpy as np
import pytest
from napari.layers import Image, Labels, Layer
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QFileDialog, QProgressDialog, QPushButton

from napari_ambiseg.errors import DataFileError
from napari_ambiseg.io.dicom_volume import read_dicom
from napari_ambiseg.io.lidc_hdf5 import write_lidc_hdf5
from napari_ambiseg.io.tcia import Fetched
from napari_ambiseg.phantom.real_nodule import real_nodule
from napari_ambiseg.readings.collection import SliceCollection
from napari_ambiseg.viewer.image.experts import detected, expert_masks
from napari_ambiseg.viewer.opening import samples

WriteCt = Callable[..., Path]
NODULE = real_nodule()


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory, write_ct: WriteCt) -> Path:
    """A CT of the size of the one that was outlined, with a slice below and one above."""
    folder, air = tmp_path_factory.mktemp("scan"), np.full((512, 512), -850.0)
    heights = (NODULE.heights_mm[0] - 3, *NODULE.heights_mm, NODULE.heights_mm[-1] + 3)
    for i, z_mm in enumerate(heights):
        write_ct(
            folder / f"{i}.dcm",
            air,
            SeriesInstanceUID=NODULE.series_uid,
            PatientID=NODULE.patient,
            PixelSpacing=[NODULE.pixel_mm] * 2,
            ImagePositionPatient=[-180, -180, z_mm],
        )
    return folder


def test_the_bundled_outlines_are_four_readers_who_differ() -> None:
    assert len(NODULE.readers) == 4
    masks = np.stack([NODULE.masks(z_mm, (512, 512)) for z_mm in NODULE.heights_mm])  # (slices, R, H, W)
    areas = masks.sum(axis=(2, 3))
    assert (areas.max(axis=0) > 200).all()
    assert (areas == 0).any()  # at its ends not all see it
    assert masks.any(axis=(0, 1)).sum() > masks.all(axis=1).any(axis=0).sum()


def test_outlines_lie_on_the_slices_at_which_they_were_drawn(scan: Path) -> None:
    (volume,), _ = read_dicom([scan])
    image, *experts = (Layer.create(*data) for data in samples.nodule_layers(volume, NODULE))
    assert isinstance(image, Image)
    labels = [layer for layer in experts if isinstance(layer, Labels)]
    assert detected(labels, image) == labels
    np.testing.assert_array_equal(image.scale, labels[0].scale)
    for k, z_mm in enumerate(NODULE.heights_mm, start=1):
        assert image.data_to_world((k, 0, 0))[0] == pytest.approx(z_mm)
        np.testing.assert_array_equal(expert_masks(labels, image, (k,)).masks, NODULE.masks(z_mm, (512, 512)))
    assert not expert_masks(labels, image, (0,)).masks.any()


def test_another_ct_is_refused(tmp_path: Path, write_ct: WriteCt) -> None:
    for i in range(2):
        write_ct(tmp_path / f"wide/{i}", np.zeros((8, 8)), ImagePositionPatient=[0, 0, i])
        place = {"ImagePositionPatient": [0, 0, i], "PixelSpacing": [NODULE.pixel_mm] * 2}
        write_ct(tmp_path / f"elsewhere/{i}", np.zeros((8, 8)), **place)
    for name, said in (("wide", "outlined"), ("elsewhere", "no slice at")):
        (volume,), _ = read_dicom([tmp_path / name])
        with pytest.raises(DataFileError, match=said):
            samples.nodule_layers(volume, NODULE)


def test_a_ct_that_was_fetched_before_is_not_fetched_again(scan: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "cached_series", lambda uid: scan if uid == NODULE.series_uid else None)
    monkeypatch.setattr(samples, "fetch_series", None)
    assert [kind for _, _, kind in samples.real_nodule_sample()] == ["image", *["labels"] * 4]


def test_it_is_fetched_while_the_window_lives(scan: Path, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot) -> None:
    turns = list[int]()
    timer = QTimer()
    timer.timeout.connect(lambda: turns.append(1))
    timer.start(5)

    def fetch(uid: str) -> Generator[Fetched, None, Path]:
        for received in range(0, 100, 10):
            time.sleep(0.02)
            yield Fetched(received, 100)
        return scan

    monkeypatch.setattr(samples, "cached_series", lambda uid: None)
    monkeypatch.setattr(samples, "fetch_series", fetch)
    assert len(samples.real_nodule_sample()) == 5
    assert len(turns) > 3


def test_a_fetch_can_be_cancelled_and_brings_nothing(monkeypatch: pytest.MonkeyPatch, qtbot: QtBot) -> None:
    closed = list[bool]()

    def fetch(uid: str) -> Generator[Fetched, None, Path]:
        try:
            while True:
                time.sleep(0.02)
                yield Fetched(1, None)
        finally:
            closed.append(True)

    def cancel() -> None:
        for window in QApplication.topLevelWidgets():
            if isinstance(window, QProgressDialog) and window.isVisible():
                window.findChild(QPushButton).click()

    monkeypatch.setattr(samples, "cached_series", lambda uid: None)
    monkeypatch.setattr(samples, "fetch_series", fetch)
    QTimer.singleShot(100, cancel)
    assert samples.real_nodule_sample() == []
    qtbot.waitUntil(lambda: closed == [True], timeout=20_000)


def test_what_hinders_a_fetch_is_said(monkeypatch: pytest.MonkeyPatch, qtbot: QtBot) -> None:
    def fetch(uid: str) -> Generator[Fetched, None, Path]:
        yield Fetched(1, None)
        raise DataFileError("the archive cannot be reached; check the connection")

    monkeypatch.setattr(samples, "cached_series", lambda uid: None)
    monkeypatch.setattr(samples, "fetch_series", fetch)
    with pytest.raises(DataFileError, match="check the connection"):
        samples.real_nodule_sample()


def test_the_file_that_is_named_opens_and_is_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    slices = SliceCollection(
        images=np.zeros((1, 8, 8), np.uint8),
        readings=np.ones((1, 2, 8, 8), np.bool_),
        subjects=("p",),
        nodules=np.array([0]),
        names=("one",),
    )
    write_lidc_hdf5(tmp_path / "a.h5", {"val": slices})
    began, answers = list[str](), [("", ""), (str(tmp_path / "a.h5"), ""), ("", "")]

    def ask(parent: object, title: str, where: str, kinds: str) -> tuple[str, str]:
        began.append(where)
        return answers.pop(0)

    monkeypatch.setattr(samples, "settings_path", lambda: tmp_path / "settings" / "viewer.json")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", ask)
    assert samples.lidc_file_sample() == []
    assert [kind for _, _, kind in samples.lidc_file_sample()] == ["image", "labels", "labels"]
    assert samples.lidc_file_sample() == []
    assert began == ["", "", str(tmp_path / "a.h5")]

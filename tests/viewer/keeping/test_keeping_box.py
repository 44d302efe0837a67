"""Accept, paint, keep, close, reopen: the whole way with the real dock."""

import threading
from collections.abc import Callable
from datetime import date
from pathlib import Path

import napari
import nibabel
import numpy as np
import pydicom
import pytest
from napari.layers import Labels
from nibabel.nifti1 import Nifti1Image
from PIL import Image as Picture
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QFileDialog

from napari_ambiseg.engine import SamplingOptions
from napari_ambiseg.io.export import NOTICE
from napari_ambiseg.io.session_file import read_session
from napari_ambiseg.viewer.canvas.maps import Map
from napari_ambiseg.viewer.image.origin import Role, role_of
from napari_ambiseg.viewer.keeping import forms
from napari_ambiseg.viewer.keeping.forms import Form
from napari_ambiseg.viewer.keeping.restoring import get_session_reader
from napari_ambiseg.viewer.keeping.sessions import restored_told
from napari_ambiseg.viewer.opening import reader
from napari_ambiseg.viewer.panel import ReadingsPanel
from napari_ambiseg.viewer.session.settings import Settings

LONG = 60_000
Viewer = napari.viewer.Viewer


@pytest.fixture
def panel(panel: ReadingsPanel, toy_model: Path) -> ReadingsPanel:
    panel.show_settings(Settings(model=str(toy_model), readings=8, seed=3, options=SamplingOptions(steps=5)))
    return panel


def run(panel: ReadingsPanel, qtbot: QtBot) -> None:
    with qtbot.waitSignal(panel.run_ended, timeout=LONG):
        panel.run()
        assert panel.is_running, panel.form.status.text()


def texture(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).random(shape, dtype=np.float32)


@pytest.fixture
def drawn(viewer: Viewer, panel: ReadingsPanel, qtbot: QtBot, expert_masks: np.ndarray) -> ReadingsPanel:
    """Readings beside experts, one of them accepted and painted on."""
    image = viewer.add_image(texture((64, 64)), name="ct <1>/2", scale=(0.5, 0.5), units=("mm", "mm"))
    layer = viewer.add_labels(expert_masks.astype(np.uint8), name="experts", scale=(1, 0.5, 0.5))
    panel.form.experts.choose([layer])
    panel.form.image.choose(image)
    run(panel, qtbot)
    panel.showing.set_threshold(0.2)
    panel.keeping.accepting.button.click()
    return panel


def own(viewer: Viewer) -> Labels:
    return next(layer for layer in viewer.layers if layer.name.startswith("My mask"))


def keep(panel: ReadingsPanel, qtbot: QtBot, form: Form, path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Click an entry of the menu, answer its dialog; what the dialog proposed."""
    proposed: list[str] = []

    def answer(_parent, _title: str, name: str, _filters: str) -> tuple[str, str]:
        proposed.append(name)
        return str(path), ""

    monkeypatch.setattr(QFileDialog, "getSaveFileName", answer)
    panel.keeping.menu.refresh()
    action = panel.keeping.menu.action(form)
    assert action.isEnabled(), action.text()
    with qtbot.waitSignals([panel.keeping.said], timeout=LONG):
        action.trigger()
    return proposed


def test_masks_of_all_are_kept_where_the_image_lies(
    drawn: ReadingsPanel, viewer: Viewer, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (proposed,) = keep(drawn, qtbot, forms.MASKS[0], tmp_path / "m", monkeypatch)
    assert Path(proposed).name == f"ct 1 2 masks {date.today():%Y-%m-%d}.nii.gz"
    nifti = nibabel.load(tmp_path / "m.nii.gz")
    volumes = np.asarray(nifti.dataobj)
    assert volumes.shape == (64, 64, 1, 8 + 3 + 1)
    expected = [*drawn.view.readings, *drawn.result.request.experts.masks, own(viewer).data]
    np.testing.assert_array_equal(volumes[:, :, 0].transpose(2, 1, 0), np.array(expected) != 0)
    np.testing.assert_allclose(np.abs(np.diag(nifti.affine))[:2], 0.5)
    (proposed,) = keep(drawn, qtbot, forms.TABLES[0], tmp_path / "sizes", monkeypatch)
    assert Path(proposed).parent == tmp_path  # the folder is remembered
    rows = [row for row in (tmp_path / "sizes.csv").read_text().splitlines() if not row.startswith("#")]
    assert len(rows) == 1 + 12
    assert rows[-1].split(",")[:2] == ["My mask from reading 1", f"{np.count_nonzero(own(viewer).data) * 0.25}"]


def test_reports_pictures_films_and_tables_are_kept(
    drawn: ReadingsPanel, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[QUrl] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", opened.append)
    keep(drawn, qtbot, forms.REPORT, tmp_path / "a.html", monkeypatch)
    assert opened == []
    keep(drawn, qtbot, forms.REPORT_OPENED, tmp_path / "b.html", monkeypatch)
    assert [url.toLocalFile() for url in opened] == [str(tmp_path / "b.html")]
    report = (tmp_path / "b.html").read_text()
    assert NOTICE in report
    assert "My mask from reading 1" in report
    keep(drawn, qtbot, forms.GIF, tmp_path / "f.gif", monkeypatch)
    with Picture.open(tmp_path / "f.gif") as film:
        assert film.n_frames == len(drawn.result.sampled.steps)
    keep(drawn, qtbot, forms.TABLES[1], tmp_path / "c.csv", monkeypatch)
    assert "threshold: 0.2" in (tmp_path / "c.csv").read_text()
    for form, path in ((forms.VIEW, tmp_path / "v.png"), (forms.WHOLE, tmp_path / "w.png")):
        keep(drawn, qtbot, form, path, monkeypatch)
        with Picture.open(path) as picture:
            assert NOTICE in picture.text["Comment"]
            assert np.asarray(picture).std() > 5


def test_an_mp4_from_the_menu_shows_the_selected_reading_as_the_player_does(
    drawn: ReadingsPanel, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    av = pytest.importorskip("av")
    drawn.showing.select(4)
    keep(drawn, qtbot, forms.MP4, tmp_path / "f", monkeypatch)
    with av.open(tmp_path / "f.mp4") as film:
        frames = [frame.to_ndarray(format="rgb24").astype(float) for frame in film.decode(video=0)]
    orange = [frame[..., 0] - frame[..., 2] > 60 for frame in frames]  # the slice is grey
    half = orange[0].shape[1] // 2  # the noise is at the left, the mask at the right
    assert len(frames) == 25 * 2 + (len(drawn.result.sampled.steps) - 1) * round(25 * 0.3)
    mask = drawn.result.sampled.x_hat[-1, 4] > 0
    shown = orange[-1][:512, half : half + 512]
    np.testing.assert_allclose(shown.reshape(32, 16, 32, 16).mean(axis=(1, 3)), mask, atol=0.2)
    assert orange[0][:, :half].sum() > 2 * orange[-1][:, :half].sum()


def test_what_is_hidden_stands_below_no_picture_and_is_opened_in_no_browser(
    drawn: ReadingsPanel, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {}
    for hidden in ({}, {"experts": True}, {"model": True}, {"model": True, "experts": True}):
        drawn.showing.hide(model=False, experts=False)
        drawn.showing.hide(**hidden)
        keep(drawn, qtbot, forms.VIEW, tmp_path / "v.png", monkeypatch)
        with Picture.open(tmp_path / "v.png") as picture:
            said["+".join(hidden)] = picture.text["Comment"]
        drawn.keeping.menu.refresh()
        assert drawn.keeping.menu.action(forms.REPORT_OPENED).isEnabled() == (not hidden)
        assert drawn.keeping.menu.action(forms.REPORT).isEnabled()  # whoever keeps it decides when to open it
    found = {name: ("empty" in text, "3 experts" in text) for name, text in said.items()}
    assert found == {
        "": (True, True),
        "experts": (True, False),
        "model": (False, True),
        "model+experts": (False, False),
    }
    assert "Model and experts are hidden" in said["model+experts"]


def test_a_picture_is_written_by_another_thread_than_the_windows(
    drawn: ReadingsPanel, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[int] = []

    def save(path: Path, *_args, **_options) -> None:
        threads.append(threading.get_ident())

    monkeypatch.setattr("napari_ambiseg.viewer.keeping.keeping_box.save_snapshot", save)
    keep(drawn, qtbot, forms.VIEW, tmp_path / "v.png", monkeypatch)
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_a_session_is_restored_without_asking_the_model(
    drawn: ReadingsPanel,
    viewer: Viewer,
    make_napari_viewer: Callable[..., Viewer],
    qtbot: QtBot,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn.form.settings.steps.value = 7
    run(drawn, qtbot)  # a second result of the same slice
    drawn.showing.select(3, 1)
    own(viewer).data[:2, :5] = 1
    viewer.layers[0].contrast_limits = (0.2, 0.9)
    viewer.scene.camera.zoom, viewer.scene.camera.center = 20.0, (0, 12.0, 15.0)
    drawn.results.seen["Readings"].setChecked(False)
    drawn.results.looking.choose_map(Map.ENTROPY)
    path = tmp_path / "s.ambiseg"
    object.__setattr__(drawn.result.sampled, "smallest_px", 24)  # as a model with a smallest lesion would have it
    keep(drawn, qtbot, forms.SESSION, path, monkeypatch)
    before, mask = drawn.result, own(viewer).data.copy()
    viewer.layers.clear()
    qtbot.wait(20)
    monkeypatch.setattr("napari_ambiseg.engine.run", None)
    other = make_napari_viewer()
    panel = ReadingsPanel(other)
    other.window.add_dock_widget(panel, name="Readings", area="right")
    for data, options, kind in get_session_reader(str(path))(str(path)):
        getattr(other, f"add_{'labels' if kind == 'labels' else 'image'}")(data, **options)
    qtbot.waitUntil(lambda: panel.result is not None, timeout=LONG)
    after = panel.result
    assert panel.form.status.text() == "Restored 'ct <1>/2' with 16 readings."
    np.testing.assert_array_equal(after.sampled.readings, before.sampled.readings)
    np.testing.assert_allclose(after.sampled.x_t, before.sampled.x_t, atol=2e-3)
    np.testing.assert_array_equal(after.request.experts.masks, before.request.experts.masks)
    assert after.request.settings == before.request.settings
    assert (after.sampled.seeds, after.sampled.options) == (before.sampled.seeds, before.sampled.options)
    assert after.sampled.smallest_px == 24
    assert after.sampled.placement == before.sampled.placement
    assert panel.settings == drawn.settings
    assert (panel.showing.selected, panel.showing.expert, panel.showing.threshold) == (3, 1, 0.2)
    assert [len(result.sampled.steps) for result in panel.study.results] == [5, 7]
    np.testing.assert_array_equal(own(other).data, mask)
    roles = [role_of(layer) for layer in other.layers]
    assert other.layers.index(own(other)) < roles.index(Role.EXPERTS)  # nobody's outline is hidden
    assert not any(layer.visible for layer in panel.form.experts.layers)
    qtbot.waitUntil(lambda: "mm²" in panel.keeping.accepting.line.text())
    assert panel.results.seen_now() == drawn.results.seen_now()
    assert panel.results.looking.map is Map.ENTROPY
    np.testing.assert_allclose(panel.form.image.image.contrast_limits, (0.2, 0.9))
    np.testing.assert_allclose(other.scene.camera.center[-2:], (12, 15))
    assert other.scene.camera.zoom == pytest.approx(20)
    wanted = {Role.READINGS, Role.SELECTED, Role.EXPERTS, Role.FIELD_OF_VIEW}
    qtbot.waitUntil(lambda: wanted <= {role_of(layer) for layer in other.layers}, timeout=LONG)  # they come one by one
    assert panel.request().placement == before.sampled.placement  # more readings may be added


def test_a_session_whose_model_has_changed_says_so(
    drawn: ReadingsPanel, viewer: Viewer, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy_model: Path
) -> None:
    keep(drawn, qtbot, forms.SESSION, tmp_path / "s.ambiseg", monkeypatch)
    session = read_session(tmp_path / "s.ambiseg")
    assert len(session.model.sha256) == 64
    monkeypatch.setattr("napari_ambiseg.viewer.keeping.sessions.sha256_of", lambda path: "0" * 64)
    with qtbot.waitSignal(drawn.keeping.said, timeout=LONG) as said:
        drawn.keeping.compare(session)
    assert said.args[0].startswith(f"The model {str(toy_model)!r} is another by now")


def test_dicom_seg_is_greyed_with_the_reason_unless_the_image_is_from_dicom(
    drawn: ReadingsPanel,
) -> None:
    drawn.keeping.menu.refresh()
    action = drawn.keeping.menu.action(forms.MASKS[2])
    assert not action.isEnabled()
    assert action.text() == "DICOM SEG (the image was not opened from DICOM)"


def test_without_readings_or_experts_entries_are_greyed(panel: ReadingsPanel, viewer: Viewer, qtbot: QtBot) -> None:
    assert not panel.keeping.menu.isEnabled()
    viewer.add_image(texture((64, 64)), scale=(0.5, 0.5))
    run(panel, qtbot)
    panel.keeping.menu.refresh()
    assert not panel.keeping.menu.action(forms.TABLES[1]).isEnabled()
    assert panel.keeping.menu.action(forms.TABLES[0]).isEnabled()


def test_masks_of_a_dicom_slice_refer_to_its_file(
    panel: ReadingsPanel,
    viewer: Viewer,
    qtbot: QtBot,
    tmp_path: Path,
    write_ct: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("highdicom")
    uids = [pydicom.uid.generate_uid() for _ in range(3)]
    for i in range(3):
        fields = {"StudyInstanceUID": "1.2.3", "FrameOfReferenceUID": "1.2.9", "SeriesInstanceUID": "1.2.4"}
        hu = 500 * texture((64, 64)) - 700
        position = {"ImagePositionPatient": [0, 0, 2.0 * i], "InstanceNumber": i + 1}
        write_ct(tmp_path / "ct" / f"{i}.dcm", hu, SOPInstanceUID=uids[i], **position, **fields)
    ((pixels, options, _),) = reader.get_reader(str(tmp_path / "ct"))(str(tmp_path / "ct"))
    image = viewer.add_image(pixels, **options)
    viewer.dims.set_point(0, image.translate[0] + 2.0)
    run(panel, qtbot)
    keep(panel, qtbot, forms.MASKS[2], tmp_path / "seg.dcm", monkeypatch)
    seg = pydicom.dcmread(tmp_path / "seg.dcm")
    found = {
        source.ReferencedSOPInstanceUID
        for frame in seg.PerFrameFunctionalGroupsSequence
        for derivation in frame.DerivationImageSequence
        for source in derivation.SourceImageSequence
    }
    (index,) = panel.result.request.plane.index
    assert found == {pydicom.dcmread(tmp_path / "ct" / f"{index}.dcm").SOPInstanceUID}
    assert seg.NumberOfFrames == 8
    keep(panel, qtbot, forms.SESSION, tmp_path / "s.ambiseg", monkeypatch)
    session = read_session(tmp_path / "s.ambiseg")
    assert Path(session.source.path) == tmp_path / "ct" / f"{index}.dcm"
    assert restored_told(session) == (
        f"Restored slice {index} of {image.name!r} with 8 readings, and this slice alone; "
        f"to read others, open the volume ({tmp_path / 'ct'}) again."
    )


def test_masks_of_a_nifti_slice_lie_on_its_grid(
    panel: ReadingsPanel, viewer: Viewer, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    affine = np.array([[-0.5, 0, 0, 10], [0, 0.5, 0, -7], [0, 0, 2, 3], [0, 0, 0, 1.0]])
    nibabel.save(Nifti1Image(500 * texture((64, 70, 4)) - 700, affine), tmp_path / "ct.nii.gz")
    ((pixels, options, _),) = reader.get_reader(str(tmp_path / "ct.nii.gz"))(str(tmp_path / "ct.nii.gz"))
    image = viewer.add_image(pixels, **options)
    viewer.dims.set_point(0, image.data_to_world((1, 0, 0))[0])
    run(panel, qtbot)
    keep(panel, qtbot, forms.MASKS[0], tmp_path / "m.nii.gz", monkeypatch)
    saved = nibabel.load(tmp_path / "m.nii.gz")
    np.testing.assert_allclose(saved.affine, affine)
    volumes = np.asarray(saved.dataobj)
    assert volumes.shape == (64, 70, 4, 8)
    assert volumes.any(axis=(0, 1, 3)).tolist() == [False, True, False, False]
    counts = panel.view.readings.sum(axis=(1, 2))
    np.testing.assert_array_equal(volumes.sum(axis=(0, 1, 2)), counts)


def test_everything_goes_to_a_folder_and_what_cannot_is_told_in_a_sentence(
    drawn: ReadingsPanel, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = tmp_path / "chosen"
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(chosen))
    chosen.write_text("a file")
    drawn.keeping.menu.everything.trigger()
    assert "is a file" in drawn.form.status.text()
    chosen.unlink()
    chosen.mkdir()
    (chosen / "masks.dcm").write_text("of an earlier run")
    with qtbot.waitSignal(drawn.keeping.said, timeout=LONG):
        drawn.keeping.menu.everything.trigger()
        assert not drawn.keeping.menu.isEnabled()
    names = {path.name for path in chosen.iterdir()}
    assert names == {
        *("readings.npz", "masks.nii.gz", "masks.tif", "measures.csv", "comparison.csv", "report.html"),
        *("session.ambiseg", "trajectory.gif", "view.png"),
    }
    assert drawn.keeping.menu.isEnabled()
    assert f"{len(names)} files" in drawn.form.status.text()
    with np.load(chosen / "readings.npz") as saved:
        np.testing.assert_array_equal(saved["readings"], drawn.view.readings)


def test_a_film_can_be_stopped_and_leaves_nothing(
    drawn: ReadingsPanel, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "x.gif"), ""))
    with qtbot.waitSignal(drawn.keeping.keeper.cancelled, timeout=LONG):
        drawn.keeping.keep(forms.GIF)
        assert not drawn.keeping.progress.isHidden()
        drawn.keeping.cancel.click()
    assert list(tmp_path.glob("*.gif*")) == []
    assert drawn.keeping.progress.isHidden()

"""A viewer with everything in it: `python -m napari_ambiseg`, with or without somebody who looks.

With a folder to save to, it waits for the readings, saves what it shows and closes: what `make run` does without a
screen.
"""

import gc
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import napari
from napari.viewer import Viewer
from qtpy.QtCore import QEventLoop, QTimer

from napari_ambiseg.errors import AmbisegError, ComputeError, DataFileError
from napari_ambiseg.viewer.asking.warming import warm_up
from napari_ambiseg.viewer.keeping.restoring import get_session_reader
from napari_ambiseg.viewer.keeping.writing import keep_figures
from napari_ambiseg.viewer.opening.reader import get_reader
from napari_ambiseg.viewer.panel import ReadingsPanel
from napari_ambiseg.viewer.session.settings import remembered_settings, settings_path
from napari_ambiseg.viewer.units import keep_units

_PLUGIN, _DOCK, _SAMPLE = "napari-ambiseg", "Readings", "rendered"
_SIZE = (1280, 720)
_LOOK_MS, _SAME_LOOKS, _MOST_LOOKS = 100, 4, 50  # until layouts and canvas are drawn


def main(files: Sequence[Path], save_to: Path | None = None) -> int:
    """Open napari on files, or on the bundled slices, and draw readings once.

    Args:
        files: What to open; the bundled slices if there are none.
        save_to: Folder for a picture of the window, the reverse diffusion and the comparison; then the window closes.
            None leaves it open.

    Returns:
        Exit code.

    Raises:
        AmbisegError: If a file cannot be opened, or with ``save_to``, if there are no readings.
    """
    keep_units()
    warm_up(remembered_settings(settings_path()))
    viewer = Viewer(title="AmbiSeg: for research, not for diagnosis")
    try:
        panel = _open_all(viewer, files)
    except AmbisegError:
        viewer.close()
        raise
    gc.enable()
    if save_to is None:
        panel.run()  # before the window is drawn: the first step is done by then
        zooming = _when_settled(viewer, partial(_arrange, viewer, _unless_moved(viewer, panel.zoom)))
        napari.run()
        zooming.stop()
        return 0
    try:
        _settle(viewer)
        _arrange(viewer, panel.zoom)
        for path in run_and_save(viewer, panel, save_to):
            print(f"saved {path}")
    finally:
        viewer.close()
    return 0


def open_everything(viewer: Viewer, files: Sequence[Path]) -> ReadingsPanel:
    """Open files and dock, arranged so that the lesion is large.

    Raises:
        DataFileError: If a file cannot be opened.
    """
    panel = _open_all(viewer, files)
    _settle(viewer)
    _arrange(viewer, panel.zoom)
    return panel


def _open_all(viewer: Viewer, files: Sequence[Path]) -> ReadingsPanel:
    viewer.window.resize(*_SIZE)
    for file in files:
        _open(viewer, file)
    if not files:
        viewer.open_sample(_PLUGIN, _SAMPLE)
    _, panel = viewer.window.add_plugin_dock_widget(_PLUGIN, _DOCK, tabify=False)
    assert isinstance(panel, ReadingsPanel)
    if panel.form.image.image is not None:
        viewer.layers.selection.active = panel.form.image.image
    return panel


def _arrange(viewer: Viewer, zoom: Callable[[], object]) -> None:
    """Make the lesion large and say how large, when there is time: a scale's letters are slow to draw at first."""
    zoom()
    viewer.canvas.overlays["scale_bar"].visible = True


def run_and_save(viewer: Viewer, panel: ReadingsPanel, folder: Path) -> list[Path]:
    """Run, wait, and save what is shown.

    Returns:
        The files.

    Raises:
        AmbisegError: If the run or the saving fails.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataFileError(
            f"cannot save to {folder} ({error.strerror}); give a folder that can be written to"
        ) from error
    ended = QEventLoop()
    panel.run_ended.connect(ended.quit)
    panel.run()
    if panel.is_running:
        ended.exec()
    if panel.error is not None:
        raise panel.error
    kept = panel.keeping.kept()
    if kept is None:
        raise ComputeError("the run was cancelled, so there is nothing to save; run it again")
    _settle(viewer)
    screenshot = folder / "screenshot.png"
    viewer.screenshot(str(screenshot), canvas_only=False, flash=False)
    return [screenshot, *keep_figures(kept, folder)]


def _settle(viewer: Viewer) -> None:
    """Let the window work until the canvas keeps its size: it has it only when the dock has taken its own."""
    waiting = QEventLoop()
    looking = _when_settled(viewer, waiting.quit)
    waiting.exec()
    looking.stop()


def _unless_moved(viewer: Viewer, zoom: Callable[[], object]) -> Callable[[], None]:
    """Look from near, but for a user who has looked elsewhere meanwhile."""
    camera = viewer.scene.camera
    before = camera.center, camera.zoom

    def zoom_or_leave() -> None:
        if (camera.center, camera.zoom) == before:
            zoom()

    return zoom_or_leave


def _when_settled(viewer: Viewer, then: Callable[[], object]) -> QTimer:
    """Do something when the canvas keeps its size, or after some seconds; the window works meanwhile.

    Returns:
        The timer that looks; it must be kept.
    """
    sizes: list[tuple[int, ...]] = []
    timer = QTimer()

    def look() -> None:
        sizes.append(tuple(viewer.canvas.size))
        if sizes[-_SAME_LOOKS:] == sizes[-1:] * _SAME_LOOKS or len(sizes) >= _MOST_LOOKS:
            timer.stop()
            then()

    timer.timeout.connect(look)
    timer.start(_LOOK_MS)
    return timer


def _open(viewer: Viewer, file: Path) -> None:
    if not file.exists():
        raise DataFileError(f"there is no file at {file}; check the path")
    if (get_reader(str(file)) or get_session_reader(str(file))) is not None:
        viewer.open(file, plugin=_PLUGIN)
        return
    try:
        viewer.open(file)
    except (ValueError, OSError) as error:  # what napari raises where no reader wants the file, or none can read it
        if isinstance(error, AmbisegError):
            raise
        raise DataFileError(
            f"napari cannot open {file} ({error}); give an image (DICOM, NIfTI, TIFF, PNG) or an LIDC file in HDF5"
        ) from error

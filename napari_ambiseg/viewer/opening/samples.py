"""What stands in File > Open Sample beside the bundled slices: a file that the user has, and a real nodule.

The nodule's outlines come with the package, its CT is fetched from The Cancer Imaging Archive and kept. A thread
fetches while a window tells how far it is and can cancel; napari stays alive meanwhile.
"""

from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from threading import Event

import napari
import numpy as np
from napari.utils.colormaps import DirectLabelColormap
from qtpy.QtCore import QEventLoop, QTimer
from qtpy.QtWidgets import QFileDialog, QProgressDialog
from superqt.utils import create_worker

from napari_ambiseg.errors import DataFileError
from napari_ambiseg.files import write_atomically
from napari_ambiseg.io.tcia import Fetched, cached_series, fetch_series
from napari_ambiseg.io.volume import ImageVolume
from napari_ambiseg.phantom.real_nodule import RealNodule, real_nodule
from napari_ambiseg.viewer.canvas.looks import expert_colour
from napari_ambiseg.viewer.image.origin import Origin, with_origin
from napari_ambiseg.viewer.image.windows import LUNG
from napari_ambiseg.viewer.opening import sources
from napari_ambiseg.viewer.opening.volumes import LayerData, image_data
from napari_ambiseg.viewer.session.settings import settings_path

_SEEN_MM = 120.0  # of the CT, around the nodule
_SAME_MM, _SAME_PIXEL = 0.05, 0.01  # heights that differ by less are one slice; pixels that differ by less are the same


def lidc_file_sample() -> list[LayerData]:
    """The first slice of an HDF5 file that the user names; nothing if none is named. Its folder is remembered.

    Raises:
        DataFileError: If it cannot be read.
    """
    chosen, _ = QFileDialog.getOpenFileName(None, "LIDC slices", _remembered(), "HDF5 (*.h5 *.hdf5);;All files (*)")
    if not chosen:
        return []
    layers = sources.read_file(chosen)
    _remember(chosen)
    return layers


def real_nodule_sample() -> list[LayerData]:
    """A real CT with the outlines of four readers around one nodule; nothing if the user cancels the fetch.

    Raises:
        DataFileError: If the archive cannot be reached, or what it sends is not the scan that was outlined.
    """
    from napari_ambiseg.io.dicom_volume import read_dicom

    nodule = real_nodule()
    folder = cached_series(nodule.series_uid) or _fetched(nodule.series_uid)
    if folder is None:
        return []
    volumes, _ = read_dicom([folder])
    layers = nodule_layers(volumes[0], nodule)
    _look_at(volumes[0], layers)
    return layers


def nodule_layers(volume: ImageVolume, nodule: RealNodule) -> list[LayerData]:
    """The CT, and one Labels layer for each reader.

    Raises:
        DataFileError: If the CT is not the one that was outlined.
    """
    if volume.pixels.ndim != 3 or abs(volume.spacing_mm[1] - nodule.pixel_mm) > _SAME_PIXEL * nodule.pixel_mm:
        raise DataFileError(
            f"the CT has shape {volume.pixels.shape} and pixels of {volume.spacing_mm[1]:g} mm, the one that was "
            f"outlined {nodule.pixel_mm:g} mm; delete {volume.sources[0].parent} and fetch it again"
        )
    pixels, options, kind = image_data(volume)
    origin = options["metadata"]["napari-ambiseg"]
    assert isinstance(origin, Origin)
    layers: list[LayerData] = [(pixels, {**options, "contrast_limits": LUNG.limits}, kind)]
    for reader, mask in enumerate(_masks(volume, nodule)):
        colours = DirectLabelColormap(color_dict={None: "transparent", 0: "transparent", 1: expert_colour(reader)})
        placed = {key: options[key] for key in ("scale", "translate", "units")}
        metadata = {**options["metadata"], **with_origin(replace(origin, reader=reader))}
        own = {**placed, "name": f"Expert {reader + 1}", "colormap": colours, "opacity": 0.9, "metadata": metadata}
        layers.append((mask.astype("uint8"), own, "labels"))
    return layers


def _masks(volume: ImageVolume, nodule: RealNodule) -> np.ndarray:
    """The readers' masks on the whole CT (R, slices, H, W)."""
    masks = np.zeros((len(nodule.readers), *volume.pixels.shape), np.bool_)
    for z_mm in nodule.heights_mm:
        k = round((z_mm - volume.affine[2, 3]) / volume.spacing_mm[0])
        height = volume.affine[2, 3] + k * volume.spacing_mm[0]
        if not 0 <= k < len(volume.pixels) or abs(height - z_mm) > _SAME_MM:
            raise DataFileError(f"the CT has no slice at {z_mm:g} mm, where it was outlined; it is another one")
        masks[:, k] = nodule.masks(z_mm, (volume.pixels.shape[1], volume.pixels.shape[2]))
    return masks


def _look_at(volume: ImageVolume, layers: list[LayerData]) -> None:
    """Show the nodule where it is largest, once napari has added the layers."""
    masks = [mask for mask, _, _ in layers[1:]]
    k = int(np.argmax(np.sum([mask.sum(axis=(1, 2)) for mask in masks], axis=0)))
    drawn = np.any([mask[k] for mask in masks], axis=0)
    middle = np.array([k, *(np.mean(place) for place in np.nonzero(drawn))])
    height, row, column = (float(at) for at in np.array(volume.origin_mm) + middle * volume.spacing_mm)
    viewer = napari.current_viewer()

    def look() -> None:
        if viewer is None:
            return
        viewer.dims.set_point(0, height)
        camera = viewer.scene.camera
        camera.center = (0.0, row, column)
        camera.zoom = min(viewer.canvas.size) / _SEEN_MM

    QTimer.singleShot(0, look)


def _fetched(series_uid: str) -> Path | None:
    """Fetch a series while a window tells of it; None if the user cancels.

    Raises:
        DataFileError: As ``fetch_series``.
    """
    window = QProgressDialog("Asking The Cancer Imaging Archive …", "Cancel", 0, 0)
    window.setWindowTitle("A real nodule of LIDC-IDRI (CC BY 3.0)")
    window.setMinimumDuration(0)
    ended, is_cancelled, answers = QEventLoop(), Event(), list[Path | str]()
    worker = create_worker(_fetch, series_uid, is_cancelled)
    worker.yielded.connect(lambda fetched: is_cancelled.is_set() or _show(window, fetched))
    worker.returned.connect(answers.append)
    worker.finished.connect(lambda _=None: ended.quit())
    window.canceled.connect(is_cancelled.set)
    window.canceled.connect(ended.quit)
    window.show()
    worker.start()
    ended.exec()
    window.deleteLater()
    if is_cancelled.is_set() or not answers:
        return None
    if isinstance(answers[0], str):
        raise DataFileError(answers[0])
    return answers[0]


def _fetch(series_uid: str, is_cancelled: Event) -> Generator[Fetched, None, Path | str | None]:
    """``fetch_series``, ended when it is cancelled, for Qt's workers only leave generators where they are.

    Returns:
        The folder; the sentence of the error, since what a worker raises would be told twice; None if cancelled.
    """
    with closing(fetch_series(series_uid)) as fetching:
        while not is_cancelled.is_set():
            try:
                yield next(fetching)
            except StopIteration as end:
                return end.value
            except DataFileError as error:
                return str(error)
    return None


def _show(window: QProgressDialog, fetched: Fetched) -> None:
    megabytes = fetched.received / 1e6
    if fetched.total:
        window.setMaximum(1000)
        window.setValue(min(999, 1000 * fetched.received // fetched.total))  # at its maximum the window would close
    window.setLabelText(f"From The Cancer Imaging Archive: {megabytes:.0f} MB" + _of(fetched.total))


def _of(total: int | None) -> str:
    return f" of {total / 1e6:.0f}" if total else ""


def _note() -> Path:
    return settings_path().with_name("last-lidc-file.txt")


def _remembered() -> str:
    try:
        return _note().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _remember(path: str) -> None:
    try:
        write_atomically(_note(), path.encode())
    except OSError:
        return  # a folder that cannot be written to must not disturb the user

"""What napari asks when a file or folder is dropped on it: whether we open it, and as which layers.

Libraries that read files are imported when one is read: together they would take a second of napari's start.

Problems that hinder nothing become notifications; others are raised, and napari shows their sentence.

napari hands over files that are dropped together one by one. Each file of a DICOM series stands for its series, so the
first one opens it, and those that follow bring nothing new while its layer is there.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import napari
from napari.layers import Layer
from napari.utils import progress
from napari.utils.notifications import show_error, show_info

from napari_ambiseg.errors import DataFileError
from napari_ambiseg.io.case_layout import looks_like_cases
from napari_ambiseg.io.recognise import HDF5_SUFFIXES, NIFTI_SUFFIXES, holds_dicom, looks_like_dicom
from napari_ambiseg.viewer.image.origin import patient_of
from napari_ambiseg.viewer.opening import sources
from napari_ambiseg.viewer.opening.volumes import LayerData, image_data, labels_data
from napari_ambiseg.viewer.widgets.notices import warn

Reader = Callable[[str | Sequence[str]], list[LayerData]]

NOTHING_NEW: Any = [(None,)]
"""What napari takes for a file that was read and brings no layer."""

_PAUSE_S = 5.0  # between files that are not dropped together, at least


def get_reader(path: str | Sequence[str]) -> Reader | None:
    """A reader for what we know; None for anything else, so that napari asks other plugins."""
    if not isinstance(path, str):
        return read_dicom_paths if path and all(looks_like_dicom(Path(one)) for one in path) else None
    file = Path(path)
    if file.is_dir():
        return sources.read_folder if looks_like_cases(file) else read_dicom_paths if holds_dicom(file) else None
    name = file.name.lower()
    if name.endswith(HDF5_SUFFIXES):
        return sources.read_file
    if name.endswith(NIFTI_SUFFIXES):
        return read_nifti_path
    return read_dicom_paths if looks_like_dicom(file) else None


def read_dicom_paths(path: str | Sequence[str]) -> list[LayerData]:
    """The series of DICOM files or folders.

    A single file in which there is nothing to see brings an error message: the files beside it that were dropped with
    it, of which it may be a segmentation, shall be opened nevertheless.

    Raises:
        DataFileError: If there is nothing to show in a folder, or pixels cannot be read.
    """
    from napari_ambiseg.io.dicom_volume import read_dicom

    paths = [Path(path)] if isinstance(path, str) else [Path(one) for one in path]
    is_file = len(paths) == 1 and paths[0].is_file()
    if is_file and (layer := _already_open(paths[0])) is not None:
        _say_open(paths[0], layer)
        return NOTHING_NEW
    try:
        with progress(desc=f"Opening {paths[0].name}") as bar:
            volumes, notes = read_dicom(paths, bar.update)
    except DataFileError as error:
        if not is_file:
            raise
        show_error(str(error))
        return NOTHING_NEW
    _last_seen[paths[0].parent] = time.monotonic()
    warn(paths[0].name, notes)
    for volume in volumes:
        warn(volume.name, volume.notes)
    return [image_data(volume) for volume in volumes]


def read_nifti_path(path: str | Sequence[str]) -> list[LayerData]:
    """A NIfTI file, as an image or as labels.

    Raises:
        DataFileError: If it cannot be read.
    """
    from napari_ambiseg.io.nifti_volume import read_nifti_volume

    file = Path(path if isinstance(path, str) else path[0])
    volume, is_labels = read_nifti_volume(file)
    warn(file.name, volume.notes)
    return [labels_data(volume) if is_labels else image_data(volume)]


def _already_open(path: Path) -> Layer | None:
    """The layer of the viewer in front that shows this file among others."""
    viewer = napari.current_viewer()
    for layer in viewer.layers if viewer is not None else ():
        patient = patient_of(layer)
        if patient is not None and path.absolute() in (file.absolute() for file in patient.files):
            return layer
    return None


_last_seen: dict[Path, float] = {}
"""When a file of a folder was last opened, or was found to be open."""


def _say_open(file: Path, layer: Layer) -> None:
    """Notify that a file is open already, unless it was dropped together with the one that opened it."""
    now = time.monotonic()
    if now - _last_seen.get(file.parent, -_PAUSE_S) >= _PAUSE_S:
        show_info(f"{file.name} is open already, in the layer {layer.name!r}.")
    _last_seen[file.parent] = now

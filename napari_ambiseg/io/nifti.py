"""NIfTI: a volume as slices in the order in which CT is shown, rows to the back, columns to the patient's left.

A single slice is told by an axis of length 1, whichever it is; otherwise slices are axial and run to the head. Headers
are believed only as far as the file can bear them out.
"""

import math
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.nifti1 import Nifti1Image
from nibabel.orientations import apply_orientation, axcodes2ornt, inv_ornt_aff, io_orientation, ornt_transform
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from napari_ambiseg.errors import DataFileError

_DAMAGE = (
    OSError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    ArithmeticError,
    MemoryError,
    struct.error,
    zlib.error,
    ImageFileError,
    HeaderDataError,
)
_MAX_INFLATION = 1100  # deflate turns one byte into 1032 at most
_SAME_MM = 0.01


@dataclass(frozen=True, slots=True)
class Volume:
    """Slices of one volume.

    Attributes:
        pixels: Values (slices, H, W), with the header's scale applied.
        spacing_mm: Height and width of a pixel.
        z_mm: Where each slice lies along the body (slices).
        affine: From (column, row, slice) to millimetres (left, posterior, superior) (4, 4).
    """

    pixels: NDArray[Any]
    spacing_mm: tuple[float, float]
    z_mm: NDArray[np.float64]
    affine: NDArray[np.float64]

    def lies_with(self, other: "Volume") -> bool:
        """Whether both have the same slices of the same pixels at the same place."""
        return self.pixels.shape == other.pixels.shape and bool(np.abs(self.affine - other.affine).max() < _SAME_MM)


def read_nifti(path: Path) -> Volume:
    """All slices of a NIfTI file of one to three dimensions (further ones may have length 1).

    Raises:
        DataFileError: If the file is missing, damaged, of colours or complex numbers, or a series of volumes.
    """
    (volume,) = _read(path, most_times=1)
    return volume


def read_nifti_times(path: Path) -> tuple[Volume, ...]:
    """The volumes of a NIfTI file of one to four dimensions, one for each time.

    Raises:
        DataFileError: As ``read_nifti``, but for series.
    """
    return _read(path, most_times=None)


def _read(path: Path, *, most_times: int | None) -> tuple[Volume, ...]:
    if not os.path.isfile(path):
        raise DataFileError(f"there is no file at {path}; check the path")
    try:
        image = cast(Any, nibabel.load(path))
        if not isinstance(image, Nifti1Image):  # version 2 is a child of it
            raise DataFileError(f"{path} is a {type(image).__name__}, not NIfTI; convert it")
        _check_header(image, path, most_times)
        pixels = np.asanyarray(image.dataobj)
        times = pixels.reshape(*pixels.shape[:3], *(1,) * (3 - pixels.ndim), -1)
        return tuple(_in_order(times[..., i], image) for i in range(times.shape[3]))
    except DataFileError:
        raise
    except _DAMAGE as error:
        raise DataFileError(f"{path} is no readable NIfTI file ({error}); fetch or write it again") from error


def _check_header(image: Any, path: Path, most_times: int | None) -> None:
    shape, dtype = tuple(int(side) for side in image.shape), np.dtype(image.get_data_dtype())
    times, more = math.prod(shape[3:4]), shape[4:]
    if not shape or 0 in shape or any(side != 1 for side in more) or times > (most_times or times):
        raise DataFileError(f"{path} has shape {shape}; expected one volume, (columns, rows, slices)")
    if dtype.kind not in "iuf":
        raise DataFileError(f"{path} holds values of type {dtype}; expected plain numbers")
    declared, stored = math.prod(shape) * dtype.itemsize, path.stat().st_size
    if declared > (_MAX_INFLATION if path.suffix == ".gz" else 1) * stored:
        raise DataFileError(f"{path} declares {declared} bytes of pixels, but has {stored} bytes; fetch it again")
    if not np.isfinite(image.affine).all() or abs(np.linalg.det(image.affine[:3, :3])) < 1e-9:
        raise DataFileError(f"{path} does not say where its pixels lie (its matrix is {image.affine.tolist()})")


def _in_order(pixels: NDArray[Any], image: Any) -> Volume:
    """The volume with its axes turned to (superior, posterior, left), a single slice whichever way it was cut."""
    affine = np.asarray(image.affine, np.float64)
    turn = ornt_transform(io_orientation(affine), axcodes2ornt(("L", "P", "S")))
    turned = np.asarray(apply_orientation(pixels, turn))
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine @ inv_ornt_aff(turn, pixels.shape)
    single = [axis for axis in range(3) if turned.shape[axis] == 1]
    if single and 2 not in single:  # coronal or sagittal: to the slice's axis with it, the head upwards
        others = [axis for axis in range(3) if axis != single[0]]
        turned, affine = np.transpose(turned, (*others, single[0])), affine[:, [*others, single[0], 3]]
        turned, affine = turned[:, ::-1], affine @ _flipped_rows(turned.shape[1])
    columns_mm, rows_mm, _ = (round(float(np.linalg.norm(affine[:3, axis])), 6) for axis in range(3))  # from 32 bits
    heights = affine[2, 3] + affine[2, 2] * np.arange(turned.shape[2])
    return Volume(np.ascontiguousarray(turned.transpose(2, 1, 0)), (rows_mm, columns_mm), heights, affine)


def _flipped_rows(count: int) -> NDArray[np.float64]:
    flip = np.eye(4)
    flip[1, 1], flip[1, 3] = -1, count - 1
    return flip

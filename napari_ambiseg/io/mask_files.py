"""Masks for other programs: NIfTI that lies where the image lies, TIFF with the size of a pixel in millimetres.

Masks may overlap, so none of them is a label of one picture: NIfTI takes them as volumes of a fourth axis, TIFF as
pages. Names and the notice travel in the file.

The matrix (4, 4) of a picture leads from (column, row, slice) to millimetres (left, posterior, superior), as
``io.volume.ImageVolume`` has it; NIfTI counts to the right and to the front, so its first two rows change their sign.

Legend: N masks, D slices, H x W pixels.
"""

import gzip
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import nibabel
import numpy as np
import tifffile
from nibabel.nifti1 import Nifti1Extension, Nifti1Image
from numpy.typing import NDArray

from napari_ambiseg.errors import DataFileError, InputImageError
from napari_ambiseg.io.export import NOTICE
from napari_ambiseg.io.nifti import read_nifti_times
from napari_ambiseg.io.output import write_output

Layers = NDArray[np.bool_] | NDArray[np.float32]
"""Masks, or probabilities in [0, 1]."""

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_ON_A_PIXEL = 0.01  # pixels that rounding of matrices may cost
_MOST_BYTES = 2**30  # of masks as large as the volume that they are laid over
_COMMENT = 6  # NIfTI's code of an extension of plain text


def save_nifti(
    path: Path, *, masks: Layers, names: Sequence[str], affine: NDArray[np.float64], like: Path | None = None
) -> None:
    """Write masks or probabilities as NIfTI, compressed if the name ends with .gz.

    Args:
        path: Target; replaced if it exists.
        masks: (N, D, H, W), written as (W, H, D) for one, (W, H, D, N) for several, unsigned 8-bit or float32.
        names: One for each of them.
        affine: From (column, row, slice) of the masks to millimetres (left, posterior, superior).
        like: The NIfTI file that the image was read from: the masks then lie on its grid, axis by axis, and can be laid
            over it in any program. None: on a grid of their own.

    Raises:
        InputImageError: If there is nothing to write, or names and masks differ in number.
        DataFileError: If ``like`` cannot be read or does not hold the masks' pixels, if they take more than 1 GB
            there, or if the file cannot be written.
    """
    _check(masks, names, axes=4)
    values = masks.astype(np.uint8) if masks.dtype == np.bool_ else masks.astype(np.float32)
    volumes, to_ras = values.transpose(3, 2, 1, 0), _LPS_TO_RAS @ affine
    if like is not None:
        volumes, to_ras = _on_grid_of(like, volumes, to_ras)
    image: Any = Nifti1Image(volumes if len(masks) > 1 else volumes[..., 0], to_ras)
    image.header.set_xyzt_units("mm")
    image.header.set_qform(to_ras, code="scanner")
    image.header.set_sform(to_ras, code="scanner")
    image.header["descrip"] = NOTICE.encode()
    text = json.dumps({"notice": NOTICE, "names": list(names)}, ensure_ascii=False)
    image.header.extensions.append(Nifti1Extension(_COMMENT, text.encode()))
    payload = cast(bytes, image.to_bytes())
    write_output(path, gzip.compress(payload, mtime=0) if path.suffix.lower() == ".gz" else payload)


def save_tiff(path: Path, *, masks: Layers, names: Sequence[str], spacing_mm: tuple[float, float]) -> None:
    """Write the masks or probabilities of one slice as pages of a TIFF file, as ImageJ and Fiji have them.

    Masks are 0 and 255, probabilities float32. Pages carry the names, the file the size of a pixel in millimetres.

    Args:
        path: Target; replaced if it exists.
        masks: (N, H, W).
        names: One for each of them.
        spacing_mm: Height and width of a pixel.

    Raises:
        InputImageError: If there is nothing to write, or names and masks differ in number.
        DataFileError: If the file cannot be written.
    """
    _check(masks, names, axes=3)
    values = masks * np.uint8(255) if masks.dtype == np.bool_ else masks.astype(np.float32)
    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer,
        values,
        imagej=True,
        photometric="minisblack",
        resolution=(1 / spacing_mm[1], 1 / spacing_mm[0]),
        metadata={"axes": "ZYX", "unit": "mm", "Labels": list(names), "Info": NOTICE},
    )
    write_output(path, buffer.getvalue())


def _check(masks: Layers, names: Sequence[str], *, axes: int) -> None:
    expected = ("number", "slices", "height", "width") if axes == 4 else ("number", "height", "width")
    if masks.ndim != axes or 0 in masks.shape or len(names) != len(masks):
        raise InputImageError(
            f"cannot save masks {masks.shape} with {len(names)} names; expected ({', '.join(expected)}), none of them "
            "0, and a name for each"
        )


def _on_grid_of(
    like: Path, volumes: NDArray[Any], to_ras: NDArray[np.float64]
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """The volumes (W, H, D, N) on the grid of a file, 0 where they do not reach."""
    read_nifti_times(like)  # says in a sentence what is wrong with it
    source = cast(Any, nibabel.load(like))
    shape = (*source.shape, 1, 1)[:3]
    onto = np.linalg.inv(source.affine) @ to_ras
    places = np.stack(np.meshgrid(*map(np.arange, volumes.shape[:3]), indexing="ij"), axis=-1).reshape(-1, 3)
    exact = places @ onto[:3, :3].T + onto[:3, 3]
    found = np.rint(exact).astype(np.int64)
    if np.abs(exact - found).max() > _ON_A_PIXEL or (found < 0).any() or (found >= shape).any():
        raise DataFileError(
            f"the pixels of the masks are not those of {like} {shape}; give the file that the image was read from"
        )
    if (size := math.prod(shape) * volumes.shape[3] * volumes.itemsize) > _MOST_BYTES:
        raise DataFileError(
            f"{volumes.shape[3]} masks of the size of {like} {shape} take {size / 1e9:.1f} GB; choose fewer of them"
        )
    moved = np.zeros((*shape, volumes.shape[3]), volumes.dtype)
    moved[tuple(found.T)] = volumes.reshape(-1, volumes.shape[3])
    return moved, np.asarray(source.affine, np.float64)

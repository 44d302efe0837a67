"""Numpy's own files, read as guests: nothing is unpickled, and whatever is wrong is one sentence."""

import os
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.errors import DataFileError

_DAMAGE = (OSError, ValueError, EOFError, KeyError, MemoryError, NotImplementedError, zipfile.BadZipFile, zlib.error)

_BEGINNINGS = (b"\x93NUMPY", b"PK\x03\x04", b"PK\x05\x06")  # an array; an archive, with entries and without


@dataclass(frozen=True, slots=True)
class SavedReadings:
    """What ``io.export.save_readings_npz`` wrote, or anybody with the same keys.

    Attributes:
        readings: Masks (S, H, W), bool.
        experts: Masks (R, H, W), bool; R may be 0.
        spacing_mm: Height and width of a pixel in millimetres; None where the file does not say.
        seeds: Of the readings (S,); None where the file does not say.
    """

    readings: NDArray[np.bool_]
    experts: NDArray[np.bool_]
    spacing_mm: tuple[float, float] | None
    seeds: tuple[int, ...] | None = None


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of an NPZ file by name; an NPY file holds one, under the empty name.

    Raises:
        DataFileError: If the file is missing, damaged, not of this format, or holds Python objects.
    """
    if not os.path.isfile(path):
        raise DataFileError(f"there is no file at {path}; check the path")
    try:
        with path.open("rb") as file:  # numpy would leave a broken archive open
            arrays = _read(file)
    except _DAMAGE as error:
        reason = "it holds Python objects" if "pickle" in str(error) else error  # numpy advises to load these unsafely
        raise DataFileError(f"{path} is no readable NPY or NPZ file ({reason}); save it again with numpy") from error
    if odd := [name for name, array in arrays.items() if not isinstance(array, np.ndarray)]:
        raise DataFileError(f"{path} is no NPZ file (its entry {odd[0]!r} is no array); save it again with numpy")
    return arrays


def _read(file: BinaryIO) -> dict[str, Any]:
    """What the file holds, each entry as an array, or as bytes where it is none."""
    start = file.read(max(map(len, _BEGINNINGS)))
    if not start.startswith(_BEGINNINGS):  # numpy takes anything else for Python objects
        raise ValueError("it begins unlike either" if start else "it is empty")
    file.seek(0)
    loaded = np.load(file, allow_pickle=False)
    if isinstance(loaded, np.ndarray):
        return {"": loaded}
    with loaded:  # entries are read here
        return {name: loaded[name] for name in loaded.files}


def read_saved_readings(path: Path) -> SavedReadings:
    """Readings and experts from an NPZ file.

    Raises:
        DataFileError: If the file cannot be read, or lacks one of the two, or they are no masks of one size.
    """
    arrays = read_arrays(path)
    if missing := [name for name in ("readings", "experts") if name not in arrays]:
        held = ", ".join(name for name in arrays if name) or "none by name"
        raise DataFileError(
            f"{path} holds no {' and no '.join(missing)} (its arrays: {held}); give a file saved by `sample --out`"
        )
    readings, experts = masks(arrays["readings"], f"the readings in {path}"), masks(arrays["experts"], "the experts")
    if readings.shape[1:] != experts.shape[1:]:
        raise DataFileError(
            f"in {path} the readings have shape {readings.shape} and the experts {experts.shape}; "
            "their heights and widths must agree"
        )
    seeds = _seeds(arrays.get("seeds"), len(readings), path)
    return SavedReadings(readings, experts, spacing(arrays.get("spacing_mm"), path), seeds)


def _seeds(array: NDArray[Any] | None, count: int, path: Path) -> tuple[int, ...] | None:
    if array is None:
        return None
    if array.shape != (count,) or array.dtype.kind not in "iu" or (array < 0).any():
        raise DataFileError(f"seeds in {path} are no {count} whole numbers, one for each reading; save it again")
    return tuple(array.tolist())


def masks(array: NDArray[Any], name: str) -> NDArray[np.bool_]:
    """Masks (number, H, W) as booleans.

    Raises:
        DataFileError: If they have another number of axes or values other than 0 and 1.
    """
    if array.ndim != 3:
        raise DataFileError(f"{name} have shape {array.shape}; expected (number, height, width)")
    if array.dtype != np.bool_ and not np.isin(array, (0, 1)).all():
        raise DataFileError(f"{name} have values other than 0 and 1; save masks, e.g. `mask > 0`")
    return array.astype(np.bool_)


def spacing(array: NDArray[Any] | None, path: Path) -> tuple[float, float] | None:
    """Height and width of a pixel from an array of two positive numbers; None for None.

    Raises:
        DataFileError: If it is anything else.
    """
    if array is None:
        return None
    numeric = array.shape == (2,) and array.dtype.kind in "iuf"
    if not (numeric and np.isfinite(array).all() and (array > 0).all()):
        raise DataFileError(f"spacing_mm in {path} is {array.tolist()}; expected two positive numbers, in millimetres")
    return float(array[0]), float(array[1])

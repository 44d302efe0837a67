"""Many slices of one split as arrays: what data files hold, what training draws from, what evaluation walks through."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
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
        readings: Masks (N, R, H, W), bool; empty where a reader saw nothing, and where nobody read.
        subjects: Patient of each slice (N).
        nodules: Lesion number of each slice (N,), unique over the collection; -1 where unknown.
        names: What to call each slice (N).
        spacing_mm: Height and width of a pixel in millimetres.
        intensity: The grey scale.
        rendered: Whether the pixels are computer-made.
        present: Who read each slice (N, R); a reader who read it and drew nothing is present. None: everybody.
    """

    images: NDArray[np.uint8] | NDArray[np.float32]
    readings: NDArray[np.bool_]
    subjects: tuple[str, ...]
    nodules: NDArray[np.int64]
    names: tuple[str, ...]
    spacing_mm: tuple[float, float] = (0.5, 0.5)
    intensity: Intensity = field(default_factory=Intensity)
    rendered: bool = False
    present: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        counts = {len(self.images), len(self.readings), len(self.subjects), len(self.nodules), len(self.names)}
        if len(counts) != 1:
            raise DataFileError(f"images, readings, subjects, nodules and names differ in length: {sorted(counts)}")
        if self.readings.ndim != 4 or self.readings.shape[2:] != self.images.shape[1:]:
            raise DataFileError(
                f"images have shape {self.images.shape} and readings {self.readings.shape}; "
                "expected (slices, height, width) and (slices, readers, height, width)"
            )
        if self.filled.shape != self.readings.shape[:2]:
            raise DataFileError(
                f"present has shape {self.filled.shape}; expected (slices, readers) = {self.readings.shape[:2]}"
            )
        if self.present is not None and self.readings[~self.present].any():
            raise DataFileError("a reader who is not present has drawn a mask; mark every reader who drew as present")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def filled(self) -> NDArray[np.bool_]:
        """Which reader slots were filled (N, R)."""
        return np.ones(self.readings.shape[:2], np.bool_) if self.present is None else self.present

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
            readings=self.readings[index] if self.present is None else self.readings[index][self.present[index]],
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
            present=None if self.present is None else self.present[chosen],
        )


def concatenate(parts: Sequence[SliceCollection]) -> SliceCollection:
    """Several collections as one; lesions keep apart, and where readers are fewer the other slots stay unfilled.

    Raises:
        DataFileError: If there is nothing to join, or sizes, spacings or grey scales differ, or only some are rendered.
    """
    if not parts:
        raise DataFileError("there are no slices to join; give at least one data file")
    first = parts[0]
    for part in parts[1:]:
        if (part.images.shape[1:], part.spacing_mm, part.intensity) != (
            first.images.shape[1:],
            first.spacing_mm,
            first.intensity,
        ):
            raise DataFileError(
                f"cannot join slices of {part.images.shape[1:]} pixels at {part.spacing_mm} mm "
                f"with slices of {first.images.shape[1:]} at {first.spacing_mm} mm, or of another grey scale; "
                "prepare them alike"
            )
        if part.rendered != first.rendered:
            raise DataFileError(
                "rendered slices and measured ones do not belong together: nobody could tell them apart later; give "
                "either of them alone"
            )
    slots = max(part.readings.shape[1] for part in parts)
    parts = [_with_slots(part, slots) for part in parts]
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
        rendered=first.rendered,
        present=None if all(p.present is None for p in parts) else np.concatenate([p.filled for p in parts]),
    )


def _with_slots(part: SliceCollection, slots: int) -> SliceCollection:
    """The collection with as many reader slots, those added unfilled."""
    missing = slots - part.readings.shape[1]
    if not missing:
        return part
    return replace(
        part,
        readings=np.pad(part.readings, ((0, 0), (0, missing), (0, 0), (0, 0))),
        present=np.pad(part.filled, ((0, 0), (0, missing))),
    )

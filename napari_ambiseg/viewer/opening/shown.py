"""What is shown of a source of many: a slice or volume, and the mask of each expert of the source, ready for layers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.engine.grey import GreyScale, recognise
from napari_ambiseg.errors import DataFileError
from napari_ambiseg.io.case_files import CaseImage, read_case_image, read_case_mask
from napari_ambiseg.io.case_layout import Case, Folder, look_into
from napari_ambiseg.io.volume import along_own_axes
from napari_ambiseg.readings.collection import SliceCollection
from napari_ambiseg.viewer.image.origin import InPatient
from napari_ambiseg.viewer.image.windows import looked_at
from napari_ambiseg.viewer.opening.volumes import grey_limits


@dataclass(frozen=True, slots=True)
class Shown:
    """Pixels, and what the experts drew.

    Attributes:
        name: What to call it.
        pixels: Grey values (H, W) or (slices, H, W).
        masks: For each expert of the source one mask of that shape, bool; None for who did not read it.
        experts: Their names.
        limits: What becomes black and white.
        placed: Scale, translation and units of the layers.
        grey: What the values mean.
        rendered: Whether the pixels are computer-made.
        patient: Where they lie in the patient, if known.
        notes: What a user should know, a clause each.
    """

    name: str
    pixels: NDArray[Any]
    masks: tuple[NDArray[np.bool_] | None, ...]
    experts: tuple[str, ...]
    limits: tuple[float, float]
    placed: Mapping[str, Any]
    grey: GreyScale = GreyScale.NORMALISED
    rendered: bool = False
    patient: InPatient | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def readings(self) -> NDArray[np.bool_]:
        """The masks of those who read it (R, ..., H, W)."""
        read = [mask for mask in self.masks if mask is not None]
        return np.stack(read) if read else np.zeros((0, *self.pixels.shape), np.bool_)

    def mask(self, reader: int) -> NDArray[np.bool_]:
        """An expert's mask; an empty one for who did not read it."""
        found = self.masks[reader] if reader < len(self.masks) else None
        return np.zeros(self.pixels.shape, np.bool_) if found is None else found

    def is_read_by(self, reader: int) -> bool:
        """Whether an expert has read it."""
        return reader < len(self.masks) and self.masks[reader] is not None


def lidc_slice(path: Path, split: str, index: int) -> Shown:
    """A slice of an HDF5 file.

    Raises:
        DataFileError: If there is none, or the file is damaged.
    """
    from napari_ambiseg.io.lidc_hdf5 import read_lidc_rows  # late: see ``sources``

    return _of_collection(read_lidc_rows(path, split, index, index + 1), 0)


def bundled_slice(index: int) -> Shown:
    """A slice of those that are bundled.

    Raises:
        DataFileError: If there is none.
    """
    return _of_collection(_rendered(index), 0)


@lru_cache
def _rendered(index: int) -> SliceCollection:
    from napari_ambiseg.phantom import bundled_slices  # napari asks for samples only by name

    return bundled_slices(index)


def bundled_count() -> int:
    """How many slices are bundled."""
    from napari_ambiseg.phantom import BUNDLED

    return BUNDLED


def _of_collection(slices: SliceCollection, index: int) -> Shown:
    one = slices[index]
    read = slices.filled[index]
    brightest = max(0.4, min(1.4, float(one.image.max())))
    return Shown(
        name=one.name,
        pixels=one.image[0],
        masks=tuple(mask if was_read else None for mask, was_read in zip(slices.readings[index], read, strict=True)),
        experts=tuple(f"Expert {reader + 1}" for reader in range(len(read))),
        limits=(-0.2, brightest),  # from lung to a little above soft tissue, unless the slice is darker
        placed={"scale": one.spacing_mm, "translate": (0.0, 0.0), "units": ("mm", "mm")},
        rendered=one.rendered,
    )


def case_of(folder: Path, index: int) -> Shown:
    """A case of a folder; an expert whose mask cannot be read counts as one who has none, and is told of.

    Raises:
        DataFileError: If there is none, or its picture cannot be read.
    """
    found = look_into(folder)
    if not 0 <= index < len(found.cases):
        raise DataFileError(f"there is no case {index} in {folder}; it has cases 0 to {len(found.cases) - 1}")
    case = found.cases[index]
    image = read_case_image(case.image)
    masks, notes = _masks(case, found, image)
    pixels = image.values if len(image.values) > 1 else image.values[0]
    is_hu = recognise(looked_at(pixels)) is GreyScale.HU
    if image.spacing_mm is None:
        notes.append("its file does not say how large a pixel is; set the layer's scale before you measure in mm")
    return Shown(
        name=case.name,
        pixels=pixels,
        masks=tuple(masks),
        experts=found.experts,
        limits=grey_limits(pixels, is_hu=is_hu),
        placed=_placed(image),
        grey=GreyScale.HU if is_hu else GreyScale.AUTO,
        patient=None if image.volume is None else InPatient(image.volume.affine, (case.image,)),
        notes=tuple(notes),
    )


def _masks(case: Case, found: Folder, image: CaseImage) -> tuple[list[NDArray[np.bool_] | None], list[str]]:
    masks, notes = list[NDArray[np.bool_] | None](), list[str]()
    for expert in found.experts:
        try:
            mask = read_case_mask(case.masks[expert], image) if expert in case.masks else None
        except DataFileError as error:
            notes.append(f"the mask of {expert} is left out: {error}")
            mask = None
        masks.append(mask if mask is None or len(mask) > 1 else mask[0])
    return masks, notes


def _placed(image: CaseImage) -> dict[str, Any]:
    axes = 3 if len(image.values) > 1 else 2
    if image.volume is not None:
        spacing, origin = along_own_axes(image.volume.affine)
        return {"scale": spacing[-axes:], "translate": origin[-axes:], "units": ("mm",) * axes}
    if image.spacing_mm is None:
        return {"scale": (1.0, 1.0), "translate": (0.0, 0.0), "units": ("pixel", "pixel")}
    return {"scale": image.spacing_mm, "translate": (0.0, 0.0), "units": ("mm", "mm")}

"""Pictures with one mask per expert: every case of a folder as slices of one size, one grey scale and one pixel size.

Grey values end in 8 bits that span the models' range. Pictures of 8 bits are taken as they are. For others either
``window`` says which values become black and white (CT: -1295 to 930 HU is the models' own scale), and the file then
says what the scale's 0 and 1 are in these values; or each slice's own percentiles decide, as in the viewer.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from napari_ambiseg.errors import DataFileError, InputImageError
from napari_ambiseg.io.case_files import read_case_image, read_case_masks
from napari_ambiseg.io.case_layout import Case, Folder, look_into
from napari_ambiseg.io.recognise import holds_dicom
from napari_ambiseg.readings.collection import SliceCollection
from napari_ambiseg.readings.intensity import Intensity
from trainer.preparation.framing import Frame, middle, middle_of_mask
from trainer.preparation.part import Part, refuse_all


@dataclass(frozen=True, slots=True)
class FolderSettings:
    """How pictures become slices.

    Attributes:
        size: Side of the slices in pixels; None keeps pictures that all have one size.
        grid_mm: Size of the slices' pixels; None keeps that of the pictures.
        spacing_mm: Size of the pictures' pixels, whatever their files say; None asks the files.
        fit: "crop" cuts a square out of the picture or surrounds it with black; "scale" shrinks or enlarges all of it.
        centre: The middle of that square: of the picture, or of what the experts marked.
        window: Grey values that become black and white.
        percentiles: Whether percentiles of each slice do.
        all_slices: Whether slices of volumes are kept on which nobody marked anything.
    """

    size: int | None = None
    grid_mm: float | None = None
    spacing_mm: float | None = None
    fit: Literal["crop", "scale"] = "crop"
    centre: Literal["image", "lesion"] = "image"
    window: tuple[float, float] | None = None
    percentiles: bool = False
    all_slices: bool = False

    @property
    def intensity(self) -> Intensity:
        """The grey scale; with a window, one on which the window's ends are its darkest and its brightest value."""
        scale = Intensity()
        if self.window is None:
            return scale
        low, high = self.window
        per_unit = (high - low) / (scale.high - scale.low)
        return replace(scale, lung_hu=low - scale.low * per_unit, tissue_hu=low + (1 - scale.low) * per_unit)


class _Unsaid(Exception):
    """What a picture leaves open and a setting would say: a clause that is the same for all pictures."""


@dataclass(frozen=True, slots=True)
class _Slice:
    """One slice as it goes into the file."""

    case: Case
    name: str
    image: NDArray[np.uint8]
    readings: NDArray[np.bool_]
    present: NDArray[np.bool_]
    spacing_mm: tuple[float, float]
    z_mm: float
    cut: bool


def from_folder(folder: Path, settings: FolderSettings) -> Part:
    """All slices of a folder of one of the layouts of ``io.case_layout``.

    Raises:
        DataFileError: If anything about the folder or its files is wrong; all of it is told at once.
    """
    found = _look_into(folder)
    slices, problems = list[_Slice](), list(found.problems)
    unsaid: dict[str, list[str]] = {}
    for case in tqdm(found.cases, unit="picture", desc=str(folder), disable=None):
        try:
            slices += _slices(case, found.experts, settings)
        except (DataFileError, InputImageError) as error:
            problems.append(str(error))
        except _Unsaid as clause:
            unsaid.setdefault(str(clause), []).append(case.name)
    problems += [f"{len(names)} of its pictures, the first {names[0]}, {clause}" for clause, names in unsaid.items()]
    problems += _differences(slices)
    if not slices and not problems:
        problems.append("none of its volumes has a mask that is not empty (--all-slices takes all slices)")
    refuse_all(folder, problems)
    notes = list(found.notes)
    if cut := sum(one.cut for one in slices):
        notes.append(f"{cut} of {len(slices)} slices lose a part of a mask at the edge (see --size, --centre, --fit)")
    return _part(slices, settings, notes)


def _look_into(folder: Path) -> Folder:
    try:
        return look_into(folder)
    except DataFileError as error:
        if folder.is_dir() and holds_dicom(folder):
            raise DataFileError(f"{folder} holds DICOM files; give the readers' outlines with --outlines") from error
        raise


def _differences(slices: list[_Slice]) -> Iterator[str]:
    """In what the slices differ though they must not."""
    sizes = sorted({one.image.shape for one in slices})
    if len(sizes) > 1:
        yield f"its pictures differ in size ({', '.join(f'{h} x {w}' for h, w in sizes[:4])} pixels ...); give --size"
    spacings = np.array([one.spacing_mm for one in slices]).reshape(-1, 2)
    if len(spacings) and (np.ptp(spacings, axis=0) > 1e-3 * spacings.min(axis=0)).any():
        yield (
            f"its pixels differ in size ({spacings.min():g} to {spacings.max():g} mm); "
            "give --grid-mm and --size, and leave --fit scale out"
        )


def _part(slices: list[_Slice], settings: FolderSettings, notes: list[str]) -> Part:
    lesions = {key: i for i, key in enumerate(dict.fromkeys((one.case.subject, one.case.nodule) for one in slices))}
    present = np.stack([one.present for one in slices])
    collection = SliceCollection(
        images=np.stack([one.image for one in slices]),
        readings=np.stack([one.readings for one in slices]),
        subjects=tuple(one.case.subject for one in slices),
        nodules=np.array([lesions[one.case.subject, one.case.nodule] for one in slices], np.int64),
        names=tuple(one.name for one in slices),
        spacing_mm=slices[0].spacing_mm,
        intensity=settings.intensity,
        present=None if present.all() else present,
    )
    return Part(
        collection, np.array([one.z_mm for one in slices]), tuple(one.case.split for one in slices), tuple(notes)
    )


def _slices(case: Case, experts: tuple[str, ...], settings: FolderSettings) -> Iterator[_Slice]:
    """The slices of one case that are kept."""
    image = read_case_image(case.image)
    present = np.array([expert in case.masks for expert in experts])
    masks = read_case_masks(case, experts, image)
    spacing = (settings.spacing_mm, settings.spacing_mm) if settings.spacing_mm else image.spacing_mm
    if spacing is None:
        raise _Unsaid("do not say how large a pixel is; give --spacing-mm (1 if unknown)")
    is_volume = len(image.values) > 1
    for i, (pixels, z_mm) in enumerate(zip(image.values, image.z_mm, strict=True)):
        if is_volume and not settings.all_slices and not masks[:, i].any():
            continue
        name = f"{case.name}, slice {i + 1}" if is_volume else case.name
        unit, marked = _unit(pixels, settings, name), np.asarray(masks[:, i].any(axis=0))
        frame, out_spacing = _frame(marked, spacing, settings)
        grey = unit if frame is None else frame.image(unit, 0.0)
        readings = masks[:, i] if frame is None else np.stack([frame.mask(mask) for mask in masks[:, i]])
        yield _Slice(
            case=case,
            name=name,
            image=np.rint(255 * grey).astype(np.uint8),
            readings=readings,
            present=present,
            spacing_mm=out_spacing,
            z_mm=float(z_mm),
            cut=frame is not None and _loses(marked, frame),
        )


def _frame(
    marked: NDArray[np.bool_], spacing: tuple[float, float], settings: FolderSettings
) -> tuple[Frame | None, tuple[float, float]]:
    """The square that is cut out of a picture, and the size of its pixels; None for the picture as it is."""
    if settings.size is None:
        return None, spacing
    height, width = marked.shape
    if settings.fit == "scale":
        step = (max(height, width) / settings.size,) * 2
    else:
        step = (1.0, 1.0) if settings.grid_mm is None else tuple(settings.grid_mm / side for side in spacing)
    step = step[0], step[1]
    lesion = settings.centre == "lesion" and settings.fit == "crop" and bool(marked.any())
    centre = (
        middle_of_mask(marked, step=step, size=settings.size)
        if lesion
        else middle((height, width), step=step, size=settings.size)
    )
    return Frame(centre, step, settings.size), (spacing[0] * step[0], spacing[1] * step[1])


def _loses(marked: NDArray[np.bool_], frame: Frame) -> bool:
    """Whether marked pixels lie beyond the square."""
    inside = np.ones(marked.shape, np.bool_)
    for axis in (0, 1):
        away = np.abs(np.arange(marked.shape[axis]) - frame.centre_px[axis])
        within = away <= frame.step[axis] * frame.size / 2
        inside &= within[:, None] if axis == 0 else within
    return bool((marked & ~inside).any())


def _unit(pixels: NDArray[Any], settings: FolderSettings, name: str) -> NDArray[np.float32]:
    """Grey values in [0, 1], which span the models' range."""
    if not np.isfinite(pixels).all():
        raise DataFileError(f"{name} has values that are NaN or infinite; replace them")
    if settings.window is not None:
        low, high = settings.window
        return np.clip((pixels.astype(np.float32) - np.float32(low)) / np.float32(high - low), 0, 1)
    if settings.percentiles and pixels.min() == pixels.max():
        return np.zeros(pixels.shape, np.float32)
    if settings.percentiles:
        from napari_ambiseg.engine.grey import GreyScale, normalise

        scale = settings.intensity
        return scale.to_unit(normalise(pixels, GreyScale.PERCENTILES, scale))
    if pixels.dtype != np.uint8:
        raise _Unsaid(f"are {pixels.dtype}; give --window LOW HIGH (CT in HU: -1295 930) or --percentiles")
    return pixels.astype(np.float32) / np.float32(255)

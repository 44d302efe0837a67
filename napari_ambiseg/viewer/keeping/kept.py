"""What is kept of what is shown: a record that is taken once, so that it may be written while the user goes on."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Labels, Layer
from numpy.typing import NDArray

from napari_ambiseg.io.affine import affine_of_slice, flat_affine
from napari_ambiseg.io.recognise import NIFTI_SUFFIXES, looks_like_dicom
from napari_ambiseg.io.session_record import Drawing
from napari_ambiseg.viewer.image.origin import InPatient, origin_of, patient_of
from napari_ambiseg.viewer.keeping.accepted import accepted_of, masks_on
from napari_ambiseg.viewer.session.blinding import Hidden
from napari_ambiseg.viewer.session.result import Result, View

_LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class Kept:
    """Everything that can be kept of a slice.

    Attributes:
        result: What is shown.
        view: The same at the threshold that is set.
        others: What else was drawn on the same slice.
        drawings: Masks of the user's own on it.
        patient: Where the image lies in the patient, if known.
        file: The file of the slice, if known.
        is_dicom: Whether the image was opened from DICOM.
        rendered: Whether the pixels are computer-made.
        selected: Number of the reading that stands out.
        look: How it is shown: plain values, for a session file.
        hidden: What must not be seen now; it is kept nevertheless.
    """

    result: Result
    view: View
    others: tuple[Result, ...] = ()
    drawings: tuple[Drawing, ...] = ()
    patient: InPatient | None = None
    file: Path | None = None
    is_dicom: bool = False
    rendered: bool = False
    selected: int = 0
    look: dict[str, Any] = field(default_factory=dict[str, Any])
    hidden: Hidden = field(default_factory=Hidden)

    @property
    def index(self) -> int:
        """Number of the slice in its volume."""
        return self.result.request.plane.index[-1] if self.result.request.plane.index else 0

    @property
    def masks(self) -> NDArray[np.bool_]:
        """Readings at the threshold, experts, drawings (N, H, W)."""
        own = [drawing.mask[None] for drawing in self.drawings]
        return np.concatenate([self.view.readings, self.result.request.experts.masks, *own])

    @property
    def names(self) -> list[str]:
        """Of these masks."""
        readings = [f"reading {i + 1}" for i in range(len(self.view.readings))]
        return readings + [*self.result.request.experts.names] + [drawing.name for drawing in self.drawings]

    @property
    def affine(self) -> NDArray[np.float64]:
        """From (column, row, 0) of the slice to millimetres (left, posterior, superior) (4, 4)."""
        if self.patient is None:
            return flat_affine(self.result.request.plane.spacing_mm)
        return affine_of_slice(self.patient.affine, self.index)

    @property
    def nifti(self) -> Path | None:
        """The NIfTI file that the image was opened from."""
        files = () if self.patient is None else self.patient.files
        return files[0] if len(files) == 1 and files[0].name.lower().endswith(NIFTI_SUFFIXES) else None

    @property
    def about(self) -> dict[str, object]:
        """What tables say of it."""
        request, sampled = self.result.request, self.result.sampled
        return {
            "image": request.image_name,
            "model": sampled.model_name,
            "sampler": sampled.options.sampler,
            "steps": sampled.options.steps,
            "seed": request.settings.seed,
            "antithetic": request.settings.antithetic,
            "smallest_px": sampled.smallest_px,
            "relative_area_threshold": self.view.threshold,
        }


def keep(
    result: Result,
    view: View,
    layers: Iterable[Layer],
    *,
    others: Iterable[Result] = (),
    selected: int = 0,
    look: dict[str, Any] | None = None,
    hidden: Hidden = Hidden(),  # noqa: B008 (frozen)
) -> Kept:
    """Take the record.

    Args:
        result: What is shown.
        view: The same at the threshold that is set.
        layers: Those of the viewer.
        others: What else was drawn on the slice.
        selected: Number of the reading that stands out.
        look: How it is shown.
        hidden: What must not be seen now.
    """
    found = list(layers)
    where = result.request.where
    image = next((layer for layer in found if str(layer.unique_id) == where.layer), None)
    patient = patient_of(image) if image is not None else None
    origin = origin_of(image)
    own = tuple(Drawing(layer.name, mask.copy(), _from(layer, result)) for layer, mask in masks_on(found, where))
    file = _file_of(patient, where.index) or (origin.path if origin is not None else None)
    return Kept(
        result=result,
        view=view,
        others=tuple(others),
        drawings=own,
        patient=patient,
        file=file,
        is_dicom=patient is not None and file is not None and looks_like_dicom(file),
        rendered=origin is not None and origin.rendered,
        selected=selected,
        look=look or {},
        hidden=hidden,
    )


def _file_of(patient: InPatient | None, index: tuple[int, ...]) -> Path | None:
    """The file that holds a slice: of a series of files, its own."""
    files = () if patient is None else patient.files
    number = index[-1] if index else 0
    return files[number] if number < len(files) else files[0] if len(files) == 1 else None


def _from(layer: Labels, result: Result) -> int:
    """Number of the reading that a mask began as; -1 if it is none of this result's."""
    began_as, sampled = accepted_of(layer), result.sampled
    if began_as is None or began_as.model != sampled.model_name or began_as.reading >= len(sampled.seeds):
        return -1
    return began_as.reading if sampled.seeds[began_as.reading] == began_as.seed else -1


def why_no_dicom_seg(kept: Kept) -> str:
    """Why masks cannot be kept as DICOM SEG; "" if they can."""
    if kept.patient is None or not kept.is_dicom:
        return "the image was not opened from DICOM"
    if len(kept.patient.files) <= kept.index:
        return "all slices are in one file"
    return ""


def suggested_name(image_name: str, what: str, suffix: str, *, on: date) -> str:
    """A file name that says of which image it is, and of which day."""
    safe = re.sub(r"[^\w.()-]+", " ", image_name).strip(" .")[:_LONGEST_NAME].strip() or "image"
    return f"{safe} {what} {on:%Y-%m-%d}{suffix}".replace("  ", " ")

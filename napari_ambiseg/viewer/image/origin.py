"""Where a layer comes from: a record in its metadata, so that a slice's layers find each other again.

The readers of this package put an ``Origin`` on the image and on each expert's layer, with the same key; layers that
show results carry a ``Role``. Layers without either are the user's own. Layers of patients' files also know where they
lie in the patient (``InPatient``), which exports need.
"""

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from napari.layers import Layer
from numpy.typing import NDArray

from napari_ambiseg.engine.grey import GreyScale

_KEY = "napari-ambiseg"
_PATIENT_KEY = "napari-ambiseg-patient"


class Role(Enum):
    """What a layer made from results shows; lowest first."""

    PROBABILITY = "Probability (share of readings)"
    ENTROPY = "Entropy (bits)"
    TRAJECTORY = "Reverse diffusion"
    PAIR = "Reading beside expert"
    EXPERTS = "Experts' outlines"
    READINGS = "Model's readings"
    CONTOURS = "Iso-contours"
    CONSENSUS = "Consensus"
    SELECTED = "Selected reading"
    FIELD_OF_VIEW = "Field of view"


@dataclass(frozen=True, slots=True)
class Origin:
    """The slice that a layer was opened from.

    Attributes:
        key: The same for the image and its experts' layers, and for nothing else.
        path: The file or folder; None for the bundled slices.
        split: Its split; empty where there are none.
        index: Number of the slice.
        count: How many slices there are.
        name: What to call the slice.
        grey: What the image's values mean.
        rendered: Whether the pixels are computer-made.
        reader: Number of the expert whose mask the layer shows, from 0; None for the image.
        has_read: Whether this expert has read the slice; who has not has no mask, which is not an empty one.
    """

    path: Path | None
    split: str
    index: int
    count: int
    name: str
    grey: GreyScale = GreyScale.NORMALISED
    rendered: bool = False
    reader: int | None = None
    has_read: bool = True
    key: str = field(default_factory=lambda: uuid4().hex)


@dataclass(frozen=True, slots=True)
class InPatient:
    """Where the pixels of a layer lie in the patient.

    Attributes:
        affine: From (column, row, slice) to millimetres (left, posterior, superior) (4, 4).
        files: The file of each slice, or one that holds all.
    """

    affine: NDArray[np.float64]
    files: tuple[Path, ...]


def with_origin(origin: Origin | Role, patient: InPatient | None = None) -> dict[str, Any]:
    """Metadata of a layer."""
    return {_KEY: origin} if patient is None else {_KEY: origin, _PATIENT_KEY: patient}


def patient_of(layer: Layer) -> InPatient | None:
    """Where a layer lies in the patient; None if its file did not say, or it is the user's own."""
    found = layer.metadata.get(_PATIENT_KEY)
    return found if isinstance(found, InPatient) else None


def origin_of(layer: Layer | None) -> Origin | None:
    """The slice that a layer was opened from; None for the user's own layers."""
    found = layer.metadata.get(_KEY) if layer is not None else None
    return found if isinstance(found, Origin) else None


def reader_of(layer: Layer) -> int | None:
    """Number of the expert whose mask the layer was opened with; None for all others."""
    origin = origin_of(layer)
    return origin.reader if origin is not None else None


def role_of(layer: Layer) -> Role | None:
    """What a layer made from results shows; None for all others."""
    found = layer.metadata.get(_KEY)
    return found if isinstance(found, Role) else None


def belongs_to(layer: Layer, image: Layer) -> bool:
    """Whether two layers were opened from the same slice."""
    ours, theirs = origin_of(layer), origin_of(image)
    return ours is not None and theirs is not None and ours.key == theirs.key

"""Masks as DICOM segmentation objects (SEG), which viewers and archives lay over the images they were drawn on.

A SEG refers to its source: study, patient and frame of reference are the source's own, and each of its frames names the
instance whose pixels it marks. Masks are segments of a binary object, and may overlap; a probability is the one segment
of a fractional object. A segment says who drew it: a model (with its name), a person, or both.

highdicom writes them; it is an extra (``dicom-seg``), and imported when it is needed.

Legend: N masks, D slices (one source file for each), H x W pixels.
"""

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
from numpy.typing import NDArray

from napari_ambiseg.errors import DataFileError, InputImageError, SettingsError
from napari_ambiseg.io.dicom import DAMAGE, header_of, open_dataset
from napari_ambiseg.io.export import NOTICE
from napari_ambiseg.io.output import write_output

if TYPE_CHECKING:
    from highdicom.seg import SegmentDescription

_NEEDED = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "FrameOfReferenceUID")
# What a SEG must have but may leave empty; anonymised images lack some of them.
_MAY_BE_EMPTY = (
    "AccessionNumber",
    "PatientBirthDate",
    "PatientName",
    "PatientSex",
    "ReferringPhysicianName",
    "SliceThickness",
    "StudyDate",
    "StudyID",
    "StudyTime",
)
_UNICODE = "ISO_IR 192"
_LEVELS = 255  # of a fractional object
_LONGEST = 64  # characters of a label


class DrawnBy(Enum):
    """Who drew a mask, in the words of DICOM."""

    MODEL = "AUTOMATIC"
    PERSON = "MANUAL"
    BOTH = "SEMIAUTOMATIC"


@dataclass(frozen=True, slots=True)
class Segment:
    """A mask to be saved.

    Attributes:
        name: What to call it.
        mask: (D, H, W), bool; an empty one is saved, too.
        drawn_by: Whose it is.
    """

    name: str
    mask: NDArray[np.bool_]
    drawn_by: DrawnBy


def save_dicom_seg(path: Path, *, segments: Sequence[Segment], sources: Sequence[Path], model: str = "") -> None:
    """Write masks as one binary segmentation object.

    Args:
        path: Target; replaced if it exists.
        segments: At least one.
        sources: The DICOM file of each slice, in the order of the masks' slices.
        model: Name of the model that drew, or helped to.

    Raises:
        SettingsError: If highdicom is not installed.
        InputImageError: If there are no masks, or they are not of the sources' size and number.
        DataFileError: If a source is no DICOM slice, or does not say what a SEG has to repeat, or the file cannot be
            written.
    """
    if not segments:
        raise InputImageError("there are no masks to save; choose at least one")
    pixels = np.stack([segment.mask for segment in segments], axis=-1)
    _write(path, pixels.astype(np.uint8), [(segment.name, segment.drawn_by) for segment in segments], sources, model)


def save_dicom_seg_probability(
    path: Path, *, probability: NDArray[np.float32], sources: Sequence[Path], model: str = ""
) -> None:
    """Write the share of the readings that mark each pixel as a fractional segmentation object, in 255 steps.

    Args:
        path: Target; replaced if it exists.
        probability: (D, H, W), in [0, 1].
        sources: The DICOM file of each slice, in the order of the slices.
        model: Name of the model that was asked.

    Raises:
        SettingsError, InputImageError, DataFileError: As ``save_dicom_seg``.
    """
    values = probability.astype(np.float32)
    _write(path, values, [("share of readings that mark the lesion", DrawnBy.MODEL)], sources, model)


def _write(
    path: Path, pixels: NDArray[Any], names: Sequence[tuple[str, DrawnBy]], sources: Sequence[Path], model: str
) -> None:
    """Pixels (D, H, W, N), or (D, H, W) of a probability."""
    if find_spec("highdicom") is None:
        raise SettingsError(
            'DICOM SEG needs highdicom, which is missing; run `pip install "napari-ambiseg[dicom-seg]"`'
        )
    images = [_source(source) for source in sources]
    sizes = {(image.Rows, image.Columns) for image in images}
    if len(images) != len(pixels) or sizes != {pixels.shape[1:3]}:
        raise InputImageError(
            f"the masks have shape {pixels.shape[:3]} and the {len(images)} DICOM files are of "
            f"{', '.join(f'{h} x {w}' for h, w in sorted(sizes)) or 'no'} pixels; give the file of each slice"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on identifiers of the source that are not as the standard wants them
            payload = _encoded(images, pixels, names, model)
    except DAMAGE as error:
        raise DataFileError(
            f"no segmentation object can refer to {sources[0]} ({error}); save the masks as NIfTI instead"
        ) from error
    write_output(path, payload)


def _source(path: Path) -> pydicom.Dataset:
    """A source image with all that a segmentation object repeats of it."""
    dataset = open_dataset(path, pixels=True)
    header_of(dataset, path)
    try:
        dataset.decode()  # the object is written in Unicode, since names of masks may need it
    except DAMAGE as error:
        raise DataFileError(f"the texts in {path} cannot be read ({error}); save the masks as NIfTI instead") from error
    if missing := [name for name in _NEEDED if not dataset.get(name)]:
        raise DataFileError(
            f"{path} has no {' and no '.join(missing)}, which a segmentation object must repeat; "
            "export it from its archive again, or save the masks as NIfTI instead"
        )
    for name in _MAY_BE_EMPTY:
        if name not in dataset:
            setattr(dataset, name, None)
    dataset.SpecificCharacterSet = _UNICODE
    return dataset


def _encoded(
    images: Sequence[pydicom.Dataset], pixels: NDArray[Any], names: Sequence[tuple[str, DrawnBy]], model: str
) -> bytes:
    from highdicom import UID
    from highdicom.seg import Segmentation

    ours = version("napari-ambiseg")
    binary = pixels.ndim == 4
    written = Segmentation(
        source_images=images,
        pixel_array=pixels,
        segmentation_type="BINARY" if binary else "FRACTIONAL",
        max_fractional_value=_LEVELS,
        segment_descriptions=[_described(i, *name, model) for i, name in enumerate(names, start=1)],
        series_instance_uid=UID(),
        series_number=1000 + int(images[0].get("SeriesNumber") or 0) % 1000,
        sop_instance_uid=UID(),
        instance_number=1,
        manufacturer="napari-ambiseg",
        manufacturer_model_name="napari-ambiseg",
        software_versions=ours,
        device_serial_number="0",
        content_label="READINGS" if binary else "PROBABILITY",
        content_description=NOTICE,
        series_description=f"Readings of a lesion. {NOTICE}"[:_LONGEST],
        omit_empty_frames=False,  # a reading that marks nothing is one, too
    )
    buffer = io.BytesIO()
    written.save_as(buffer)
    return buffer.getvalue()


def _described(number: int, name: str, drawn_by: DrawnBy, model: str) -> "SegmentDescription":
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.seg import SegmentDescription
    from pydicom.sr.codedict import codes

    algorithm = AlgorithmIdentificationSequence(
        name=(model or "unnamed model")[:_LONGEST],
        family=codes.DCM.ArtificialIntelligence,
        version=version("napari-ambiseg"),
    )
    return SegmentDescription(
        segment_number=number,
        segment_label=name[:_LONGEST] or f"mask {number}",
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Lesion,
        algorithm_type=drawn_by.value,
        algorithm_identification=None if drawn_by is DrawnBy.PERSON else algorithm,
    )

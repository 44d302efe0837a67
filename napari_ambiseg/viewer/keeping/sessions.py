"""From what is shown to a session of reading, and back: results that are shown again without asking the model.

A session is of one slice. Its image comes back as that slice alone, in millimetres, with experts, all results and the
user's own masks; where it lies in the patient and which file it is from stay known, so that exports of it are those of
the original. The settings are kept as flat names and plain values, which reports show as they are.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from napari_ambiseg.engine import GreyScale, Placement, Sampled, SamplingOptions, SliceInput, bundled_models
from napari_ambiseg.errors import AmbisegError, DataFileError
from napari_ambiseg.io.affine import affine_of_slice
from napari_ambiseg.io.provenance import sha256_of, versions
from napari_ambiseg.io.recognise import NIFTI_SUFFIXES
from napari_ambiseg.io.session_file import source_changed
from napari_ambiseg.io.session_record import Drawn, GridPlacement, ModelUsed, Plain, Session, Source, Trajectory
from napari_ambiseg.viewer.image.experts import Experts
from napari_ambiseg.viewer.image.origin import InPatient
from napari_ambiseg.viewer.image.plane import plane_of
from napari_ambiseg.viewer.image.where import where_of
from napari_ambiseg.viewer.keeping.kept import Kept
from napari_ambiseg.viewer.session.result import Request, Result
from napari_ambiseg.viewer.session.settings import Settings


def session_of(kept: Kept) -> Session:
    """All of it, with checksums of image file and model file, which are read for that.

    Raises:
        InputImageError: If the slice has values that no session holds.
    """
    request = kept.result.request
    shown, *others = (_drawn(result) for result in (kept.result, *kept.others))
    return Session(
        source=_source(kept),
        pixels=request.slice_input.pixels,
        spacing_mm=request.plane.spacing_mm,
        grey=request.slice_input.grey.value,
        experts=request.experts.masks,
        expert_names=request.experts.names,
        samples=shown.samples,
        seeds=shown.seeds,
        model=shown.model,
        settings=shown.settings,
        placement=shown.placement,
        threshold=kept.view.threshold,
        drawings=kept.drawings,
        trajectory=shown.trajectory,
        versions=versions(),
        view={
            **kept.look,
            "rendered": kept.rendered,
            "patient": _patient_text(kept),
            "of_volume": bool(request.plane.index),
        },
        others=tuple(others),
    )


def results_of(session: Session, image: Image) -> list[Result]:
    """All results of a session, on an image layer that shows its slice; what was shown is the last.

    Raises:
        DataFileError: If the settings in it are none.
    """
    return [_result(session, drawn, image) for drawn in reversed(session.drawn) if len(drawn.samples)]


def settings_of(session: Session) -> Settings:
    """How the readings that were shown were asked for.

    Raises:
        DataFileError: If they are no settings.
    """
    return _settings(session.drawn[0], session.threshold)


def grey_of(value: object) -> GreyScale:
    """What the grey values of a session mean; AUTO if it says what nobody knows."""
    try:
        return GreyScale(value)
    except ValueError:
        return GreyScale.AUTO


def patient_in(session: Session) -> InPatient | None:
    """Where the slice lies in the patient, as far as the session knows."""
    try:
        said = TypeAdapter(_Patient | None).validate_python(session.view.get("patient"))
    except ValidationError:
        return None
    if said is None:
        return None
    affine = np.array(said.affine)
    return InPatient(affine, (Path(said.file),)) if said.file and abs(np.linalg.det(affine)) > 0 else None


def restored_told(session: Session) -> str:
    """What has come back, and what has not: of a volume, the other slices."""
    source, count = session.source, sum(len(drawn.samples) for drawn in session.drawn)
    readings = f"with {count} reading{'' if count == 1 else 's'}" if count else "without readings"
    if session.view.get("of_volume") is not True:
        return f"Restored {source.name!r} {readings}."
    path = Path(source.path)
    whole = path if path.name.lower().endswith(NIFTI_SUFFIXES) else path.parent  # a series has a file for each slice
    where = f" ({whole})" if source.path else ""
    number = " ".join(map(str, source.index))
    return (
        f"Restored slice {number} of {source.name!r} {readings}, and this slice alone; "
        f"to read others, open the volume{where} again."
    )


def changes(session: Session) -> str:
    """What is not any more as the session has it: the image's file, the model's. Both are read for that."""
    sentences = [source_changed(session)]
    for used in dict.fromkeys((drawn.model.name, drawn.model.sha256) for drawn in session.drawn):
        sentences.append(_model_changed(*used))
    return " ".join(filter(None, sentences))


def _model_changed(name: str, sha256: str) -> str:
    try:
        now = sha256_of(_model_file(name))
    except AmbisegError:
        return f"The model {name!r} is not here; its readings are shown as they were drawn, but it cannot draw more."
    if sha256 and now != sha256:
        return f"The model {name!r} is another by now; readings that are drawn with it will differ from these."
    return ""


@dataclasses.dataclass(frozen=True)
class _Patient:
    """Where the slice lies, and its file."""

    affine: tuple[tuple[float, float, float, float], ...]
    file: str

    def __post_init__(self) -> None:
        if len(self.affine) != 4:
            raise ValueError("an affine has four rows")


def _patient_text(kept: Kept) -> dict[str, Any] | None:
    if kept.patient is None or kept.file is None:
        return None
    is_whole = kept.nifti is not None  # the slice is one of a volume's, which exports find again by its matrix
    affine = affine_of_slice(kept.patient.affine, kept.index)
    return {"affine": affine.tolist(), "file": str((kept.nifti if is_whole else kept.file) or kept.file)}


def _source(kept: Kept) -> Source:
    request, file = kept.result.request, kept.file
    try:
        sha256 = sha256_of(file) if file is not None and file.is_file() else ""
    except AmbisegError:
        sha256 = ""
    number = () if request.where.source is None else (request.where.source[2],)
    index = request.plane.index or number
    return Source(request.image_name, "" if file is None else str(file), sha256, index)


def _drawn(result: Result) -> Drawn:
    sampled, request = result.sampled, result.request
    at = sampled.placement
    return Drawn(
        samples=sampled.readings,
        seeds=sampled.seeds,
        model=_model(request.settings.model),
        settings=dict(_plain(result)),
        placement=GridPlacement(at.origin_px, at.step_px, at.grid_shape),
        trajectory=_trajectory(sampled),
    )


def _trajectory(sampled: Sampled) -> Trajectory | None:
    """The way to the readings; None for models that go none, whose one state has no noise."""
    if not np.isfinite(sampled.log_snr).all():
        return None
    return Trajectory(sampled.x_t, sampled.x_hat, sampled.steps, sampled.log_snr)


def _model(name: str) -> ModelUsed:
    try:
        return ModelUsed(name, sha256_of(_model_file(name)))
    except AmbisegError:
        return ModelUsed(name)  # it has been deleted since


def _model_file(name: str) -> Path:
    return bundled_models().get(name, Path(name))


def _plain(result: Result) -> Iterator[tuple[str, Plain]]:
    """Settings and what became of them, as names and plain values; model and threshold stand elsewhere."""
    settings, sampled = result.request.settings, result.sampled
    told = {"model_name": sampled.model_name, "used_grey": sampled.grey.value, "used_smallest_px": sampled.smallest_px}
    told |= {"computed_by": sampled.engine, "computed_on": sampled.device, "computed_together": sampled.chunk}
    told |= {"seconds": round(sampled.seconds, 3), "first_seconds": round(sampled.first_seconds, 3)}
    for part in (dataclasses.asdict(sampled.options), dataclasses.asdict(settings), told):
        for name, value in part.items():
            if name not in ("model", "threshold") and isinstance(value, str | int | float | bool | None):
                yield name, value


def _settings(drawn: Drawn, threshold: float) -> Settings:
    said = drawn.settings
    try:
        options = TypeAdapter(SamplingOptions).validate_python(_among_fields(SamplingOptions, said))
        fields = {
            # older sessions say nothing of pairs
            "antithetic": False,
            **_among_fields(Settings, said),
            "model": drawn.model.name,
            "threshold": threshold,
        }
        return dataclasses.replace(TypeAdapter(Settings).validate_python(fields), options=options)
    except ValidationError as error:
        first = error.errors()[0]
        raise DataFileError(
            f"the session's settings are none ({first['loc']}: {first['msg']}); save it again"
        ) from error


def _among_fields(record: Any, said: dict[str, Plain]) -> dict[str, Plain]:
    names = {field.name for field in dataclasses.fields(record)} - {"options"}
    return {name: value for name, value in said.items() if name in names}


def _result(session: Session, drawn: Drawn, image: Image) -> Result:
    settings = _settings(drawn, session.threshold)
    height, width = session.pixels.shape
    if drawn.placement is None:
        raise DataFileError("the session does not say where its model looked; save it again from the viewer")
    at = drawn.placement
    placement = Placement(at.origin_px, at.step_px, at.grid_shape, (height, width))
    plane = plane_of(image, point=(0.0, 0.0), displayed=(0, 1))
    request = Request(
        image_name=session.source.name,
        plane=plane,
        slice_input=SliceInput(session.pixels, session.spacing_mm, grey_of(session.grey)),
        placement=placement,
        experts=Experts(session.experts, session.expert_names),
        settings=dataclasses.replace(settings, readings=len(drawn.samples)),
        where=where_of(image, plane.index),
    )
    return Result(request, _sampled(drawn, settings, placement))


def _sampled(drawn: Drawn, settings: Settings, placement: Placement) -> Sampled:
    said = drawn.settings
    way = drawn.trajectory or _no_way(drawn.samples, placement)
    seconds, first = (_number(said.get(name)) for name in ("seconds", "first_seconds"))
    return Sampled(
        model_name=str(said.get("model_name", drawn.model.name)),
        seeds=drawn.seeds,
        options=settings.options,
        placement=placement,
        grey=grey_of(said.get("used_grey")),
        steps=way.steps,
        x_t=way.x_t.astype(np.float32),
        x_hat=way.x_hat.astype(np.float32),
        log_snr=way.log_snr,
        readings=drawn.samples,
        seconds=seconds,
        first_seconds=first,
        engine=str(said.get("computed_by", "")),
        device=str(said.get("computed_on", "")),
        chunk=int(_number(said.get("computed_together"))),
        smallest_px=int(_number(said.get("used_smallest_px"))),
    )


def _no_way(samples: NDArray[np.bool_], placement: Placement) -> Trajectory:
    """Of readings whose way was not kept: the one state that they are themselves."""
    x_hat = 2 * placement.to_grid(samples.astype(np.float32))[None] - 1
    return Trajectory(x_hat, x_hat, np.ones(1, np.int64), np.full(1, np.inf))


def _number(value: Plain) -> float:
    return float(value) if isinstance(value, int | float) else 0.0

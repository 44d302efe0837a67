"""Session files (.ambiseg): everything that a session of reading holds, in one file that can be sent and reopened.

The file is a ZIP archive: ``session.json`` with all that is not an array, and an NPY file for each array, so that numpy
opens it too (``numpy.load``). States of the reverse diffusion are kept in 16 bits; everything else comes back as it
was. It holds the slice itself, and may hold the path of its file: it is as confidential as the image.

A file from elsewhere is a guest. What the archive declares is checked against limits before anything is unpacked, the
text against its schema, each array against what the text says of it; nothing in it is executed.
"""

import io
import json
import os
import zipfile
import zlib
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, ValidationError

from napari_ambiseg.errors import DataFileError, InputImageError
from napari_ambiseg.io.export import NOTICE
from napari_ambiseg.io.output import write_output
from napari_ambiseg.io.provenance import sha256_of
from napari_ambiseg.io.session_record import (
    Drawing,
    Drawn,
    GridPlacement,
    ModelUsed,
    Plain,
    Session,
    Source,
    Trajectory,
)

SESSION_SUFFIX = ".ambiseg"
SESSION_VERSION = 1

_FORMAT = "napari-ambiseg session"
_TEXT = "session.json"
_MOST_TEXT = 2**24  # bytes
_MOST_BYTES = 2**31  # of all arrays together, unpacked
_MOST_SIDE = 2**14  # pixels
_MOST_OTHERS = 1000
_OF_OTHERS = "other{}_"  # begins the names of the arrays of what else was drawn
_KINDS = "biuf"
_DAMAGE = (
    OSError,
    ValueError,
    EOFError,
    KeyError,
    MemoryError,
    NotImplementedError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)

_Name = Annotated[str, StringConstraints(max_length=1000)]
_Sha256 = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{64})?$")]
_Index = Annotated[int, Field(ge=0, le=2**31)]
_Count = Annotated[int, Field(ge=1, le=_MOST_SIDE)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class _Source(_Strict):
    name: _Name
    path: Annotated[str, StringConstraints(max_length=10_000)]
    sha256: _Sha256
    index: Annotated[tuple[_Index, ...], Field(max_length=10)]


class _Model(_Strict):
    name: Annotated[str, StringConstraints(max_length=10_000)]
    sha256: _Sha256


class _Placement(_Strict):
    origin_px: tuple[float, float]
    step_px: tuple[float, float]
    grid_shape: tuple[_Count, _Count]


class _Drawn(_Strict):
    seeds: Annotated[tuple[Annotated[int, Field(ge=0, lt=2**64)], ...], Field(max_length=1000)]
    model: _Model
    settings: dict[_Name, Plain]
    placement: _Placement | None
    has_trajectory: bool


class _Drawing(_Strict):
    name: _Name
    from_sample: int


class _Text(_Strict):
    """All of a session but its arrays."""

    format: Literal["napari-ambiseg session"]
    version: Literal[1]
    notice: str
    source: _Source
    spacing_mm: tuple[float, float]
    grey: _Name
    expert_names: Annotated[tuple[_Name, ...], Field(max_length=1000)]
    seeds: Annotated[tuple[Annotated[int, Field(ge=0, lt=2**64)], ...], Field(max_length=1000)]
    model: _Model
    settings: dict[_Name, Plain]
    placement: _Placement | None
    threshold: float
    drawings: Annotated[tuple[_Drawing, ...], Field(max_length=1000)]
    has_trajectory: bool
    versions: dict[_Name, _Name]
    view: dict[str, JsonValue]
    others: Annotated[tuple[_Drawn, ...], Field(max_length=_MOST_OTHERS)] = ()


class _Version(BaseModel):
    """The two fields that every version has."""

    format: str = ""
    version: int = 0


def save_session(path: Path, session: Session) -> None:
    """Write a session file.

    Raises:
        InputImageError: If ``session.view`` holds what JSON cannot.
        DataFileError: If the file cannot be written; an old one at ``path`` is left as it was.
    """
    try:
        text = json.dumps(_described(session), ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InputImageError(f"the session holds what no text can ({error}); save plain values") from error
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(_TEXT, text)
        for name, array in _arrays(session).items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                npy.write_array(file, np.ascontiguousarray(array), allow_pickle=False)
    write_output(path, buffer.getvalue())


def read_session(path: Path) -> Session:
    """Read what ``save_session`` wrote.

    Raises:
        DataFileError: If the file is missing, damaged, of another format or version, or does not fit together.
    """
    if not os.path.isfile(path):
        raise DataFileError(f"there is no file at {path}; check the path")
    try:
        with zipfile.ZipFile(path) as archive:
            text = _text(archive, path)
            arrays = _unpacked(archive, text, path)
        return _session(text, arrays)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise DataFileError(f"{path} is no valid session ({where}: {first['msg']}); save it again") from error
    except InputImageError as error:
        raise DataFileError(f"{path} cannot be opened: {error}") from error
    except DataFileError:
        raise
    except _DAMAGE as error:
        raise DataFileError(f"{path} is no readable session file ({error}); fetch or save it again") from error


def source_changed(session: Session) -> str:
    """What a user should know of the file that the slice came from; empty if it is as it was, or not known."""
    source = session.source
    if not source.path or not source.sha256:
        return ""
    if not os.path.isfile(source.path):
        return f"The image's file {source.path} is not there any more; the slice is shown as the session holds it."
    if sha256_of(Path(source.path)) != source.sha256:
        return f"The image's file {source.path} has changed; the slice is shown as it was."
    return ""


def _described(session: Session) -> dict[str, Any]:
    return {
        "format": _FORMAT,
        "version": SESSION_VERSION,
        "notice": NOTICE,
        "source": asdict(session.source),
        "spacing_mm": session.spacing_mm,
        "grey": session.grey,
        "expert_names": session.expert_names,
        "seeds": session.seeds,
        "model": asdict(session.model),
        "settings": session.settings,
        "placement": None if session.placement is None else asdict(session.placement),
        "threshold": session.threshold,
        "drawings": [{"name": drawing.name, "from_sample": drawing.from_sample} for drawing in session.drawings],
        "has_trajectory": session.trajectory is not None,
        "versions": session.versions,
        "view": session.view,
        "others": [_described_drawn(drawn) for drawn in session.others],
    }


def _described_drawn(drawn: Drawn) -> dict[str, Any]:
    return {
        "seeds": drawn.seeds,
        "model": asdict(drawn.model),
        "settings": drawn.settings,
        "placement": None if drawn.placement is None else asdict(drawn.placement),
        "has_trajectory": drawn.trajectory is not None,
    }


def _arrays(session: Session) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {
        "pixels": session.pixels,
        "experts": session.experts,
        "drawings": np.array([drawing.mask for drawing in session.drawings], np.bool_).reshape(
            -1, *session.pixels.shape
        ),
    }
    for number, drawn in enumerate(session.drawn):
        prefix = _OF_OTHERS.format(number) if number else ""
        arrays |= {f"{prefix}{name}": array for name, array in _arrays_drawn(drawn).items()}
    return arrays


def _arrays_drawn(drawn: Drawn) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {"readings": drawn.samples}
    if (kept := drawn.trajectory) is not None:
        arrays |= {"x_t": _in_16_bits(kept.x_t), "x_hat": _in_16_bits(kept.x_hat)}
        arrays |= {"steps": kept.steps, "log_snr": kept.log_snr}
    return arrays


def _in_16_bits(values: NDArray[Any]) -> NDArray[np.float16]:
    largest = float(np.finfo(np.float16).max)
    return np.clip(values, -largest, largest).astype(np.float16)


def _text(archive: zipfile.ZipFile, path: Path) -> _Text:
    entries = archive.infolist()
    names = [entry.filename for entry in entries]
    if _TEXT not in names:
        raise DataFileError(f"{path} holds no session; choose a file that ends with {SESSION_SUFFIX}")
    if len(set(names)) != len(names) or archive.getinfo(_TEXT).file_size > _MOST_TEXT:
        raise DataFileError(f"{path} is forged or damaged (entries twice, or a text too long); save it again")
    raw = archive.read(_TEXT)
    said = _Version.model_validate_json(raw)
    if (said.format, said.version) != (_FORMAT, SESSION_VERSION):
        raise DataFileError(
            f"{path} is of format {said.format!r}, version {said.version}; this program reads {_FORMAT!r}, version "
            f"{SESSION_VERSION}: use a matching release of napari-ambiseg"
        )
    return _Text.model_validate_json(raw)


def _unpacked(archive: zipfile.ZipFile, text: _Text, path: Path) -> dict[str, NDArray[Any]]:
    wanted = ["pixels", "experts", "drawings"]
    for number, drawn in enumerate((text, *text.others)):
        names = ["readings", *(["x_t", "x_hat", "steps", "log_snr"] if drawn.has_trajectory else [])]
        wanted += [(_OF_OTHERS.format(number) if number else "") + name for name in names]
    declared = sum(archive.getinfo(f"{name}.npy").file_size for name in wanted)
    if declared > _MOST_BYTES:
        raise DataFileError(
            f"{path} declares {declared / 1e9:.1f} GB; sessions take {_MOST_BYTES / 1e9:.1f} GB at most"
        )
    return {name: _array(archive, f"{name}.npy", path) for name in wanted}


def _array(archive: zipfile.ZipFile, name: str, path: Path) -> NDArray[Any]:
    """One array, unpacked after its head was believed."""
    with archive.open(name) as file:
        version = npy.read_magic(file)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read(file)
    held = archive.getinfo(name).file_size
    if dtype.kind not in _KINDS or any(not 0 <= side <= _MOST_SIDE for side in shape):
        raise DataFileError(f"{name} in {path} is {dtype} {shape}; expected numbers of at most {_MOST_SIDE} a side")
    if int(np.prod(shape, dtype=object)) * dtype.itemsize > held:
        raise DataFileError(f"{name} in {path} declares {dtype} {shape}, more than the {held} bytes that are there")
    with archive.open(name) as file:
        array = npy.read_array(file, allow_pickle=False)
    if array.dtype == np.bool_ and array.view(np.uint8).max(initial=0) > 1:
        raise DataFileError(f"{name} in {path} holds masks with values other than 0 and 1; save it again")
    return array


def _session(text: _Text, arrays: dict[str, NDArray[Any]]) -> Session:
    masks = arrays["drawings"]
    if len(masks) != len(text.drawings):
        raise InputImageError(f"there are {len(masks)} drawings and {len(text.drawings)} names of them")
    drawings = zip(text.drawings, masks, strict=True)
    return Session(
        source=Source(**dict(text.source)),
        pixels=arrays["pixels"],
        spacing_mm=text.spacing_mm,
        grey=text.grey,
        experts=arrays["experts"],
        expert_names=text.expert_names,
        samples=arrays["readings"],
        seeds=text.seeds,
        model=ModelUsed(**dict(text.model)),
        settings=text.settings,
        placement=None if text.placement is None else GridPlacement(**dict(text.placement)),
        threshold=text.threshold,
        drawings=tuple(Drawing(said.name, mask, said.from_sample) for said, mask in drawings),
        trajectory=_trajectory(arrays, "") if text.has_trajectory else None,
        versions=text.versions,
        view=dict(text.view),
        others=tuple(_drawn(drawn, arrays, _OF_OTHERS.format(i)) for i, drawn in enumerate(text.others, start=1)),
    )


def _drawn(said: _Drawn, arrays: dict[str, NDArray[Any]], prefix: str) -> Drawn:
    return Drawn(
        samples=arrays[f"{prefix}readings"],
        seeds=said.seeds,
        model=ModelUsed(**dict(said.model)),
        settings=said.settings,
        placement=None if said.placement is None else GridPlacement(**dict(said.placement)),
        trajectory=_trajectory(arrays, prefix) if said.has_trajectory else None,
    )


def _trajectory(arrays: dict[str, NDArray[Any]], prefix: str) -> Trajectory:
    x_t, x_hat = (arrays[prefix + name].astype(np.float32) for name in ("x_t", "x_hat"))
    steps, log_snr = arrays[f"{prefix}steps"], arrays[f"{prefix}log_snr"]
    return Trajectory(x_t, x_hat, steps.astype(np.int64), log_snr.astype(np.float64))

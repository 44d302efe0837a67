"""Model files: safetensors with a JSON header. Nothing in them is ever executed.

The header (key ``napari-ambiseg`` of the safetensors metadata) says what the weights are: kind and configuration of the
model, the grid and the grey scale it was trained on, where it comes from, the format's version, and the SHA-256 of the weights,
because safetensors alone does not notice altered numbers. Files are written beside their target and renamed: whoever
reads finds the old file or the new one, never half of one.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import ConfigDict, TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from napari_ambiseg.errors import CheckpointError
from napari_ambiseg.models.segmenter import Segmenter, build
from napari_ambiseg.readings.intensity import Intensity

FORMAT_VERSION = 1
_KEY = "napari-ambiseg"


@dataclass(frozen=True, slots=True)
class Grid:
    """The pixel grid that a model reads; the engine resamples any slice to it and the readings back.

    Attributes:
        size: Height and width in pixels.
        spacing_mm: Height and width of a pixel in millimetres.
    """

    size: tuple[int, int] = (128, 128)
    spacing_mm: tuple[float, float] = (0.5, 0.5)

    @property
    def extent_mm(self) -> tuple[float, float]:
        """Height and width of the field of view in millimetres."""
        return self.size[0] * self.spacing_mm[0], self.size[1] * self.spacing_mm[1]


@dataclass(frozen=True, slots=True)
class Header:
    """What a checkpoint says about itself.

    Attributes:
        kind: Kind of model (``models.segmenter.KINDS``).
        config: The model's configuration, as its builder takes it.
        grid: Grid that it was trained on.
        intensity: Grey scale that it was trained on.
        name: What to call the model.
        description: One sentence for whoever chooses a model.
        training: Provenance: data, steps, seed, versions, ... Free-form; read by people.
        version: Format of the file.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    kind: str
    config: dict[str, Any]
    grid: Grid = field(default_factory=Grid)
    intensity: Intensity = field(default_factory=Intensity)
    name: str = ""
    description: str = ""
    training: dict[str, Any] = field(default_factory=dict)
    version: int = FORMAT_VERSION


@dataclass(frozen=True, slots=True)
class Model:
    """A loaded checkpoint: a segmenter and what is known about it."""

    segmenter: Segmenter
    header: Header


def save_checkpoint(path: Path, segmenter: nn.Module, header: Header, *, half: bool = False) -> None:
    """Write a model file atomically.

    Args:
        path: Target; replaced if it exists.
        segmenter: The module whose weights are written.
        header: What it is.
        half: Whether to store floating point weights in 16 bits (they are float32 again once loaded).
    """
    tensors = {name: t.detach().cpu() for name, t in segmenter.state_dict().items()}
    if half:
        tensors = {name: t.half() if t.is_floating_point() else t for name, t in tensors.items()}
    write_tensors(path, tensors, asdict(header))


def load_checkpoint(path: Path) -> Model:
    """Read a model file and build its model, in evaluation mode, float32, on the CPU.

    Raises:
        CheckpointError: If the file is missing, damaged, or of another format or version.
    """
    tensors, raw = read_tensors(path)
    header = _parse_header(raw, path)
    segmenter = build(header.kind, header.config)
    assert isinstance(segmenter, nn.Module)  # every registered kind is one
    try:
        segmenter.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in tensors.items()})
    except RuntimeError as error:
        raise CheckpointError(f"the weights in {path} do not fit the model that its header names: {error}") from error
    return Model(segmenter=segmenter.eval(), header=header)


def read_header(path: Path) -> Header:
    """What a model file says about itself, without reading its weights.

    Raises:
        CheckpointError: As ``load_checkpoint``.
    """
    with _opened(path) as file:
        return _parse_header(_metadata(file, path), path)


def write_tensors(path: Path, tensors: Mapping[str, Tensor], header: dict[str, Any]) -> None:
    """Write tensors and a JSON header as one file, atomically; the header gains the SHA-256 of the tensors."""
    contiguous = {name: t.contiguous() for name, t in tensors.items()}
    stamped = {**header, "sha256": _digest(contiguous)}
    payload = save(contiguous, metadata={_KEY: json.dumps(stamped)})
    write_atomically(path, payload)


def write_atomically(path: Path, payload: bytes) -> None:
    """Write bytes to a temporary name beside the target, flush them to the disk, then rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(payload)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what ``write_tensors`` wrote, checking the digest.

    Raises:
        CheckpointError: If the file is missing, damaged, or was not written by this package.
    """
    with _opened(path) as file:
        raw = _metadata(file, path)
        try:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        except (SafetensorError, RuntimeError) as error:
            raise CheckpointError(f"{path} is damaged ({error}); fetch or train it again") from error
    if raw.pop("sha256", None) != _digest(tensors):
        raise CheckpointError(f"{path} is damaged: its weights do not match its checksum; fetch or train it again")
    return tensors, raw


def _opened(path: Path) -> Any:
    if not path.is_file():
        raise CheckpointError(f"there is no model file at {path}; check the path, or name a bundled model")
    try:
        return safe_open(str(path), framework="pt")
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is not a complete safetensors file ({error}); fetch or train it again") from error


def _metadata(file: Any, path: Path) -> dict[str, Any]:
    text = (file.metadata() or {}).get(_KEY)
    if text is None:
        raise CheckpointError(f"{path} is a safetensors file but no napari-ambiseg model; export one with `python -m trainer`")
    try:
        raw = json.loads(text)
    except json.JSONDecodeError as error:
        raise CheckpointError(f"the header of {path} is damaged ({error}); fetch or train it again") from error
    if not isinstance(raw, dict) or raw.get("version") != FORMAT_VERSION:
        found = raw.get("version") if isinstance(raw, dict) else raw
        raise CheckpointError(
            f"{path} has format version {found!r}, this program reads version {FORMAT_VERSION}; "
            "use a matching release of napari-ambiseg or export the model again"
        )
    return raw


def _parse_header(raw: dict[str, Any], path: Path) -> Header:
    fields = {key: value for key, value in raw.items() if key != "sha256"}
    try:
        return TypeAdapter(Header).validate_python(fields)
    except ValidationError as error:
        raise CheckpointError(f"the header of {path} is not valid: {error}") from error


def _digest(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()

"""Model files: safetensors with a JSON header. Nothing in them is ever executed.

The header (key ``napari-ambiseg`` of the safetensors metadata) says what the weights are: kind and configuration of the
model, the grid and the grey scale it was trained on, where it comes from, and the format's version.

safetensors alone does not notice altered numbers, so the header holds the SHA-256 of the weights, and a second key
that of the header's text: one altered bit anywhere is noticed, in the header even without reading the weights. Files
are written beside their target and renamed: whoever reads finds the old file or the new one, never half of one.
"""

import hashlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, cast

import torch
from pydantic import ConfigDict, TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from napari_ambiseg.errors import CheckpointError
from napari_ambiseg.files import write_atomically
from napari_ambiseg.models.segmenter import Segmenter, brief, build
from napari_ambiseg.readings.intensity import Intensity

FORMAT_VERSION = 1
_KEY = "napari-ambiseg"
_CHECK_KEY = "napari-ambiseg-sha256"


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
        smallest_px: Pixels of the grid that a reading has at least; smaller ones are empty (``engine.specks``).
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
    smallest_px: int = 0
    training: dict[str, Any] = field(default_factory=dict[str, Any])
    version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        pixels = math.prod(self.grid.size)
        if not 0 <= self.smallest_px <= pixels:
            raise CheckpointError(
                f"the smallest lesion has {self.smallest_px} pixels, its grid {pixels}; give 0 to {pixels}"
            )

    @property
    def smallest_mm2(self) -> float:
        """The area of the smallest reading that is not empty, where the grid has its own spacing."""
        return self.smallest_px * math.prod(self.grid.spacing_mm)


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

    Raises:
        CheckpointError: If it cannot be written; a file that was there before is left as it was.
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
        raise CheckpointError(
            f"the weights in {path} do not fit the model that its header names ({brief(error)}); export the model again"
        ) from error
    return Model(segmenter=segmenter.eval(), header=header)


def read_header(path: Path) -> Header:
    """What a model file says about itself, without reading its weights.

    Raises:
        CheckpointError: As ``load_checkpoint``.
    """
    with _opened(path) as file:
        return _parse_header(_metadata(file, path), path)


def write_tensors(path: Path, tensors: Mapping[str, Tensor], header: dict[str, Any]) -> None:
    """Write tensors and a JSON header as one file, atomically, with the checksums of both.

    Raises:
        CheckpointError: If it cannot be written; a file that was there before is left as it was.
    """
    contiguous = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    text = json.dumps({**header, "sha256": digest(contiguous)}, default=_plain)
    payload = _in_order(save(contiguous, metadata={_KEY: text, _CHECK_KEY: _sha256(text)}))
    try:
        write_atomically(path, payload)
    except OSError as error:
        raise CheckpointError(
            f"cannot write the model file {path} ({error.strerror or error}), a file of that name is left as it was; "
            f"make room for {len(payload) / 1e6:.1f} MB or choose a folder that can be written to"
        ) from error


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
    if raw.pop("sha256", None) != digest(tensors):
        raise CheckpointError(f"{path} is damaged: its weights do not match its checksum; fetch or train it again")
    return tensors, raw


def _opened(path: Path) -> Any:
    if not os.path.isfile(path):
        raise CheckpointError(f"there is no model file at {path}; check the path, or name a bundled model")
    try:
        return safe_open(str(path), framework="pt")
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is no complete safetensors file ({error}); fetch or train it again") from error


def _metadata(file: Any, path: Path) -> dict[str, Any]:
    metadata = cast("dict[str, str]", file.metadata() or {})
    text = metadata.get(_KEY)
    if text is None:
        raise CheckpointError(f"{path} holds tensors but no napari-ambiseg model; export one with `python -m trainer`")
    try:
        raw = json.loads(text)
    except json.JSONDecodeError as error:
        raise CheckpointError(f"the header of {path} is damaged ({error}); fetch or train it again") from error
    fields = cast("dict[str, Any]", raw) if isinstance(raw, dict) else {}
    if (found := fields.get("version")) != FORMAT_VERSION:  # before the checksum, which may differ between versions
        raise CheckpointError(
            f"{path} has format version {found!r}, this program reads version {FORMAT_VERSION}; "
            "use a matching release of napari-ambiseg or export the model again"
        )
    if metadata.get(_CHECK_KEY) != _sha256(text):
        raise CheckpointError(f"{path} is damaged: its header does not match its checksum; fetch or train it again")
    return fields


def _parse_header(raw: dict[str, Any], path: Path) -> Header:
    fields = {key: value for key, value in raw.items() if key != "sha256"}
    try:
        return TypeAdapter(Header).validate_python(fields)
    except ValidationError as error:
        raise CheckpointError(f"the header of {path} is not valid ({brief(error)}); export the model again") from error


def _plain(value: object) -> object:
    """JSON for what ``json`` does not know: configurations hold enums."""
    if isinstance(value, Enum):
        return value.value
    raise TypeError(f"a header cannot hold {value!r}")


def _in_order(payload: bytes) -> bytes:
    """The file with its metadata sorted: safetensors writes them in random order, and the same model is the same file.

    A safetensors file is the length of its head in 8 bytes, the head in JSON, padded to a multiple of 8, and the data.
    """
    end = 8 + int.from_bytes(payload[:8], "little")
    head = json.loads(payload[8:end])
    head["__metadata__"] = dict(sorted(head["__metadata__"].items()))
    text = json.dumps(head, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join((len(text).to_bytes(8, "little"), text, memoryview(payload)[end:]))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of names, types, shapes and numbers, whatever the order of the tensors."""
    hashed = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        hashed.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        hashed.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return hashed.hexdigest()

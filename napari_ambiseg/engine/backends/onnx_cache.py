"""Converted models on disk, so that a model is written and checked once.

A file is named after everything that it depends on: the network (SHA-256 of its sizes and weights), the grid, the
precision, the kind of processor, and the versions of what made it and runs it. Whatever changes, another file is looked
for; files of other versions are removed when the new one is there. Beside each file lies a record with the file's
SHA-256, written last: a file that was cut off or altered is made again. A model that did not pass its checks leaves a
record without a file, so that nobody waits for the same checks twice.

Nothing here has to succeed. Where the folder cannot be written to, models live in memory, and are made again next time.
"""

import hashlib
import json
import os
import platform
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, cast

import torch
from filelock import FileLock, Timeout

from napari_ambiseg.errors import EngineError
from napari_ambiseg.files import cache_folder, write_atomically
from napari_ambiseg.models.checkpoint import Model, digest
from napari_ambiseg.models.segmenter import IteratedSegmenter

FORMAT = 3  # one more whenever the same network would be written otherwise
LARGEST_BYTES = 500e6  # of all files together; the paper's network takes 27 MB, 7 MB with int8
_LOCK_SECONDS = 120.0  # longer than making any model takes


class ChecksFailed(EngineError):
    """A converted model does not say what the model says; it would fail again, so this is remembered."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One converted model.

    Attributes:
        network: First digits of the network's SHA-256.
        variant: Its grid and precision.
        processor: First digits of the SHA-256 of what the processor can do.
        made_by: First digits of the SHA-256 of the versions.
    """

    network: str
    variant: str
    processor: str
    made_by: str

    @property
    def file(self) -> Path:
        """Where the converted model is."""
        return cache_folder("onnx") / f"{self._but_for_versions}{self.made_by}.safetensors"

    @property
    def record(self) -> Path:
        """Where it says that the file is complete, or why there is none."""
        return self.file.with_suffix(".json")

    @property
    def _but_for_versions(self) -> str:
        return f"{self.network}-{self.variant}-{self.processor}-"

    def find(self) -> Path | None:
        """The file, if it is there and complete.

        Raises:
            ChecksFailed: If the model is known not to pass.
        """
        try:
            record = cast("dict[str, Any]", json.loads(self.record.read_bytes()))
            if "failed" in record:
                raise ChecksFailed(str(record["failed"]))
            if _file_digest(self.file) != record["sha256"]:
                return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            if isinstance(error, ChecksFailed):
                raise
            return None
        with suppress(OSError):
            os.utime(self.record)  # the one used last is removed last
        return self.file

    def keep(self, payload: bytes) -> Path | None:
        """Write the file, and remove what it replaces; None if it cannot be written."""
        try:
            write_atomically(self.file, payload)
            self._write_record({"sha256": hashlib.sha256(payload).hexdigest()})
        except OSError:
            return None
        self._remove_others()
        return self.file

    def remember(self, failed: ChecksFailed) -> None:
        """Note why there is no file."""
        with suppress(OSError):
            self._write_record({"failed": str(failed)})

    @contextmanager
    def locked(self) -> Generator[None]:
        """Let no other process make the same file meanwhile; without a lock where none can be had."""
        lock = FileLock(self.file.with_suffix(".lock"), timeout=_LOCK_SECONDS)
        with suppress(OSError, Timeout, NotImplementedError):
            self.file.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def _write_record(self, record: dict[str, str]) -> None:
        write_atomically(self.record, json.dumps(record).encode())

    def _remove_others(self) -> None:
        """Other versions of this file, and the files that were used longest ago while there are too many bytes."""
        others = [path for path in self.file.parent.glob("*.json") if path != self.record]
        outdated = [path for path in others if path.name.startswith(self._but_for_versions)]
        with suppress(OSError):
            kept = sorted((path for path in others if path not in outdated), key=lambda path: path.stat().st_mtime)
            sizes = {path: _size(path.with_suffix(".safetensors")) for path in kept}
            while kept and sum(sizes[path] for path in kept) + _size(self.file) > LARGEST_BYTES:
                outdated.append(kept.pop(0))
        for path in outdated:
            for suffix in (".json", ".safetensors", ".lock"):
                with suppress(OSError):  # another process may have it open, or have removed it
                    path.with_suffix(suffix).unlink(missing_ok=True)


def entry(model: Model, *, precision: str) -> Entry:
    """The entry of a model whose segmenter is iterated, whether it is there or not."""
    assert isinstance(model.segmenter, IteratedSegmenter)
    network = model.segmenter.network
    weights = {name: tensor.detach().cpu() for name, tensor in network.state_dict().items()}
    sizes = getattr(network, "config", type(network).__name__)
    height, width = model.header.grid.size
    return Entry(
        network=_short(f"{sizes} {digest(weights)}", 16),
        variant=f"{height}x{width}-{precision}",
        processor=_short(_processor(), 8),
        made_by=_short(repr(_versions()), 8),
    )


def _versions() -> list[str]:
    """What a converted model depends on besides the network and the processor."""
    return [str(FORMAT), *(f"{name} {_version(name)}" for name in ("napari-ambiseg", "onnx", "onnxruntime", "torch"))]


@cache
def _processor() -> str:
    """What decides in which form a graph suits the processor: a home folder may be shared by several kinds."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("flags", "Features")):
                return line
    return f"{platform.machine()} {platform.processor()} {torch.backends.cpu.get_cpu_capability()}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def _short(text: str, digits: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:digits]


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0

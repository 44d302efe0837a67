"""What a result was made with: the very file, by its checksum, and the versions of the programs."""

import hashlib
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from napari_ambiseg.errors import DataFileError

_PACKAGES = ("napari-ambiseg", "torch", "numpy", "napari")


def sha256_of(path: Path) -> str:
    """Checksum of a file, in hexadecimal digits.

    Raises:
        DataFileError: If it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataFileError(f"cannot read {path} ({error.strerror or error}); check the path") from error


def versions() -> dict[str, str]:
    """Name -> version of what takes part, as far as it is installed."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found

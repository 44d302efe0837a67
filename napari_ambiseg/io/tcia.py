"""One series from The Cancer Imaging Archive, kept on the user's disk: its public service hands it out as one ZIP.

What comes over the network is a guest like any file: it must be a ZIP of DICOM files of the series that was asked for,
of believable size; only then the folder appears, in one step. A fetch that is cancelled or breaks off leaves nothing.

The service is NBIA's REST interface, version 1 (``getImage?SeriesInstanceUID=...``). It was tested against a local
server alone. ``AMBISEG_TCIA`` names another address of the same interface, e.g. of a mirror.
"""

import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Generator
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from napari_ambiseg.errors import DataFileError
from napari_ambiseg.files import cache_folder

SERVICE = "https://services.cancerimagingarchive.net/nbia-api/services/v1"

_CHUNK = 2**17
_TIMEOUT_S = 60.0  # without a byte: the archive packs a series when it is asked for
_MOST_BYTES = 2**30  # of a series, packed or not
_MOST_FILE_BYTES = 2**25


@dataclass(frozen=True, slots=True)
class Fetched:
    """How far a fetch has come.

    Attributes:
        received: Bytes so far.
        total: Bytes in all; None where the service does not say.
    """

    received: int
    total: int | None


def cached_series(series_uid: str, cache: Path | None = None) -> Path | None:
    """The folder of a series that was fetched before; None if it was not."""
    folder = _cache(cache) / series_uid
    return folder if folder.is_dir() else None


def fetch_series(series_uid: str, cache: Path | None = None) -> Generator[Fetched, None, Path]:
    """Fetch a series, telling after each piece how far it has come; closing the generator cancels it.

    Args:
        series_uid: SeriesInstanceUID of a public series.
        cache: Where series are kept; the user's cache folder by default.

    Returns:
        The folder with its DICOM files.

    Raises:
        DataFileError: If the service cannot be reached, refuses, or answers with anything but this series.
    """
    target = _cache(cache) / series_uid
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            packed, unpacked = Path(scratch, "series.zip"), Path(scratch, "series")
            yield from _download(series_uid, packed)
            _unpack(packed, unpacked, series_uid)
            shutil.rmtree(target, ignore_errors=True)
            unpacked.rename(target)
    except OSError as error:
        raise DataFileError(f"cannot keep the series in {target.parent} ({error.strerror or error})") from error
    return target


def _cache(cache: Path | None) -> Path:
    return cache / "tcia" if cache else cache_folder("tcia")


def _service() -> str:
    return os.environ.get("AMBISEG_TCIA", SERVICE).rstrip("/")


def _download(series_uid: str, path: Path) -> Generator[Fetched, None, None]:
    service = _service()
    if not service.startswith(("https://", "http://")):
        raise DataFileError(f"AMBISEG_TCIA is {service!r}; give an address that begins with https://")
    request = Request(f"{service}/getImage?{urlencode({'SeriesInstanceUID': series_uid})}")
    try:
        with urlopen(request, timeout=_TIMEOUT_S) as answer, path.open("wb") as file:
            length = answer.headers.get("Content-Length")
            total = int(length) if length and length.isdigit() else None
            yield from _copy(answer, file, total)
    except HTTPError as error:
        raise DataFileError(f"the archive at {service} refused the series ({error.code} {error.reason})") from error
    except (URLError, TimeoutError, HTTPException, ConnectionError) as error:
        reason = getattr(error, "reason", None) or error or type(error).__name__
        raise DataFileError(
            f"the archive at {service} cannot be reached ({reason}); check the connection, or try again later"
        ) from error


def _copy(answer: IO[bytes], file: IO[bytes], total: int | None) -> Generator[Fetched, None, None]:
    received = 0
    while piece := answer.read(_CHUNK):
        received += file.write(piece)
        if received > _MOST_BYTES:
            raise DataFileError(f"the archive sends more than {_MOST_BYTES >> 20} MB for one series; it is not taken")
        yield Fetched(received, total)
    if total is not None and received != total:
        raise DataFileError(f"the connection broke after {received} of {total} bytes; try again")


def _unpack(packed: Path, folder: Path, series_uid: str) -> None:
    """The DICOM files of a ZIP, under names of our own."""
    from napari_ambiseg.io.dicom import open_dataset

    folder.mkdir()
    try:
        with zipfile.ZipFile(packed) as archive:
            members = [one for one in archive.infolist() if one.filename.lower().endswith(".dcm")]
            if any(one.file_size > _MOST_FILE_BYTES for one in members) or (
                sum(one.file_size for one in members) > _MOST_BYTES
            ):
                raise DataFileError("the archive's answer unpacks to more than a CT series can be; it is not taken")
            for number, member in enumerate(members):
                (folder / f"{number:04d}.dcm").write_bytes(archive.read(member))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise DataFileError(f"the archive's answer is no ZIP of a series ({error}); try again later") from error
    found = {str(open_dataset(path, pixels=False).get("SeriesInstanceUID")) for path in folder.iterdir()}
    if found != {series_uid}:
        held = "no DICOM files" if not found else f"the series {', '.join(sorted(found)[:3])}"
        raise DataFileError(f"the archive's answer holds {held}, not the series {series_uid} that was asked for")

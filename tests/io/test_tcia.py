"""A series from an archive, which here is a server of our own on this machine."""

import io
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, urlparse

import numpy as np
import pydicom
import pytest

from napari_ambiseg.errors import DataFileError
from napari_ambiseg.io import tcia
from napari_ambiseg.io.tcia import cached_series, fetch_series

UID = "1.2.3.4"
WriteCt = Callable[..., Path]


class Archive(BaseHTTPRequestHandler):
    """Answers with what the test has put there."""

    status = 200
    payload = b""
    tells_length = True
    lost = 0  # bytes of the payload that never come
    asked: list[str] = []  # noqa: RUF012 (the test's own record)

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(self.status)
        if self.tells_length:
            self.send_header("Content-Length", str(len(self.payload)))
        self.end_headers()
        self.wfile.write(self.payload[: len(self.payload) - self.lost])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Archive]]:
    handler = type("OneArchive", (Archive,), {"asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("AMBISEG_TCIA", f"http://127.0.0.1:{server.server_port}/v1/")
    yield handler
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def series(tmp_path: Path, write_ct: WriteCt) -> list[Path]:
    hu = np.random.default_rng(0).integers(-1000, 1000, (64, 64))
    return [
        write_ct(tmp_path / f"{i}.dcm", hu + i, SeriesInstanceUID=UID, ImagePositionPatient=[0, 0, 3 * i])
        for i in range(40)
    ]


def packed(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def fetch(folder: Path) -> tuple[list[tcia.Fetched], Path]:
    told, fetching = list[tcia.Fetched](), fetch_series(UID, folder)
    while True:
        try:
            told.append(next(fetching))
        except StopIteration as end:
            return told, end.value


def left_behind(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.name != "tcia"]


def test_a_series_is_asked_for_by_its_identifier_and_kept(
    archive: type[Archive], series: list[Path], tmp_path: Path
) -> None:
    files = {path.name: path.read_bytes() for path in series}
    archive.payload = packed({"LICENSE": b"CC BY 3.0", **files})
    assert cached_series(UID, tmp_path / "cache") is None
    told, folder = fetch(tmp_path / "cache")
    assert {path.read_bytes() for path in folder.iterdir()} == set(files.values())
    assert told[-1] == tcia.Fetched(len(archive.payload), len(archive.payload))
    assert len(told) > 1
    assert cached_series(UID, tmp_path / "cache") == folder
    asked = urlparse(archive.asked[0])
    assert (asked.path, parse_qs(asked.query)) == ("/v1/getImage", {"SeriesInstanceUID": [UID]})


def test_a_service_that_tells_no_length_is_believed_to_its_end(
    archive: type[Archive], series: list[Path], tmp_path: Path
) -> None:
    archive.payload, archive.tells_length = packed({"a.dcm": series[0].read_bytes()}), False
    told, folder = fetch(tmp_path / "cache")
    assert told[-1].total is None
    assert len(list(folder.iterdir())) == 1


def test_names_in_the_zip_lead_nowhere(archive: type[Archive], series: list[Path], tmp_path: Path) -> None:
    archive.payload = packed({"../../out.dcm": series[0].read_bytes(), "/abs.dcm": series[1].read_bytes()})
    _, folder = fetch(tmp_path / "cache")
    assert sorted(path.name for path in folder.iterdir()) == ["0000.dcm", "0001.dcm"]
    assert not list(tmp_path.rglob("out.dcm"))


def test_what_is_not_the_series_is_refused_and_nothing_is_kept(
    archive: type[Archive], series: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = pydicom.dcmread(series[0])
    other.SeriesInstanceUID = "1.2.9"
    other.save_as(tmp_path / "other.dcm")
    whole = packed({path.name: path.read_bytes() for path in series})
    for payload, said in (
        (b"<html>maintenance</html>", "no ZIP"),
        (packed({"readme.txt": b"nothing"}), "no DICOM files"),
        (packed({"a.dcm": (tmp_path / "other.dcm").read_bytes()}), "not the series 1.2.3.4"),
        (packed({"a.dcm": b"no DICOM"}), "DICOM"),
        (whole[:2000] + b"x" * 50 + whole[2050:], "no ZIP"),  # a checksum that does not fit
    ):
        archive.payload = payload
        with pytest.raises(DataFileError, match=said):
            fetch(tmp_path / "cache")
        assert left_behind(tmp_path / "cache") == []
    archive.payload = whole
    monkeypatch.setattr(tcia, "_MOST_FILE_BYTES", 100)
    with pytest.raises(DataFileError, match="more than a CT series"):
        fetch(tmp_path / "cache")


def test_a_connection_that_breaks_is_told(archive: type[Archive], series: list[Path], tmp_path: Path) -> None:
    archive.payload, archive.lost = packed({"a.dcm": series[0].read_bytes()}), 500
    with pytest.raises(DataFileError, match=r"broke after|cannot be reached"):
        fetch(tmp_path / "cache")
    assert left_behind(tmp_path / "cache") == []


def test_a_service_that_refuses_is_told_with_its_reason(archive: type[Archive], tmp_path: Path) -> None:
    archive.status = 503
    with pytest.raises(DataFileError, match="503"):
        fetch(tmp_path / "cache")


def test_without_a_network_there_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMBISEG_TCIA", "http://127.0.0.1:9/v1")  # nobody listens there
    with pytest.raises(DataFileError, match=r"cannot be reached.*check the connection"):
        fetch(tmp_path / "cache")
    monkeypatch.setenv("AMBISEG_TCIA", "file:///etc")
    with pytest.raises(DataFileError, match="https://"):
        fetch(tmp_path / "cache")


def test_a_server_that_says_nothing_is_given_up(
    archive: type[Archive], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tcia, "_TIMEOUT_S", 0.2)
    monkeypatch.setattr(archive, "do_GET", lambda self: self.rfile.read())  # waits for what never comes
    with pytest.raises(DataFileError, match="cannot be reached"):
        fetch(tmp_path / "cache")


def test_a_fetch_that_is_cancelled_leaves_nothing(archive: type[Archive], series: list[Path], tmp_path: Path) -> None:
    archive.payload = packed({path.name: path.read_bytes() for path in series})
    fetching = fetch_series(UID, tmp_path / "cache")
    next(fetching)
    fetching.close()
    assert left_behind(tmp_path / "cache") == []
    assert cached_series(UID, tmp_path / "cache") is None

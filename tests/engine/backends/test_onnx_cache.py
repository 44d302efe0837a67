import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from napari_ambiseg.engine.backends import onnx_cache
from napari_ambiseg.engine.backends.on_onnx import OnnxBackend
from napari_ambiseg.engine.backends.onnx_cache import ChecksFailed, Entry
from napari_ambiseg.models.checkpoint import Grid, Header, Model


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AMBISEG_CACHE", str(tmp_path))
    return tmp_path / "onnx"


def entry(
    network: str = "anna", variant: str = "64x64-float32", processor: str = "wide", made_by: str = "now"
) -> Entry:
    return Entry(network, variant, processor, made_by)


def test_what_is_kept_is_found() -> None:
    assert entry().find() is None
    assert entry().keep(b"graph") == entry().find()
    assert entry().file.read_bytes() == b"graph"


def test_a_damaged_file_is_not_found() -> None:
    entry().keep(b"graph")
    entry().file.write_bytes(b"grapf")
    assert entry().find() is None
    assert entry().keep(b"graph") == entry().find()


@pytest.mark.parametrize("record", [b"", b"{", b"[]", b"{}", b'"text"', b"\xff"])
def test_a_damaged_record_counts_as_none(record: bytes) -> None:
    entry().keep(b"graph")
    entry().record.write_bytes(record)
    assert entry().find() is None


def test_a_file_that_is_gone_is_not_found() -> None:
    entry().keep(b"graph")
    entry().file.unlink()
    assert entry().find() is None


def test_a_failure_is_remembered_until_something_changes() -> None:
    entry().remember(ChecksFailed("it differs"))
    with pytest.raises(ChecksFailed, match="it differs"):
        entry().find()
    assert entry(made_by="later").find() is None


def test_a_new_version_replaces_the_old_one_alone() -> None:
    others = [
        entry(variant="64x64-int8"),
        entry(variant="32x32-float32"),
        entry(network="ben"),
        entry(processor="narrow"),
    ]
    for one in [entry(), *others]:
        one.keep(b"graph")
    entry(made_by="later").keep(b"newer graph")
    assert entry().find() is None
    assert not entry().record.exists()
    assert all(other.find() for other in others)


def test_the_file_used_longest_ago_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_cache, "LARGEST_BYTES", 25)
    for age, network in ((30, "anna"), (20, "ben")):
        entry(network).keep(b"0123456789")
        os.utime(entry(network).record, (1e9 - age, 1e9 - age))
    assert entry("anna").find()  # it is used now
    entry("cleo").keep(b"0123456789")
    assert entry("ben").find() is None
    assert entry("anna").find()
    assert entry("cleo").find()


def test_a_file_larger_than_the_bound_stays_for_its_own_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_cache, "LARGEST_BYTES", 5)
    assert entry().keep(b"0123456789")
    assert entry().find()


def test_only_one_at_a_time_holds_the_lock() -> None:
    inside, leave, order = Event(), Event(), []

    def first() -> None:
        with entry().locked():
            inside.set()
            leave.wait(10)
            order.append("first")

    def second() -> None:
        with entry().locked():
            order.append("second")

    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(first)]
        assert inside.wait(10)
        futures.append(pool.submit(second))
        leave.set()
        for future in futures:
            future.result()
    assert order == ["first", "second"]


def test_a_folder_that_cannot_be_written_to_is_done_without(
    diffusion: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("AMBISEG_CACHE", str(tmp_path / "file"))
    OnnxBackend.open(diffusion).segmenter(1)
    assert (tmp_path / "file").read_text() == "no folder"


def test_a_lock_that_nobody_gives_back_is_not_waited_for_forever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_cache, "_LOCK_SECONDS", 0.05)
    with entry().locked(), entry().locked():
        assert entry().keep(b"graph")


def test_an_entry_depends_on_grid_precision_and_versions(diffusion: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = onnx_cache.entry(diffusion, precision="float32")
    assert onnx_cache.entry(diffusion, precision="float32") == plain
    assert onnx_cache.entry(diffusion, precision="int8") != plain
    wide = Model(diffusion.segmenter, Header(kind="test", config={}, grid=Grid((32, 32))))
    assert onnx_cache.entry(wide, precision="float32") != plain
    monkeypatch.setattr(onnx_cache, "FORMAT", -1)
    other = onnx_cache.entry(diffusion, precision="float32")
    assert (other.network, other.variant) == (plain.network, plain.variant)
    assert other.made_by != plain.made_by


def test_records_are_plain_json(cache: Path) -> None:
    entry().keep(b"graph")
    (record,) = cache.glob("*.json")
    assert set(json.loads(record.read_text())) == {"sha256"}

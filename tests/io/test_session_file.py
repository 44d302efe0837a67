"""Sessions come back as they were, and files that are none are refused in a sentence."""

import io
import json
import os
import zipfile
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_ambiseg.errors import DataFileError, InputImageError
from napari_ambiseg.io.export import NOTICE
from napari_ambiseg.io.provenance import sha256_of, versions
from napari_ambiseg.io.session_file import read_session, save_session, source_changed
from napari_ambiseg.io.session_record import Drawing, Drawn, GridPlacement, ModelUsed, Session, Source, Trajectory

RNG = np.random.default_rng(0)
STATES = RNG.normal(size=(2, 4, 3, 5, 6)).astype(np.float16).astype(np.float32)  # as they are kept
SESSION = Session(
    source=Source("Çelik <slice 3>", "/data/ct.nii", "ab" * 32, (3,)),
    pixels=RNG.integers(-1000, 400, (9, 7)).astype(np.int16),
    spacing_mm=(0.5, 0.8),
    grey="hu",
    experts=RNG.random((2, 9, 7)) < 0.5,
    expert_names=("Dr. A", "李医生"),
    samples=RNG.random((3, 9, 7)) < 0.5,
    seeds=(5, 2**63 - 1, 0),
    model=ModelUsed("lidc-small-64", "cd" * 32),
    settings={"sampler": "ddim", "steps": 10, "eta": 0.1, "locked": True, "note": None},
    placement=GridPlacement((1.5, -0.5), (1.25, 1.0), (5, 6)),
    threshold=0.1,
    drawings=(Drawing("mine", RNG.random((9, 7)) < 0.5, 1), Drawing("new", RNG.random((9, 7)) < 0.5)),
    trajectory=Trajectory(*STATES, np.array([1, 3, 7, 10]), np.linspace(-9, 9, 4)),
    versions={"napari-ambiseg": "0.1"},
    view={"selected": 2, "zoom": 1.5, "shown": ["experts", {"outline": True}]},
    others=(
        Drawn(RNG.random((2, 9, 7)) < 0.5, (1, 2), ModelUsed("other", "ef" * 32), {"steps": 50}),
        Drawn(
            RNG.random((4, 9, 7)) < 0.5,
            (0, 1, 2, 3),
            ModelUsed("lidc-small-64"),
            placement=GridPlacement((0.0, 0.0), (1.0, 1.0), (5, 6)),
            trajectory=Trajectory(*STATES[:, :, [0, 1, 2, 0]], np.array([1, 3, 7, 10]), np.linspace(-9, 9, 4)),
        ),
    ),
)


def assert_same(one: object, other: object) -> None:
    if isinstance(one, np.ndarray):
        np.testing.assert_array_equal(one, other, strict=True)
    elif hasattr(one, "__dataclass_fields__"):
        for field in fields(one):  # type: ignore[arg-type]
            assert_same(getattr(one, field.name), getattr(other, field.name))
    elif isinstance(one, tuple):
        assert isinstance(other, tuple)
        for a, b in zip(one, other, strict=True):
            assert_same(a, b)
    else:
        assert (type(one), one) == (type(other), other)


def test_everything_comes_back(tmp_path: Path) -> None:
    save_session(tmp_path / "x.ambiseg", SESSION)
    assert_same(read_session(tmp_path / "x.ambiseg"), SESSION)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64", ">i2"])
def test_a_session_of_little_comes_back_with_pixels_of_any_type(tmp_path: Path, dtype: str) -> None:
    none = np.zeros((0, 9, 7), np.bool_)
    pixels = np.abs(SESSION.pixels).astype(dtype)
    bare = Session(Source("a"), pixels, (1, 1), "auto", none, (), none, (), ModelUsed("m"))
    save_session(tmp_path / "x.ambiseg", bare)
    found = read_session(tmp_path / "x.ambiseg")
    assert found.trajectory is found.placement is None
    np.testing.assert_array_equal(found.pixels, pixels, strict=True)


def test_states_are_kept_to_16_bits(tmp_path: Path) -> None:
    kept = Trajectory(*RNG.normal(size=(2, 4, 3, 5, 6)).astype(np.float32) * 5, np.arange(4), np.zeros(4))
    kept.x_t[0, 0, 0, 0] = 1e6
    save_session(tmp_path / "x.ambiseg", replace(SESSION, trajectory=kept))
    found = read_session(tmp_path / "x.ambiseg").trajectory
    assert found is not None
    np.testing.assert_allclose(found.x_hat, kept.x_hat, rtol=1e-3, atol=1e-6)
    assert found.x_t[0, 0, 0, 0] == 65504


def test_numpy_opens_it_too_and_it_carries_the_notice(tmp_path: Path) -> None:
    save_session(tmp_path / "x.ambiseg", SESSION)
    with np.load(tmp_path / "x.ambiseg") as arrays:
        np.testing.assert_array_equal(arrays["readings"], SESSION.samples)
        assert json.loads(arrays["session.json"])["notice"] == NOTICE


def rewritten(path: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """The session's file with entries changed."""
    save_session(path, SESSION)
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    change(entries)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def with_text(**changes: Any) -> Callable[[dict[str, bytes]], None]:
    def change(entries: dict[str, bytes]) -> None:
        said = {**json.loads(entries["session.json"]), **changes}
        entries["session.json"] = json.dumps({k: v for k, v in said.items() if v is not ...}).encode()

    return change


def npy(array: NDArray[Any], **options: bool) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


def with_array(name: str, array: NDArray[Any], **options: bool) -> Callable[[dict[str, bytes]], None]:
    return lambda entries: entries.__setitem__(f"{name}.npy", npy(array, **options))


def declaring(shape: tuple[int, ...]) -> Callable[[dict[str, bytes]], None]:
    """An array whose head says more than follows."""

    def change(entries: dict[str, bytes]) -> None:
        buffer = io.BytesIO()
        np.lib.format.write_array_header_1_0(buffer, {"descr": "|b1", "fortran_order": False, "shape": shape})
        entries["readings.npy"] = buffer.getvalue()

    return change


DEEP = "[" * 100_000 + "]" * 100_000
FAULTS: dict[str, tuple[Callable[[dict[str, bytes]], None], str]] = {
    "no text": (lambda entries: entries.pop("session.json"), "holds no session"),
    "no JSON": (lambda entries: entries.__setitem__("session.json", b"{"), "no valid session"),
    "deep JSON": (lambda entries: entries.__setitem__("session.json", DEEP.encode()), "no valid session"),
    "other format": (with_text(format="zip"), "of format 'zip'"),
    "later version": (with_text(version=2), "version 2; this program reads"),
    "missing field": (with_text(seeds=...), r"seeds: Field required"),
    "unknown field": (with_text(more=1), r"more: Extra inputs"),
    "NaN": (with_text(threshold=float("nan")), "threshold: Input should be a finite number"),
    "threshold": (with_text(threshold=2), "the relative-area threshold is 2"),
    "spacing": (with_text(spacing_mm=[0.5, -1]), "the spacing is"),
    "names": (with_text(expert_names=["a"]), "2 experts' masks and 1 names"),
    "seeds": (with_text(seeds=[1, 2]), "3 samples and 2 names or seeds"),
    "checksum": (with_text(model={"name": "m", "sha256": "<script>"}), "sha256: String should match"),
    "drawings": (with_text(drawings=[]), "2 drawings and 0 names"),
    "started as no sample": (with_text(drawings=[{"name": "a", "from_sample": 7}] * 2), "began as no sample"),
    "no grid": (with_text(placement=None), "but no model's grid"),
    "array gone": (lambda entries: entries.pop("pixels.npy"), "no item named 'pixels.npy'"),
    "array is none": (lambda entries: entries.__setitem__("pixels.npy", b"nothing"), "no readable session"),
    "objects": (with_array("pixels", np.array([[None]]), allow_pickle=True), r"pixels.npy in .* is object"),
    "texts": (with_array("pixels", np.array([["a"]])), "expected numbers"),
    "holes": (with_array("pixels", np.full((9, 7), np.nan)), "NaN or infinite"),
    "other size": (with_array("readings", np.zeros((3, 9, 8), np.bool_)), r"samples are bool \(3, 9, 8\)"),
    "no masks": (with_array("experts", np.zeros((2, 9, 7), np.uint8)), "experts' masks are uint8"),
    "odd booleans": (with_array("experts", np.full((2, 9, 7), 2, np.uint8).view(np.bool_)), "other than 0 and 1"),
    "other states": (with_array("x_t", np.zeros((4, 3, 5, 5), np.float16)), "its states have shapes"),
    "infinite states": (with_array("x_hat", np.full((4, 3, 5, 6), np.inf, np.float16)), "NaN or infinite"),
    "short log SNR": (with_array("log_snr", np.zeros(3)), "its states have shapes"),
    "too wide": (declaring((1, 1, 2**20)), "at most 16384 a side"),
    "more than is there": (declaring((16384, 16384, 16384)), "more than the"),
}


@pytest.mark.parametrize(("change", "words"), FAULTS.values(), ids=FAULTS)
def test_faults_are_told_in_a_sentence(tmp_path: Path, change: Callable[[dict[str, bytes]], None], words: str) -> None:
    path = rewritten(tmp_path / "x.ambiseg", change)
    with pytest.raises(DataFileError, match=words):
        read_session(path)


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    save_session(tmp_path / "x.ambiseg", SESSION)
    with zipfile.ZipFile(tmp_path / "x.ambiseg") as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    for bomb, words in (("readings.npy", "declares 3.0 GB"), ("session.json", "a text too long")):
        with zipfile.ZipFile(tmp_path / "bomb.ambiseg", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in entries.items():
                if name != bomb:
                    archive.writestr(name, content)
            archive.writestr(bomb, bytes(2**25))
        forged = bytearray((tmp_path / "bomb.ambiseg").read_bytes())
        if bomb == "readings.npy":  # the directory says 3 GB: unpacking so much here would take too long to test
            place = forged.rindex(b"readings.npy") - 46 + 24
            forged[place : place + 4] = (3_000_000_000).to_bytes(4, "little")
        (tmp_path / "bomb.ambiseg").write_bytes(bytes(forged))
        with pytest.raises(DataFileError, match=words):
            read_session(tmp_path / "bomb.ambiseg")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_entries_that_occur_twice_are_refused(tmp_path: Path) -> None:
    save_session(tmp_path / "x.ambiseg", SESSION)
    with zipfile.ZipFile(tmp_path / "x.ambiseg", "a") as archive:
        archive.writestr("pixels.npy", npy(np.zeros((9, 7))))
    with pytest.raises(DataFileError, match="entries twice"):
        read_session(tmp_path / "x.ambiseg")


def test_damaged_files_are_refused_or_read_whole(tmp_path: Path) -> None:
    save_session(tmp_path / "x.ambiseg", SESSION)
    whole, chance, refused = (tmp_path / "x.ambiseg").read_bytes(), np.random.default_rng(1), 0
    for _ in range(150):
        damaged = bytearray(whole)
        for place in chance.integers(0, len(damaged), 3):
            damaged[place] = chance.integers(256)
        (tmp_path / "x.ambiseg").write_bytes(
            bytes(damaged[: chance.choice([len(damaged), chance.integers(len(damaged))])])
        )
        try:
            read_session(tmp_path / "x.ambiseg")
        except DataFileError:
            refused += 1
    assert refused > 100


def test_files_that_are_no_sessions_are_told_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match="check the path"):
        read_session(tmp_path / "none.ambiseg")
    (tmp_path / "x.ambiseg").write_bytes(b"PK nothing")
    with pytest.raises(DataFileError, match="no readable session file"):
        read_session(tmp_path / "x.ambiseg")


def test_a_full_disk_leaves_the_old_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    save_session(tmp_path / "x.ambiseg", SESSION)
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(DataFileError, match="No space left on device"):
        save_session(tmp_path / "x.ambiseg", replace(SESSION, threshold=0.9))
    assert read_session(tmp_path / "x.ambiseg").threshold == 0.1
    assert [path.name for path in tmp_path.iterdir()] == ["x.ambiseg"]


@pytest.mark.parametrize("view", [{"a": object()}, {"a": float("nan")}, {"a": np.zeros(3)}])
def test_what_no_text_can_hold_is_refused_before_anything_is_written(tmp_path: Path, view: dict[str, Any]) -> None:
    with pytest.raises(InputImageError, match="save plain values"):
        save_session(tmp_path / "x.ambiseg", replace(SESSION, view=view))
    assert not list(tmp_path.iterdir())


def test_a_source_that_changed_or_went_is_told(tmp_path: Path) -> None:
    file = tmp_path / "ct.nii"
    file.write_bytes(b"pixels")
    source = Source("a", str(file), sha256_of(file))
    assert source_changed(replace(SESSION, source=source)) == ""
    assert source_changed(replace(SESSION, source=Source("a"))) == ""
    file.write_bytes(b"others")
    assert "has changed" in source_changed(replace(SESSION, source=source))
    file.unlink()
    assert "not there any more" in source_changed(replace(SESSION, source=source))


def test_the_checksum_is_that_of_the_empty_file_and_missing_files_are_told(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert sha256_of(tmp_path / "empty") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    with pytest.raises(DataFileError, match="check the path"):
        sha256_of(tmp_path / "none")


def test_the_versions_of_what_takes_part_are_known() -> None:
    assert {"python", "napari-ambiseg", "numpy"} <= set(versions())


def test_what_else_was_drawn_must_fit_the_slice_too() -> None:
    wrong = Drawn(np.zeros((2, 9, 8), np.bool_), (1, 2), ModelUsed("other"))
    with pytest.raises(InputImageError, match="on a slice"):
        replace(SESSION, others=(wrong,))

"""``python -m napari_ambiseg`` as scripts and people use it."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from napari_ambiseg import __main__ as command_line
from napari_ambiseg.errors import ComputeError
from napari_ambiseg.io.lidc_hdf5 import write_lidc_hdf5
from napari_ambiseg.models.checkpoint import Grid, Header, save_checkpoint
from napari_ambiseg.models.diffusion_segmenter import DiffusionConfig, DiffusionSegmenter
from napari_ambiseg.models.unet_config import named_size
from napari_ambiseg.readings.agreement import compare
from napari_ambiseg.readings.collection import SliceCollection
from napari_ambiseg.readings.relative_area import relative_area

Answer = tuple[int, str, str]
Call = Callable[..., Answer]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model of 8 x 8 mm whose weights mean nothing."""
    torch.manual_seed(0)
    segmenter = DiffusionSegmenter(DiffusionConfig(unet=named_size("tiny")))
    for parameter in segmenter.parameters():
        if parameter.dim() == 4 and not parameter.any():
            torch.nn.init.normal_(parameter, std=0.05)
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    save_checkpoint(path, segmenter, Header("diffusion", asdict(segmenter.config), Grid((16, 16)), name="tiny"))
    return str(path)


@pytest.fixture(scope="module")
def lidc(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Three slices of 24 x 24 pixels that three readers have read, in the splits `train` and `val`."""
    generator = np.random.default_rng(0)
    readings = np.zeros((3, 3, 24, 24), bool)
    readings[:, :2, 8:16, 8:16] = True
    images = generator.integers(0, 256, (3, 24, 24), dtype=np.uint8)
    slices = SliceCollection(images, readings, ("a", "a", "b"), np.array([0, 0, 1]), ("a 1", "a 2", "b 1"))
    path = tmp_path_factory.mktemp("lidc") / "slices.h5"
    write_lidc_hdf5(path, {"train": slices.subset([1]), "val": slices})
    return str(path)


@pytest.fixture
def call(capfd: pytest.CaptureFixture[str]) -> Call:
    """Runs the command line in this process: exit code, standard output, standard error."""

    def run(*words: object) -> Answer:
        code = command_line.main([str(word) for word in words])
        return (code, *capfd.readouterr())

    return run


def refused(answer: Answer) -> str:
    """The sentence with which the command line refused: one line, exit code 2, nothing on standard output."""
    code, out, err = answer
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    return err


def test_sample_prints_one_json_object_and_saves_the_masks_it_speaks_of(
    call: Call, lidc: str, model: str, tmp_path: Path
) -> None:
    words = ("--readings", 5, "--steps", 3, "--threshold", 0.2, "--model", model, "--out", tmp_path / "x.npz", "--json")
    code, out, err = call("sample", lidc, "--index", 2, "--sampler", "ddpm", "--seed", 9, *words)
    report = json.loads(out)
    saved = np.load(tmp_path / "x.npz")
    assert (code, err) == (0, "")
    assert (saved["readings"].dtype, saved["readings"].shape) == (bool, (5, 24, 24))
    assert (saved["experts"].dtype, saved["experts"].shape) == (bool, (3, 24, 24))
    assert report["areas_mm2"] == (saved["readings"].sum((1, 2)) * 0.25).tolist()
    expected = compare(samples=saved["readings"], experts=saved["experts"])
    assert report["ged"] == pytest.approx(expected.ged)
    assert report["dice"] == pytest.approx(expected.mean_dice)
    assert report["seconds"] > 0
    told = {key: report[key] for key in ("slice", "model", "steps", "sampler", "seed", "threshold")}
    assert told == {"slice": "b 1", "model": model, "steps": 3, "sampler": "ddpm", "seed": 9, "threshold": 0.2}


@pytest.mark.parametrize(
    ("words", "last"), [((), 0.05), (("--last-time", 0.2), 0.2), (("--sampler", "ddim"), 0.25), (("--steps", 50), 0.02)]
)
def test_sample_says_when_the_last_estimate_was_made(
    call: Call, lidc: str, model: str, words: tuple[object, ...], last: float
) -> None:
    usual = ("--sampler", "dpm++2m", "--steps", 4, "--readings", 1, "--model", model, "--json")
    code, out, _ = call("sample", lidc, *usual, *words)
    assert (code, json.loads(out)["last_time"]) == (0, pytest.approx(last))


def test_sample_takes_small_readings_for_none_where_it_is_asked_to(call: Call, lidc: str, model: str) -> None:
    usual = ("--steps", 2, "--readings", 2, "--model", model, "--json")
    kept, emptied = (json.loads(call("sample", lidc, *usual, *words)[1]) for words in ((), ("--smallest-px", 10**6)))
    assert (kept["smallest_px"], emptied["smallest_px"]) == (0, 10**6)
    assert max(kept["areas_mm2"]) > 0
    assert emptied["areas_mm2"] == [0, 0]
    assert "has -1 pixels" in refused(call("sample", lidc, *usual, "--smallest-px", -1))


def test_the_threshold_is_the_relative_area_rule_on_the_same_readings(
    call: Call, lidc: str, model: str, tmp_path: Path
) -> None:
    for r in (0, 1):
        call(
            "sample",
            lidc,
            "--readings",
            4,
            "--steps",
            2,
            "--threshold",
            r,
            "--model",
            model,
            "--out",
            tmp_path / f"{r}",
        )
    all_kept, largest = np.load(tmp_path / "0")["readings"], np.load(tmp_path / "1")["readings"]
    np.testing.assert_array_equal(largest, relative_area(all_kept, 1))
    assert largest.sum() < all_kept.sum()


def test_the_same_seed_draws_the_same_and_four_are_the_first_of_more(call: Call, lidc: str, model: str) -> None:
    def areas(*words: object) -> list[float]:
        sampled = call("sample", lidc, "--steps", 2, "--threshold", 0, "--model", model, "--json", *words)
        return json.loads(sampled[1])["areas_mm2"]

    six = areas("--readings", 6, "--seed", 1)
    assert areas("--readings", 4, "--seed", 1) == six[:4]
    assert areas("--readings", 6, "--seed", 2) != six


def test_without_a_split_val_comes_before_train_and_an_only_one_is_taken(
    call: Call, lidc: str, model: str, tmp_path: Path
) -> None:
    def name(*words: object) -> str:
        found = call("sample", *words, "--readings", 1, "--steps", 1, "--model", model, "--json")
        return json.loads(found[1])["slice"]

    assert name(lidc) == "a 1"
    assert name(lidc, "--split", "train") == "a 2"
    one = SliceCollection(
        np.eye(24, dtype=np.float32)[None], np.zeros((1, 2, 24, 24), bool), ("c",), np.array([0]), ("c 1",)
    )
    write_lidc_hdf5(tmp_path / "odd.h5", {"odd": one})
    assert name(tmp_path / "odd.h5") == "c 1"
    write_lidc_hdf5(tmp_path / "two.h5", {"odd": one, "even": one})
    assert "even, odd; choose one with --split" in refused(call("sample", tmp_path / "two.h5", "--model", model))


def test_the_phantom_is_sampled_without_a_file_and_said_to_be_rendered(call: Call, model: str) -> None:
    words = ("sample", "phantom", "--readings", 2, "--steps", 1, "--model", model)
    report = json.loads(call(*words, "--json")[1])
    assert report["rendered"] is True
    assert report["experts"] == 4
    text = call(*words)[1]
    assert "rendered by a computer" in text
    assert "For research, not for diagnosis" in text


def test_a_picture_needs_a_spacing_and_then_is_sampled_without_experts(call: Call, model: str, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 30), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "ct.png")
    words = ("sample", tmp_path / "ct.png", "--readings", 2, "--steps", 1, "--model", model, "--json")
    assert "give --spacing in mm" in refused(call(*words))
    report = json.loads(call(*words, "--spacing", "0.7,0.5", "--out", tmp_path / "x.npz")[1])
    assert report["grey"] == "unit"
    assert "ged" not in report
    saved = np.load(tmp_path / "x.npz")
    assert saved["experts"].shape == (0, 40, 30)
    assert saved["spacing_mm"].tolist() == [0.7, 0.5]
    assert "no experts to compare with" in refused(call("compare", tmp_path / "x.npz"))


@pytest.mark.parametrize("drawing", [(), ("--antithetic",)])
def test_compare_agrees_with_sample_and_writes_every_pair(
    call: Call, lidc: str, model: str, drawing: tuple[str, ...], tmp_path: Path
) -> None:
    npz, table = tmp_path / "x.npz", tmp_path / "x.csv"
    words = ("--readings", 4, "--steps", 2, "--model", model, "--out", npz, "--json", *drawing)
    sampled = json.loads(call("sample", lidc, *words)[1])
    code, out, _ = call("compare", npz, "--csv", table, "--json")
    compared = json.loads(out)
    assert code == 0
    shared = ("areas_mm2", "ged", "ged_unbiased", "dice", "hm_iou", "experts", "dice_per_reading")
    assert {key: compared[key] for key in shared} == {key: sampled[key] for key in shared}
    rows = list(csv.DictReader(line for line in table.read_text().splitlines() if not line.startswith("#")))
    assert len(rows) == 4 * 3
    assert json.loads(call("compare", npz, "--threshold", 1, "--json")[1])["areas_mm2"].count(0.0) >= 1


def test_what_is_undefined_is_null_because_json_has_no_nan(call: Call, lidc: str, model: str) -> None:
    out = call("sample", lidc, "--readings", 1, "--steps", 1, "--model", model, "--json")[1]
    assert json.loads(out, parse_constant=lambda name: pytest.fail(name))["ged_unbiased"] is None


def test_the_bad_input_of_users_is_refused_in_one_sentence(call: Call, lidc: str, model: str, tmp_path: Path) -> None:
    (tmp_path / "text.h5").write_text("no HDF5")
    (tmp_path / "cut.safetensors").write_bytes(Path(model).read_bytes()[:-9])
    np.save(tmp_path / "rgb.npy", np.zeros((30, 30, 3)))
    np.save(tmp_path / "nan.npy", np.full((30, 30), np.nan))
    np.save(tmp_path / "small.npy", np.eye(9))
    given = ("--model", model)
    assert "not an HDF5 file" in refused(call("sample", tmp_path / "text.h5", *given))
    assert "no file at" in refused(call("sample", tmp_path / "missing.h5", *given))
    assert "slices 0 to 2" in refused(call("sample", lidc, "--index", 3, *given))
    assert "nonesuch" in refused(call("sample", lidc, "--split", "nonesuch", *given))
    assert "looks like RGB" in refused(call("sample", tmp_path / "rgb.npy", "--spacing", 1, *given))
    assert "looks like RGB" in refused(call("sample", tmp_path / "rgb.npy", *given))  # a spacing would not help
    assert "NaN" in refused(call("sample", tmp_path / "nan.npy", "--spacing", 1, *given))
    assert "4.5 x 4.5 mm" in refused(call("sample", tmp_path / "small.npy", "--spacing", 0.5, *given))
    assert "--spacing is 'x'" in refused(call("sample", tmp_path / "small.npy", "--spacing", "x", *given))
    assert "only slice 0" in refused(call("sample", tmp_path / "small.npy", "--index", 1, *given))
    assert "fetch or train it again" in refused(call("sample", lidc, "--model", tmp_path / "cut.safetensors"))
    assert "'nonesuch'" in refused(call("sample", lidc, "--model", "nonesuch"))
    assert "no file at" in refused(call("compare", tmp_path / "missing.npz"))


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--steps", 0), "steps is 0"),
        (("--sampler", "magic"), "choose one of ddim"),
        (("--eta", 2), "eta is 2"),
        (("--threshold", 1.5), "threshold is 1.5"),
        (("--threshold", "nan"), "threshold is nan"),
        (("--readings", 0), "at least 1"),
        (("--seed", -1), "seed is -1"),
        (("--device", "abacus"), "abacus"),
        (("--device", "meta"), "the device 'meta' cannot be used"),
        (("--steps", "many"), "Invalid value for '--steps'"),
        (("--nonesuch",), "--nonesuch"),
        (("--out", "/dev/null/x.npz"), "cannot write"),
        (("--out", "/"), "is a folder"),
        (("--out", "x" * 300), "File name too long"),
        (("--out", "missing/" + "x" * 300), "File name too long"),
    ],
)
def test_impossible_settings_are_refused_before_any_work(
    call: Call, lidc: str, model: str, words: tuple[object, ...], reason: str
) -> None:
    assert reason in refused(call("sample", lidc, "--model", model, *words))


def test_files_options_or_nothing_mean_the_viewer_and_commands_mean_themselves() -> None:
    assert command_line.routed([]) == ["view"]
    assert command_line.routed(["a.h5", "sample"]) == ["view", "a.h5", "sample"]
    assert command_line.routed(["--save", "sample"]) == ["view", "--save", "sample"]
    assert command_line.routed(["sample", "a.h5"]) == ["sample", "a.h5"]
    assert command_line.routed(["compare"]) == ["compare"]
    assert command_line.routed(["--help"]) == ["--help"]


def test_a_word_that_is_neither_file_nor_command_is_refused_with_the_commands(call: Call) -> None:
    assert "no file smaple (nor a command; commands are view, sample, compare)" in refused(call("smaple", "x.h5"))


def test_the_viewer_gets_files_and_folder_and_gives_the_exit_code(
    call: Call, lidc: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FakeApp:
        @staticmethod
        def main(files: list[Path], save_to: Path | None = None) -> int:
            calls.append((files, save_to))
            return 7

    calls: list[tuple[list[Path], Path | None]] = []
    monkeypatch.setitem(sys.modules, "napari_ambiseg.viewer.app", FakeApp)
    assert call(lidc, "--save", tmp_path)[0] == 7
    assert call()[0] == 7
    assert calls == [([Path(lidc)], tmp_path), ([], None)]


def test_options_that_do_not_apply_are_refused_instead_of_ignored(
    call: Call, lidc: str, model: str, tmp_path: Path
) -> None:
    np.save(tmp_path / "x.npy", np.eye(30))
    for file in (lidc, "phantom"):
        for option, value in (("--spacing", 2), ("--grey", "hu"), ("--grey", "auto")):
            sentence = refused(call("sample", file, option, value, "--model", model))
            assert sentence.startswith(f"error: {option} is for pictures, but {file} says its own spacing and grey")
            assert sentence.endswith("; leave it out\n")
    for file in (tmp_path / "x.npy", "phantom"):
        sentence = refused(call("sample", file, "--split", "val", "--model", model))
        assert sentence == f"error: --split names a group of an HDF5 file, but {file} has none; leave it out\n"
    assert "unknown grey scale ''" in refused(call("sample", tmp_path / "x.npy", "--grey", "", "--model", model))


def test_a_name_that_is_too_long_is_a_missing_file(call: Call, lidc: str, model: str) -> None:
    for suffix in ("", ".h5", ".npy", ".png"):
        assert "there is no file" in refused(call("sample", "x" * 300 + suffix, "--model", model))
    assert "there is no file" in refused(call("compare", "x" * 300))
    assert "there is no file" in refused(call("x" * 300))
    assert "there is no model" in refused(call("sample", lidc, "--model", "x" * 300))


def test_a_file_is_no_folder_to_save_to_and_is_refused_before_the_viewer_opens(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "napari_ambiseg.viewer.app", None)  # whoever imports it fails
    (tmp_path / "x").touch()
    assert "x is a file; give the name of a folder" in refused(call("--save", tmp_path / "x"))
    assert "x is no folder to write to" in refused(call("--save", tmp_path / "x" / "y"))
    assert "File name too long" in refused(call("--save", tmp_path / ("x" * 300)))


def test_an_unexpected_error_keeps_its_traceback(
    call: Call, lidc: str, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_ambiseg import commands

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(commands, "read_source", fail)
    with pytest.raises(ZeroDivisionError):
        call("sample", lidc, "--model", model)


def test_a_machine_that_fails_is_refused_like_bad_input(
    call: Call, lidc: str, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_ambiseg import commands

    def fail(*_: object) -> None:
        raise ComputeError("memory ran out;\nask for fewer")

    monkeypatch.setattr(commands, "read_source", fail)
    assert refused(call("sample", lidc, "--model", model)) == "error: memory ran out; ask for fewer\n"


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("words", [["--help"], ["sample", "--help"], ["compare", "--help"], ["view", "--help"]])
def test_help_needs_neither_torch_nor_napari(words: list[str]) -> None:
    done = python(
        f"import sys; from napari_ambiseg.__main__ import main; code = main({words})\n"
        "heavy = {'torch', 'napari', 'numpy', 'h5py', 'qtpy'} & set(sys.modules)\n"
        "sys.exit(repr(heavy) if heavy else code)"
    )
    assert done.stdout.startswith("Usage: python -m napari_ambiseg")
    assert (done.returncode, done.stderr) == (0, "")


def test_as_a_program_a_refusal_is_one_line_and_exit_code_two() -> None:
    words = [sys.executable, "-m", "napari_ambiseg", "sample", "phantom", "--steps", "0"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert refused((done.returncode, done.stdout, done.stderr)) == "error: steps is 0; give a number from 1 to 1000\n"


def test_a_real_slice_is_opened_sampled_and_compared(call: Call, lidc_val: Path, model: str) -> None:
    words = ("--index", 700, "--readings", 2, "--steps", 2, "--model", model, "--json")
    report = json.loads(call("sample", lidc_val, *words)[1])
    assert report["slice"].startswith("LIDC-IDRI-")
    assert report["experts"] == 4
    assert 0 <= report["dice"] <= 1

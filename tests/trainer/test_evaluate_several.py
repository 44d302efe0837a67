"""Several models on the same slices: differences, crops, sweeps, files, and what a kill leaves.

``known`` draws the experts' masks as often as they do (E GED_N = D / N), ``sure`` the block always: against the experts
block, block, inner, nothing its GED is 2 (0 + 0 + 3/4 + 1) / 4 - D, whatever N.
"""

import csv
import io
import json
import multiprocessing
import re
import signal
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from napari_ambiseg.io.lidc_hdf5 import write_lidc_hdf5
from napari_ambiseg.models.checkpoint import Grid, Header, save_checkpoint
from napari_ambiseg.models.deterministic import DeterministicConfig, DeterministicSegmenter
from napari_ambiseg.models.unet_config import named_size
from napari_ambiseg.readings.calibration import expected_calibration_error
from napari_ambiseg.readings.collection import SliceCollection
from trainer.__main__ import main

pytestmark = pytest.mark.usefixtures("known")

D = 9 / 16
SURE = 2 * 1.75 / 4 - D


def evaluate(out: Path, *words: object) -> dict[str, Any]:
    """The JSON that the command writes."""
    assert main(["evaluate", *map(str, words), "--json", str(out / "out.json")]) == 0
    return json.loads((out / "out.json").read_text())


def lines_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text())))


def test_differences_are_those_of_the_models_and_pairing_narrows_them(
    known_model: Path, sure_model: Path, known_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = evaluate(tmp_path, known_model, sure_model, "--data", known_data, "--readings", 4)
    first, second = found["models"]
    assert second["ged_4"]["mean"] == pytest.approx(SURE)
    found_difference = found["differences"]["sure reader"]
    assert found["differences"]["to"] == "known reader"
    for name in ("ged_4", "dice_4", "ece_4", "ece_marked_4", "empty_readings_4_pp"):
        assert found_difference[name]["mean"] == pytest.approx(second[name]["mean"] - first[name]["mean"]), name
    assert found_difference["ged_4"]["p"] < 0.01
    assert found_difference["empty_experts"] == {"mean": 0, "low": 0, "high": 0, "p": 1}
    assert "less known reader" in capsys.readouterr().out


def test_each_model_gets_the_figures_that_it_gets_alone(
    known_model: Path, sure_model: Path, known_data: Path, tmp_path: Path
) -> None:
    words = ("--data", known_data, "--readings", 4, "--limit", 20)
    alone = evaluate(tmp_path, sure_model, *words)
    beside = evaluate(tmp_path, known_model, sure_model, *words)["models"][1]
    assert {**alone, "seconds_per_slice": 0} == {**beside, "seconds_per_slice": 0}


def test_calibration_over_slices_is_that_of_all_their_pixels(
    sure_model: Path, known_data: Path, tmp_path: Path
) -> None:
    """p = 1 on the block; q = 3/4 on its inner quarter, 1/2 on the rest: on marked pixels the error is 1 - 9/16."""
    rows = tmp_path / "rows.jsonl"
    found = evaluate(tmp_path, sure_model, "--data", known_data, "--readings", 2, "--per-slice", rows)
    assert found["ece_marked_2"]["mean"] == pytest.approx(1 - 9 / 16)
    assert found["ece_2"]["mean"] == pytest.approx((1 - 9 / 16) * 256 / 48**2)
    kept = [json.loads(line)["vectors"]["calibration_2"] for line in rows.read_text().splitlines()[1:]]
    pooled = expected_calibration_error(np.sum(kept, axis=0).reshape(3, -1))
    assert found["ece_2"]["mean"] == pytest.approx(float(pooled))


def test_rows_of_several_models_lie_in_a_folder_and_are_not_drawn_twice(
    known_model: Path, sure_model: Path, known_data: Path, known: Any, tmp_path: Path
) -> None:
    words = (known_model, sure_model, "--data", known_data, "--limit", 9, "--per-slice", tmp_path / "rows")
    first = evaluate(tmp_path, *words)
    names = sorted(path.name for path in (tmp_path / "rows").iterdir())
    assert names == ["known-reader.ddim-10.jsonl", "sure-reader.ddim-10.jsonl"]
    read = len(known.slices_read)
    assert evaluate(tmp_path, *words) == first
    assert len(known.slices_read) == read


def test_models_of_one_name_are_told_apart_by_their_digests(
    known_model: Path, known_data: Path, known: Any, tmp_path: Path
) -> None:
    header = Header(kind="known", config={"draws": [3]}, grid=Grid((32, 32)), name="known reader")
    save_checkpoint(tmp_path / "blind.safetensors", known(draws=[3]), header)
    words = (known_model, tmp_path / "blind.safetensors", "--data", known_data, "--limit", 2)
    models = [one["protocol"] for one in evaluate(tmp_path, *words)["models"]]
    assert [one["model"] for one in models] == [f"known reader {one['model_sha256'][:8]}" for one in models]


def test_one_model_twice_is_refused(
    known_model: Path, known_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(known_model.read_bytes())
    assert main(["evaluate", str(known_model), str(copy), "--data", str(known_data)]) == 2
    assert "are the same model" in capsys.readouterr().err


def test_a_model_that_was_trained_on_uniform_crops_is_judged_on_them(
    cropping_model: Path, known_model: Path, known_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--data", known_data, "--limit", 30, "--readings", 2)
    found = evaluate(tmp_path, cropping_model, *words)
    assert found["protocol"]["area"] == "uniform crop, 32 x 32 pixels"
    assert evaluate(tmp_path, cropping_model, *words, "--crop", "whole")["protocol"]["area"] == "whole slice"
    moved = evaluate(tmp_path, cropping_model, *words, "--seed", 1)
    assert moved["dice_expert1_2"] != found["dice_expert1_2"]
    assert main(["evaluate", str(cropping_model), str(known_model), *map(str, words)]) == 2
    assert "only cropping reader read crops from anywhere; say with --crop" in capsys.readouterr().err
    both = evaluate(tmp_path, cropping_model, known_model, *words, "--crop", "central", "--crop-px", 40)
    assert {one["protocol"]["area"] for one in both["models"]} == {"central crop, 40 x 40 pixels"}


def test_on_a_crop_only_what_lies_in_it_counts(sure_model: Path, tmp_path: Path) -> None:
    """An expert's mask outside of the central crop is missed on the whole slice and does not exist on the crop."""
    images = np.zeros((1, 48, 48), np.uint8)
    readings = np.zeros((1, 1, 48, 48), bool)
    images[0, 20:28, 20:28] = 255
    readings[0, 0, 20:28, 20:28] = readings[0, 0, 0:4, 0:16] = True
    write_lidc_hdf5(tmp_path / "a.h5", {"val": SliceCollection(images, readings, ("P",), np.zeros(1, int), ("",))})
    words = (sure_model, "--data", tmp_path / "a.h5", "--readings", 1)
    assert evaluate(tmp_path, *words)["iou_1"]["mean"] == 0.5
    assert evaluate(tmp_path, *words, "--crop", "central")["iou_1"]["mean"] == 1


def test_missing_readers_are_not_empty_masks(sure_model: Path, tmp_path: Path) -> None:
    """Slot 2 read the second slice only, where it agrees; slot 1 read both."""
    images = np.zeros((2, 48, 48), np.uint8)
    images[:, 20:28, 20:28] = 255
    readings = np.zeros((2, 2, 48, 48), bool)
    readings[:, 0, 20:28, 20:28] = readings[1, 1, 20:28, 20:28] = True
    present = np.array([[True, False], [True, True]])
    slices = SliceCollection(images, readings, ("P", "Q"), np.arange(2), ("", ""), present=present)
    write_lidc_hdf5(tmp_path / "a.h5", {"val": slices})
    found = evaluate(
        tmp_path,
        sure_model,
        "--data",
        tmp_path / "a.h5",
        "--readings",
        2,
        "--references",
        "--per-slice-csv",
        tmp_path / "slices.csv",
    )
    first, second = lines_of(tmp_path / "slices.csv")  # every expert has his column, whoever read the first slice
    assert (first["dice_expert1_2"], first["dice_expert2_2"], second["dice_expert2_2"]) == ("1.0", "", "1.0")
    assert found["dice_2"]["mean"] == found["dice_expert1_2"]["mean"] == found["dice_expert2_2"]["mean"] == 1
    assert found["empty_experts"]["mean"] == 0
    assert found["ged_unbiased_2"]["mean"] == 0  # of the slice with two experts; the other defines none
    assert found["references"]["one_expert"]["dice_2"]["mean"] == 1


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--crop", "round"], "'round'"),
        (["--crop", "central", "--crop-px", "20"], "at least 32"),
        (["--crop", "uniform", "--crop-px", "60"], "does not fit"),
        (["--crop-px", "40"], "add --crop"),
        (["--sweep-steps", "0"], "steps is 0"),
        (["--sweep-steps", "2", "--sweep-samplers", "euler"], "'euler'"),
        (["--csv", "."], "is a folder"),
        (["--markdown", "."], "is a folder"),
    ],
)
def test_errors_of_the_user_are_one_line_and_code_two(
    known_model: Path, known_data: Path, words: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(known_model), "--data", str(known_data), "--limit", "2", *words]) == 2
    complaint = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(complaint) == 1
    assert named in complaint[0]


def test_tables_say_what_the_json_says(known_model: Path, sure_model: Path, known_data: Path, tmp_path: Path) -> None:
    targets = {name: tmp_path / name for name in ("a.csv", "slices.csv", "a.md")}
    found = evaluate(
        tmp_path, known_model, sure_model, "--data", known_data, "--limit", 12, "--references", "--csv",
        targets["a.csv"], "--per-slice-csv", targets["slices.csv"], "--markdown", targets["a.md"],
    )  # fmt: skip
    figures = {(line["reader"], line["figure"]): line for line in lines_of(targets["a.csv"])}
    sure = found["models"][1]["ged_16_pp"]
    line = figures["sure reader", "ged_16_pp"]
    assert [float(line[key]) for key in ("value", "low", "high")] == [sure["mean"], sure["low"], sure["high"]]
    assert float(line["p"]) == found["differences"]["sure reader"]["ged_16_pp"]["p"]
    assert float(figures["empty", "dice_4"]["value"]) == found["references"]["empty"]["dice_4"]["mean"]
    assert {line["notice"] for line in figures.values()} == {"For research, not for diagnosis"}
    slices = [line for line in lines_of(targets["slices.csv"]) if line["model"] == "sure reader"]
    assert len(slices) == 12
    assert np.mean([float(line["ged_4"]) for line in slices]) == pytest.approx(found["models"][1]["ged_4"]["mean"])
    report = targets["a.md"].read_text()
    assert "For research, not for diagnosis" in report
    assert f"| ged_16_pp | {found['models'][0]['ged_16_pp']['mean']:.3f} [" in report
    (command,) = re.findall(r"^    python -m (trainer evaluate .*)$", report, flags=re.MULTILINE)
    again = main([*command.split()[1:], "--json", str(tmp_path / "again.json")])
    assert again == 0
    assert json.loads((tmp_path / "again.json").read_text())["models"][1]["ged_16_pp"] == sure


@pytest.fixture
def networks(tmp_path: Path) -> list[str]:
    """Two one-shot networks of random weights, whose kind every process knows."""
    paths: list[str] = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        network = DeterministicSegmenter(DeterministicConfig(named_size("tiny", in_channels=1, time_embedding=0)))
        nn.init.normal_(network.unet.head[2].weight, std=0.3)
        header = Header(kind="deterministic", config=asdict(network.config), grid=Grid((32, 32)), name=f"net {seed}")
        paths.append(str(tmp_path / f"{seed}.safetensors"))
        save_checkpoint(Path(paths[-1]), network, header)
    return paths


@pytest.mark.skipif("forkserver" not in multiprocessing.get_all_start_methods(), reason="twenty starts take too long")
def test_an_evaluation_that_is_killed_again_and_again_ends_in_the_same_tables(
    networks: list[str], known_data: Path, tmp_path: Path
) -> None:
    def words(name: str) -> list[str]:
        files = {"--per-slice": f"{name}-rows", "--json": f"{name}.json", "--csv": f"{name}.csv", "--markdown": "a.md"}
        given = ["evaluate", *networks, "--data", str(known_data), "--readings", "4"]
        return [*given, *(word for key, file in files.items() for word in (key, str(tmp_path / file)))]

    assert main(words("through")) == 0
    report = without_times(tmp_path / "a.md")
    (tmp_path / "a.md").unlink()
    # A server that has imported everything and runs no threads: its forks start at once and inherit no lock.
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["trainer.__main__", "trainer.evaluation.output"])
    kept, rng = tmp_path / "killed-rows", np.random.default_rng(0)
    for _ in range(20):
        wanted = size_of(kept) + int(rng.integers(1, 12_000))  # of some 230,000 bytes in the end
        child = processes.Process(target=main, args=(words("killed"),), daemon=True)
        child.start()
        while child.is_alive() and size_of(kept) < wanted:
            time.sleep(0.002)
        child.kill()
        child.join()
        assert child.exitcode == -signal.SIGKILL
    assert main(words("killed")) == 0
    for ending in ("json", "csv"):
        assert without_times(tmp_path / f"killed.{ending}") == without_times(tmp_path / f"through.{ending}")
    assert without_times(tmp_path / "a.md") == report


def without_times(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if "second" not in line]


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*.jsonl")) if folder.exists() else 0

"""The whole command on a reader whose score is known: one that draws the experts' own masks with their frequencies.

What it reads is in ``conftest``. E GED_N = D / N; unbiased, the experts' self term has a factor 4/3, which leaves -D/3.
"""

import json
import math
import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from napari_ambiseg import engine
from napari_ambiseg.io.lidc_hdf5 import read_lidc_slice, write_lidc_hdf5
from napari_ambiseg.models.checkpoint import Grid, Header, load_checkpoint, save_checkpoint
from napari_ambiseg.models.deterministic import DeterministicConfig, DeterministicSegmenter
from napari_ambiseg.models.unet_config import named_size
from napari_ambiseg.readings.agreement import compare, ged
from napari_ambiseg.readings.collection import SliceCollection
from trainer.__main__ import main

pytestmark = pytest.mark.usefixtures("known")

D = 9 / 16
SLICES, PATIENTS = 60, 12


@pytest.fixture
def model(known_model: Path) -> Path:
    return known_model


@pytest.fixture
def data(known_data: Path) -> Path:
    return known_data


def evaluate(model: Path, data: Path, out: Path, *more: str) -> dict[str, Any]:
    """The JSON that the command writes."""
    assert main(["evaluate", str(model), "--data", str(data), "--json", str(out / "out.json"), *more]) == 0
    return json.loads((out / "out.json").read_text())


def kept_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a file, without its protocol."""
    return [json.loads(line) for line in path.read_text().splitlines()][1:]


def without_times(path: Path) -> list[dict[str, Any]]:
    rows = sorted(kept_rows(path), key=lambda row: row["id"])
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def without_time(result: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in result.items() if key != "seconds_per_slice"}


def test_a_perfect_sampler_scores_d_over_n(model: Path, data: Path, tmp_path: Path) -> None:
    found = evaluate(model, data, tmp_path, "--readings", "4", "16", "--seed", "1")
    for count in (4, 16):
        figure = found[f"ged_{count}"]
        error = (figure["high"] - figure["low"]) / 4
        assert figure["mean"] == pytest.approx(D / count, abs=4 * error)
        assert figure["low"] < figure["mean"] < figure["high"]
    assert found["ged_unbiased_16"]["mean"] == pytest.approx(-D / 3, abs=0.03)
    assert found["dice_16"]["mean"] == pytest.approx((4 + 4 * 0.4 + 1 + 1) / 16, abs=0.02)
    assert found["empty_readings_16"]["mean"] == pytest.approx(0.25, abs=0.05)
    assert found["empty_experts"] == {"mean": 0.25, "low": 0.25, "high": 0.25}


def test_json_has_the_words_that_scripts_rely_on(
    model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "--split val --readings 4 16 --steps 10 --sampler ddim --threshold 0.5 --limit 24 --seed 0"
    found = evaluate(model, data, tmp_path, *words.split())
    for name in ("ged_4", "ged_4_pp", "dice_4", "dice_4_pp", "ged_16", "dice_16", "hm_iou_16"):
        assert set(found[name]) == {"mean", "low", "high"}
    assert (found["slices"], found["patients"]) == (24, PATIENTS)
    assert found["seconds_per_slice"] > 0
    assert found["protocol"]["readings"] == [4, 16]
    assert found["protocol"]["model"] == "known reader"
    table = capsys.readouterr().out
    assert "known reader: 24 slices of 12 patients" in table
    assert f"{found['ged_16']['mean']:.3f}" in table


def test_asking_for_fewer_readings_or_slices_changes_no_row(model: Path, data: Path, tmp_path: Path) -> None:
    evaluate(model, data, tmp_path, "--readings", "4", "16", "--per-slice", str(tmp_path / "all.jsonl"))
    evaluate(model, data, tmp_path, "--readings", "4", "--limit", "7", "--per-slice", str(tmp_path / "few.jsonl"))
    rows = [kept_rows(tmp_path / name) for name in ("all.jsonl", "few.jsonl")]
    full = {row["id"]: row["figures"] for row in rows[0]}
    assert len(rows[1]) == 7
    for row in rows[1]:
        assert row["figures"].items() <= full[row["id"]].items()


def test_an_interrupted_evaluation_goes_on_to_the_same_figures(
    model: Path, data: Path, known: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "kept.jsonl"
    words = ["--readings", "4", "--per-slice", str(kept)]
    known.interrupt_after = 25
    assert main(["evaluate", str(model), "--data", str(data), *words]) == 130
    assert re.search(r"stopped after \d+ of 60 slices", capsys.readouterr().err)
    assert len(kept_rows(kept)) == 25
    known.interrupt_after = None
    resumed = evaluate(model, data, tmp_path, *words)
    assert len(known.slices_read) == SLICES  # none was read twice
    through = evaluate(model, data, tmp_path, "--readings", "4", "--per-slice", str(tmp_path / "other.jsonl"))
    assert without_times(kept) == without_times(tmp_path / "other.jsonl")
    assert without_time(resumed) == without_time(through)


def test_references_stand_beside_the_model(
    model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = evaluate(model, data, tmp_path, "--readings", "4", "--references", "--limit", "20")["references"]
    assert found["empty"]["ged_4"]["mean"] == pytest.approx(1.5 - D)
    assert found["majority_oracle"]["dice_4"]["mean"] == pytest.approx(1.8 / 4)
    assert found["experts_resampled"]["ged_4"]["mean"] == pytest.approx(D / 4, abs=0.1)
    assert "one_expert" in capsys.readouterr().out


def test_the_seed_of_a_row_draws_its_readings_again(model: Path, data: Path, tmp_path: Path) -> None:
    """Given to the engine, as the viewer does, it leads to the same GED."""
    evaluate(model, data, tmp_path, "--readings", "4", "--limit", "1", "--per-slice", str(tmp_path / "row.jsonl"))
    (row,) = kept_rows(tmp_path / "row.jsonl")
    one = read_lidc_slice(data, "val", int(row["id"].rpartition("/")[2]))
    shown = engine.SliceInput(pixels=one.image[0], spacing_mm=one.spacing_mm, grey=engine.GreyScale.NORMALISED)
    sampled = engine.sample(engine.load_model(model), shown, seeds=engine.reading_seeds(row["seed"], 4))
    assert ged(samples=sampled.readings, experts=one.readings) == row["figures"]["ged_4"]


def test_antithetic_readings_are_drawn_said_and_not_taken_for_independent_ones(
    model: Path, data: Path, tmp_path: Path
) -> None:
    rows, table, report = tmp_path / "row.jsonl", tmp_path / "slices.csv", tmp_path / "report.md"
    words = ["--readings", "4", "--limit", "1", "--antithetic", "--per-slice", str(rows)]
    found = evaluate(model, data, tmp_path, *words, "--per-slice-csv", str(table), "--markdown", str(report))
    (row,) = kept_rows(rows)
    one = read_lidc_slice(data, "val", int(row["id"].rpartition("/")[2]))
    shown = engine.SliceInput(pixels=one.image[0], spacing_mm=one.spacing_mm, grey=engine.GreyScale.NORMALISED)
    seeds = engine.reading_seeds(row["seed"], 4, antithetic=True)
    sampled = engine.sample(engine.load_model(model), shown, seeds=seeds)
    assert ged(samples=sampled.readings, experts=one.readings) == row["figures"]["ged_4"]
    assert found["protocol"]["antithetic"] is True
    told, untold = (compare(samples=sampled.readings, experts=one.readings, seeds=s) for s in (seeds, None))
    assert found["ged_unbiased_4"]["mean"] == told.ged_unbiased != untold.ged_unbiased
    assert ",ddim,10,antithetic," in table.read_text()
    assert "; antithetic readings;" in report.read_text()
    assert " --antithetic" in report.read_text()


def test_specks_are_dropped_as_the_model_says_or_as_is_asked(model: Path, data: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.safetensors"
    loaded = load_checkpoint(model)
    assert isinstance(loaded.segmenter, torch.nn.Module)
    most = math.prod(loaded.header.grid.size)
    save_checkpoint(own, loaded.segmenter, replace(loaded.header, smallest_px=most))
    words = ("--readings", "4", "--limit", "2", "--markdown", str(tmp_path / "report.md"))
    as_drawn = evaluate(model, data, tmp_path, *words)
    assert "--smallest-px" not in (tmp_path / "report.md").read_text()
    for file, asked in ((own, ()), (model, ("--smallest-px", str(most)))):
        found = evaluate(file, data, tmp_path, *words, *asked)
        assert found["protocol"]["smallest_px"] == most
        assert found["empty_readings_4"]["mean"] == 1
        assert f"readings below {most} pixels empty" in (tmp_path / "report.md").read_text()
    assert f" --smallest-px {most}" in (tmp_path / "report.md").read_text()
    kept = evaluate(own, data, tmp_path, *words, "--smallest-px", "0")
    assert kept["protocol"]["smallest_px"] == as_drawn["protocol"]["smallest_px"] == 0
    assert kept["ged_4"] == as_drawn["ged_4"]
    assert kept["empty_readings_4"]["mean"] < 1


def test_workers_share_the_slices_of_a_one_shot_model(data: Path, tmp_path: Path) -> None:
    """Any kind of model goes through; two processes give the rows that one gives."""
    torch.manual_seed(0)
    network = DeterministicSegmenter(DeterministicConfig(named_size("tiny", in_channels=1, time_embedding=0)))
    nn.init.normal_(network.unet.head[2].weight, std=0.3)
    path = tmp_path / "plain.safetensors"
    header = Header(kind="deterministic", config=asdict(network.config), grid=Grid((32, 32)), name="plain")
    save_checkpoint(path, network, header)
    words = ["--readings", "1", "--limit", "9"]
    one = evaluate(path, data, tmp_path, *words)
    two = evaluate(path, data, tmp_path, *words, "--workers", "2", "--per-slice", str(tmp_path / "two.jsonl"))
    assert len(kept_rows(tmp_path / "two.jsonl")) == 9
    assert one["empty_readings_1"]["mean"] < 1
    assert two["dice_1"]["mean"] == pytest.approx(one["dice_1"]["mean"], abs=1e-3)
    assert two["ged_unbiased_1"] == {"mean": None, "low": None, "high": None}


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--split", "test"], "no split 'test'"),
        (["--steps", "0"], "steps is 0"),
        (["--sampler", "euler"], "'euler'"),
        (["--threshold", "2"], "threshold is 2.0"),
        (["--readings", "0"], "numbers of readings"),
        (["--limit", "0"], "limit is 0"),
        (["--device", "abacus"], "'abacus'"),
        (["--data", "missing.h5"], "missing.h5"),
        (["--json", "."], "is a folder"),
    ],
)
def test_errors_of_the_user_are_one_line_and_code_two(
    model: Path, data: Path, words: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(model), "--data", str(data), *words]) == 2
    complaint = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(complaint) == 1
    assert named in complaint[0]


def test_a_negative_seed_is_refused(model: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(model), "--data", str(data), "--seed", "-1"]) == 2
    assert "--seed" in capsys.readouterr().err


def test_an_unmodel_is_refused(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "no-such-model", "--data", str(data)]) == 2
    assert "'no-such-model'" in capsys.readouterr().err


def test_two_files_of_one_name_are_refused(
    model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(model), "--data", str(data), str(data)]) == 2
    assert "two data files are called slices.h5" in capsys.readouterr().err


def test_a_slice_that_cannot_be_read_is_named(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flat = SliceCollection(
        np.zeros((1, 48, 48), np.uint8), np.zeros((1, 4, 48, 48), bool), ("P",), np.zeros(1, int), ("",)
    )
    write_lidc_hdf5(tmp_path / "flat.h5", {"val": flat})
    assert main(["evaluate", str(model), "--data", str(tmp_path / "flat.h5")]) == 2
    assert "slice flat.h5/val/0" in capsys.readouterr().err


def test_the_time_of_the_last_estimate_is_part_of_the_protocol(
    model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.md"
    words = ["--readings", "2", "--limit", "2", "--steps", "5", "--last-time", "0.05", "--markdown", str(report)]
    found = evaluate(model, data, tmp_path, *words)
    assert found["protocol"]["last_time"] == 0.05
    assert "5 steps of ddim, the last estimate at t = 0.05," in report.read_text()
    assert "--last-time 0.05" in report.read_text()
    evaluate(model, data, tmp_path, "--readings", "2", "--limit", "2", "--steps", "5", "--markdown", str(report))
    assert "the last estimate at t = 0.2," in report.read_text()
    assert main(["evaluate", str(model), "--data", str(data), "--last-time", "1"]) == 2
    assert "the time of the last estimate is 1.0; give a number between 0 and 1" in capsys.readouterr().err

"""Judged on the patients that a model's training kept out: there a threshold or a sampler may be chosen."""

import json
from pathlib import Path
from typing import Any

import pytest

from napari_ambiseg.io.lidc_hdf5 import read_lidc_hdf5
from tests.trainer.conftest import save_known
from trainer.__main__ import main
from trainer.data.holdout import Holdout
from trainer.data.sources import collection_digest

pytestmark = pytest.mark.usefixtures("known")

FIT = {"holdout": 0.25, "seed": 3}


@pytest.fixture
def trained_on_it(known_data: Path) -> dict[str, Any]:
    """What a model says that was trained on the split that the tests have."""
    return {"fit": FIT, "data_sha256": collection_digest(read_lidc_hdf5(known_data, "val"))}


def test_only_patients_that_training_held_out_are_judged(
    tmp_path: Path, known_data: Path, trained_on_it: dict[str, Any]
) -> None:
    model, out = save_known(tmp_path / "held.safetensors", "held", training=trained_on_it), tmp_path / "out.json"
    words = ["evaluate", str(model), "--data", str(known_data), "--held-out", "--readings", "4"]
    assert main([*words, "--json", str(out), "--per-slice", str(tmp_path / "rows.jsonl")]) == 0
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()][1:]
    subjects = read_lidc_hdf5(known_data, "val").subjects
    assert {row["patient"] for row in rows} == Holdout(0.25, 3).patients(subjects)
    assert len(rows) == sum(subject in Holdout(0.25, 3).patients(subjects) for subject in subjects)
    assert json.loads(out.read_text())["protocol"]["holdout"]["fraction"] == 0.25


def test_models_of_several_seeds_that_held_out_the_same_patients_are_judged_on_them(
    tmp_path: Path, known_data: Path, trained_on_it: dict[str, Any]
) -> None:
    fit = {**FIT, "seed": 4, "holdout_seed": 3}
    models = [
        save_known(
            tmp_path / "one.safetensors", "one", training={**trained_on_it, "fit": {**FIT, "holdout_seed": None}}
        ),
        save_known(tmp_path / "two.safetensors", "two", training={**trained_on_it, "fit": fit}, draws=[0]),
    ]
    out = tmp_path / "out.json"
    words = ["evaluate", *map(str, models), "--data", str(known_data), "--held-out", "--readings", "4"]
    assert main([*words, "--json", str(out)]) == 0
    found = [one["protocol"]["holdout"]["seed"] for one in json.loads(out.read_text())["models"]]
    assert found == [3, 3]


@pytest.mark.parametrize(
    "changes", [{"fit": None}, {"fit": {**FIT, "seed": 4}}, {"fit": {**FIT, "holdout": 0.0}}, {"data_sha256": "0" * 64}]
)
def test_without_patients_that_all_have_held_out_there_is_a_word_about_it(
    tmp_path: Path,
    known_data: Path,
    trained_on_it: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, Any],
) -> None:
    models = [
        save_known(tmp_path / "one.safetensors", "one", training=trained_on_it),
        save_known(tmp_path / "two.safetensors", "two", training={**trained_on_it, **changes}, draws=[0]),
    ]
    assert main(["evaluate", *map(str, models), "--data", str(known_data), "--held-out"]) == 2
    assert "leave out --held-out" in capsys.readouterr().err


def test_other_slices_than_those_of_the_training_are_refused(
    tmp_path: Path, known_data: Path, trained_on_it: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Of these, other patients would be taken, and some of them may have been trained on."""
    training = {**trained_on_it, "data_sha256": "0" * 64}
    model = save_known(tmp_path / "elsewhere.safetensors", "elsewhere", training=training)
    assert main(["evaluate", str(model), "--data", str(known_data), "--held-out"]) == 2
    assert "give its files in the same order, and --split train" in capsys.readouterr().err

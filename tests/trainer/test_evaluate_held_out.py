"""Judged on the patients that a model's training kept out: there a threshold or a sampler may be chosen."""

import json
from pathlib import Path
from typing import Any

import pytest

from napari_ambiseg.io.lidc_hdf5 import read_lidc_hdf5
from tests.trainer.conftest import save_known
from trainer.__main__ import main
from trainer.data.holdout import Holdout

pytestmark = pytest.mark.usefixtures("known")

HELD = {"fit": {"holdout": 0.25, "seed": 3}}


def test_only_patients_that_training_held_out_are_judged(tmp_path: Path, known_data: Path) -> None:
    model, out = save_known(tmp_path / "held.safetensors", "held", training=HELD), tmp_path / "out.json"
    words = ["evaluate", str(model), "--data", str(known_data), "--held-out", "--readings", "4"]
    assert main([*words, "--json", str(out), "--per-slice", str(tmp_path / "rows.jsonl")]) == 0
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()][1:]
    subjects = read_lidc_hdf5(known_data, "val").subjects
    assert {row["patient"] for row in rows} == Holdout(0.25, 3).patients(subjects)
    assert len(rows) == sum(subject in Holdout(0.25, 3).patients(subjects) for subject in subjects)
    assert json.loads(out.read_text())["protocol"]["held_out"] is True


@pytest.mark.parametrize("others", [{}, {"fit": {"holdout": 0.25, "seed": 4}}, {"fit": {"holdout": 0.0, "seed": 3}}])
def test_without_patients_that_all_have_held_out_there_is_a_word_about_it(
    tmp_path: Path, known_data: Path, capsys: pytest.CaptureFixture[str], others: dict[str, Any]
) -> None:
    models = [
        save_known(tmp_path / "one.safetensors", "one", training=HELD),
        save_known(tmp_path / "two.safetensors", "two", training=others, draws=[0]),
    ]
    assert main(["evaluate", *map(str, models), "--data", str(known_data), "--held-out"]) == 2
    assert "leave out --held-out" in capsys.readouterr().err

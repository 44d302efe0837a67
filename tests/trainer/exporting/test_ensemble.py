"""Several models exported as one: what becomes of weights, headers and cards, and which do not belong together."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from napari_ambiseg.engine import bundled_models
from napari_ambiseg.models.checkpoint import Grid, load_checkpoint, read_header, save_checkpoint
from napari_ambiseg.models.ensemble import DiffusionEnsemble
from trainer.__main__ import main
from trainer.evaluation.candidates import describe, fit_of
from trainer.exporting import export as export_module

from .conftest import evaluated, write_figures


@pytest.fixture(autouse=True)
def few_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """16 bits are tried on two slices, which is quicker."""
    monkeypatch.setattr(export_module, "TRIED_SLICES", 2)


@pytest.fixture
def first(run_folder: Path) -> Path:
    return run_folder / "model.safetensors"


def changed(path: Path, out: Path, *, shift: float = 0.0, **header: Any) -> Path:
    """A model file with other weights and another header."""
    model = load_checkpoint(path)
    assert isinstance(model.segmenter, torch.nn.Module)
    with torch.no_grad():
        for parameter in model.segmenter.parameters():
            parameter += shift
    save_checkpoint(out, model.segmenter, replace(model.header, **header))
    return out


def export(*words: object) -> int:
    return main(["export", *map(str, words)])


def test_two_models_become_one_file_that_holds_both(first: Path, tmp_path: Path) -> None:
    second = changed(first, tmp_path / "second.safetensors", shift=0.25, name="second")
    out = tmp_path / "both.safetensors"
    assert export(first, second, "--out", out, "--name", "both", "--full") == 0
    both = load_checkpoint(out)
    assert (both.header.kind, both.header.name) == ("diffusion-ensemble", "both")
    assert [one["name"] for one in both.header.training["members"]] == ["test", "second"]
    assert both.header.training["members"][0]["fit"] == read_header(first).training["fit"]
    assert isinstance(both.segmenter, DiffusionEnsemble)
    for member, file in zip(both.segmenter.members, (first, second), strict=True):
        expected = load_checkpoint(file).segmenter
        assert isinstance(expected, torch.nn.Module)
        for name, weights in expected.state_dict().items():
            torch.testing.assert_close(member.state_dict()[name], weights, rtol=0, atol=0)
    card = out.with_suffix(".md").read_text()
    assert "| kind | diffusion-ensemble" in card
    assert card.count("| training | recipe test, step 2 of 2") == 2
    assert card.count('"recipe": "test"') == 2


def test_the_folder_of_a_run_is_a_member_and_an_ensemble_is_exported_again(run_folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(run_folder, other)
    out, again = tmp_path / "both.safetensors", tmp_path / "again.safetensors"
    assert export(run_folder, other, "--out", out, "--smallest-px", "9") == 0
    assert export(out, "--out", again, "--name", "again") == 0
    header = read_header(again)
    assert (header.name, header.smallest_px, len(header.training["members"])) == ("again", 9, 2)


def test_its_held_out_patients_are_those_that_every_member_held_out(first: Path, tmp_path: Path) -> None:
    training = {**read_header(first).training, "data_sha256": "1" * 64}
    fit = fit_of(training)
    one = changed(first, tmp_path / "one.safetensors", training=training)
    named = {**fit, "seed": 7, "holdout_seed": fit["seed"]}
    same = changed(first, tmp_path / "same.safetensors", shift=0.1, training={**training, "fit": named})
    others = {**fit, "seed": 7}
    other = changed(first, tmp_path / "other.safetensors", shift=0.2, training={**training, "fit": others})
    agreed, apart = tmp_path / "agreed.safetensors", tmp_path / "apart.safetensors"
    assert export(one, same, "--out", agreed) == 0
    assert export(one, other, "--out", apart) == 0
    (single, both, none) = describe([str(one), str(agreed), str(apart)])
    assert single.holdout is not None
    assert both.holdout == single.holdout
    assert none.holdout is None
    assert (both.uniform, both.grid_px) == (False, 16)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"grid": Grid((16, 16), (1.0, 1.0))}, "the models of an ensemble have one grid, but test has Grid"),
        ({"smallest_px": 5}, "have one smallest lesion, but test has 0 and test 5; say one with --smallest-px"),
        ({"training": {"fit": {"crop": "uniform"}}}, "have one place on the slice, but test has central and test unif"),
    ],
)
def test_models_that_read_differently_make_none(
    first: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], words: str
) -> None:
    second, out = changed(first, tmp_path / "second.safetensors", **changes), tmp_path / "both.safetensors"
    assert export(first, second, "--out", out) == 2
    assert words in capsys.readouterr().err
    assert not out.exists()


def test_other_kinds_make_none(first: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    baseline = bundled_models()["lidc-prob-unet-mini-64"]
    assert export(first, baseline, "--out", tmp_path / "both.safetensors") == 2
    said = "lidc-prob-unet-mini-64 is of the kind prob-unet; an ensemble is made of diffusion models alone"
    assert said in capsys.readouterr().err


def test_figures_of_a_member_are_not_the_ensemble_s(
    first: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    second = changed(first, tmp_path / "second.safetensors", shift=0.25)
    figures = write_figures(tmp_path / "f.json", evaluated(hashlib.sha256(first.read_bytes()).hexdigest()))
    assert export(first, second, "--out", tmp_path / "both.safetensors", "--figures", figures) == 2
    assert "figures are of another model" in capsys.readouterr().err
    assert json.loads(figures.read_text())["ged_4"]["mean"] == 0.25

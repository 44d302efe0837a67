"""A run may begin with a model's weights: exactly those, told in what it writes, and of the same model alone."""

import hashlib
import json
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_ambiseg.errors import SettingsError
from napari_ambiseg.models.checkpoint import read_header
from napari_ambiseg.readings.collection import SliceCollection
from tests.trainer.conftest import run_weights, same_weights
from trainer.__main__ import main
from trainer.config import DataSource, FitConfig, with_overrides
from trainer.fine_tuning import read_start
from trainer.fit import fit, resume

CPU = torch.device("cpu")
DISCS = DataSource(names=("discs",))
CONFIG = FitConfig(
    recipe="test", size="tiny", grid_px=16, steps=6, batch_size=4, learning_rate=2e-3, warmup_steps=0, decay_steps=0,
    ema_decay=0.9, holdout=0.2, checkpoint_steps=2, log_steps=1,
)  # fmt: skip
KINDS = ["diffusion", "deterministic", "mc-dropout", "phiseg", "prob-unet"]


def stopped() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


@pytest.fixture
def first(discs: SliceCollection, tmp_path: Path) -> Path:
    fit(CONFIG, discs, tmp_path / "first", device=CPU, source=DISCS)
    return tmp_path / "first"


def other_data(discs: SliceCollection) -> SliceCollection:
    return discs.subset(np.arange(12))


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_begins_with_exactly_these_weights(kind: str, discs: SliceCollection, tmp_path: Path) -> None:
    config = with_overrides(CONFIG, {"kind": kind, "seed": 3})
    fit(config, discs, tmp_path / "first", device=CPU, source=DISCS)
    begun = with_overrides(config, {"weighting": "uniform", "seed": 4})
    start = read_start(str(tmp_path / "first"))
    fit(begun, other_data(discs), tmp_path / "second", device=CPU, source=DISCS, start=start, stop=stopped())
    assert same_weights(run_weights(tmp_path / "first"), run_weights(tmp_path / "second"))
    fit(begun, other_data(discs), tmp_path / "third", device=CPU, source=DISCS, start=start)
    assert not same_weights(run_weights(tmp_path / "first"), run_weights(tmp_path / "third"))


def test_what_it_began_with_is_told_and_kept_when_it_goes_on(discs: SliceCollection, first: Path) -> None:
    out, digest = first.parent / "second", hashlib.sha256((first / "model.safetensors").read_bytes()).hexdigest()
    start = read_start(str(first / "model.safetensors"))
    fit(CONFIG, discs, out, device=CPU, source=DISCS, start=start, stop=stopped())
    resume(CONFIG, discs, out, device=CPU, source=DISCS)
    whole = first.parent / "whole"
    fit(CONFIG, discs, whole, device=CPU, source=DISCS, start=start)
    assert same_weights(run_weights(out), run_weights(whole))
    told = {"name": "test", "sha256": digest}
    assert json.loads((out / "config.json").read_text())["started_from"] == told
    assert read_header(out / "model.safetensors").training["started_from"] == told
    assert read_header(first / "model.safetensors").training["started_from"] is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "phiseg"}, "test is of the kind diffusion, the run of phiseg"),
        ({"size": "small", "grid_px": 32}, "test is another model than the run's .* choose its recipe, test"),
        ({"prediction": "v"}, "prediction is x there and v here"),
        ({"input_scale": 0.5}, "0.1 there and 0.5 here"),
        ({"seed": 1}, "learned from patients of these data .* --set holdout=0.2 holdout_seed=0"),
        ({"holdout": 0.5}, "--set holdout=0.2 holdout_seed=0"),
    ],
)
def test_another_model_and_patients_that_it_has_seen_are_refused(
    changes: dict[str, object], words: str, discs: SliceCollection, first: Path
) -> None:
    config = with_overrides(CONFIG, changes)
    with pytest.raises(SettingsError, match=words):
        fit(config, discs, first.parent / "second", device=CPU, source=DISCS, start=read_start(str(first)))
    assert not (first.parent / "second").exists()


def test_nothing_held_out_may_begin_with_any_holdout(discs: SliceCollection, first: Path) -> None:
    config = with_overrides(CONFIG, {"holdout": 0.0, "steps": 1})
    fit(config, discs, first.parent / "second", device=CPU, source=DISCS, start=read_start(str(first)))


def test_another_seed_may_begin_with_it_if_it_holds_out_the_same_patients(discs: SliceCollection, first: Path) -> None:
    config = with_overrides(CONFIG, {"seed": 1, "holdout_seed": CONFIG.seed, "steps": 1})
    out = first.parent / "second"
    fit(config, discs, out, device=CPU, source=DISCS, start=read_start(str(first)))
    start, other = read_start(str(out)), with_overrides(config, {"holdout_seed": 2})
    with pytest.raises(SettingsError, match="learned from patients"):
        fit(other, discs, first.parent / "third", device=CPU, source=DISCS, start=start)


def test_the_command_begins_with_a_bundled_model_and_its_card_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["fit", "lidc-small-64", "--data", "phantom:12", "--device", "cpu", "--set", "batch_size=2", "steps=1"]
    words += ["decay_steps=0", "warmup_steps=0", "learning_rate=1e-12", "ema_decay=0"]
    out = tmp_path / "run"
    assert main([*words, "--start-from", "lidc-small-64", "--out", str(out), "--check"]) == 0
    assert not out.exists()
    assert main([*words, "--start-from", "lidc-small-64", "--out", str(out)]) == 0
    bundled = read_start("lidc-small-64")
    assert isinstance(bundled.model.segmenter, torch.nn.Module)
    after = run_weights(out)
    for name, before in bundled.model.segmenter.state_dict().items():
        torch.testing.assert_close(after[name], before, atol=1e-6, rtol=0)
    assert main(["export", str(out), "--out", str(tmp_path / "mine.safetensors")]) == 0
    assert f"the weights of lidc-small-64, SHA-256 {bundled.described.sha256}" in (tmp_path / "mine.md").read_text()
    capsys.readouterr()
    assert main(["fit", "--resume", str(out), "--start-from", "lidc-small-64"]) == 2
    assert "leave out --start-from" in capsys.readouterr().err
    assert main([*words, "--start-from", "nothing", "--out", str(tmp_path / "other")]) == 2
    assert "nothing" in capsys.readouterr().err

"""What ships is what was trained, in half the bytes."""

from pathlib import Path

import pytest
import torch

from napari_ambiseg.models.checkpoint import load_checkpoint
from napari_ambiseg.readings.collection import SliceCollection
from trainer.__main__ import main
from trainer.config import DataSource, FitConfig
from trainer.fit import fit


@pytest.fixture
def run_folder(discs: SliceCollection, tmp_path: Path) -> Path:
    config = FitConfig(recipe="test", size="tiny", grid_px=16, steps=2, batch_size=2, warmup_steps=0)
    fit(config, discs, tmp_path / "run", device=torch.device("cpu"), source=DataSource(names=("some/folder/discs.h5",)))
    return tmp_path / "run"


def test_an_exported_model_is_the_run_s_in_half_the_bytes(run_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "model.safetensors"
    assert main(["export", str(run_folder), "--out", str(out), "--name", "mine", "--description", "A toy."]) == 0
    trained, shipped = load_checkpoint(run_folder / "model.safetensors"), load_checkpoint(out)
    assert (shipped.header.name, shipped.header.description) == ("mine", "A toy.")
    assert shipped.header.training == trained.header.training
    assert out.stat().st_size < 0.6 * (run_folder / "model.safetensors").stat().st_size
    assert isinstance(trained.segmenter, torch.nn.Module)
    assert isinstance(shipped.segmenter, torch.nn.Module)
    for before, after in zip(trained.segmenter.parameters(), shipped.segmenter.parameters(), strict=True):
        torch.testing.assert_close(after, before.half().float(), rtol=0, atol=0)


def test_a_model_names_its_data_without_their_folder(run_folder: Path) -> None:
    assert load_checkpoint(run_folder / "model.safetensors").header.training["data"]["names"] == ["discs.h5"]


def test_an_empty_folder_is_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(tmp_path), "--out", str(tmp_path / "x.safetensors")]) == 2
    assert "there is no model file at" in capsys.readouterr().err

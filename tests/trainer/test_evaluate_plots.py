"""Curves and pages of samples: they are drawn of what was judged, and whoever lacks matplotlib is told."""

import json
import re
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from napari_ambiseg.models.checkpoint import Grid, Header, save_checkpoint
from napari_ambiseg.models.diffusion_segmenter import DiffusionConfig, DiffusionSegmenter
from napari_ambiseg.models.unet_config import named_size
from trainer.__main__ import main
from trainer.evaluation.pages import square_around

pytestmark = pytest.mark.usefixtures("known")


@pytest.fixture
def diffusion_model(tmp_path: Path) -> Path:
    """A network of random weights: its readings depend on sampler and steps."""
    torch.manual_seed(0)
    network = DiffusionSegmenter(DiffusionConfig(unet=named_size("tiny", in_channels=2)))
    nn.init.normal_(network.unet.head[2].weight, std=0.3)
    path = tmp_path / "noise.safetensors"
    header = Header(kind="diffusion", config=asdict(network.config), grid=Grid((32, 32)), name="noise")
    save_checkpoint(path, network, header)
    return path


def test_a_sweep_judges_every_sampler_and_number_of_steps_once(
    diffusion_model: Path, known_model: Path, known_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What has no steps is not swept, and what was judged already is not judged again."""
    words = ["evaluate", str(diffusion_model), str(known_model), "--data", str(known_data), "--limit", "3"]
    words += ["--readings", "2", "--steps", "2", "--sweep-steps", "2", "1", "--sweep-samplers", "ddim", "ddpm"]
    words += ["--per-slice", str(tmp_path / "rows"), "--json", str(tmp_path / "a.json")]
    words += ["--csv", str(tmp_path / "a.csv")]
    assert main([*words, "--plots", str(tmp_path / "plots"), "--page-slices", "2"]) == 0
    found = json.loads((tmp_path / "a.json").read_text())
    swept = [(one["protocol"]["model"], one["protocol"]["sampler"], one["protocol"]["steps"]) for one in found["sweep"]]
    assert swept == [("noise", sampler, steps) for sampler in ("ddim", "ddpm") for steps in (1, 2)]
    assert found["sweep"][1]["ged_2"] == found["models"][0]["ged_2"]
    assert len(list((tmp_path / "rows").iterdir())) == 5
    lines = [line.split(",")[:6] for line in (tmp_path / "a.csv").read_text().splitlines()]
    of_ged = [line[:4] for line in lines if line[4:] == ["independent", "ged_2"]]
    assert of_ged[:2] == [["model", "noise", "ddim", "2"], ["model", "known reader", "ddim", "2"]]
    assert of_ged[2:] == [["sweep", "noise", sampler, steps] for sampler in ("ddim", "ddpm") for steps in "12"]
    assert "ddpm" in capsys.readouterr().out
    names = {path.name for path in (tmp_path / "plots").iterdir()}
    stems = ("presence", "relative-area", "steps", "samples-noise", "samples-known-reader")
    assert names == {f"{stem}.{ending}" for stem in stems for ending in ("png", "svg")}
    for stem in stems:
        pixels = np.asarray(Image.open(tmp_path / "plots" / f"{stem}.png").convert("L"))
        assert min(pixels.shape) > 300
        assert pixels.std() > 10
    page = (tmp_path / "plots" / "samples-known-reader.svg").read_text()
    assert "For research, not for diagnosis" in page
    assert len(re.findall(r">P\d\d   slices\.h5/val/\d+ ", page)) == 2  # subject and slice of each row


def test_plots_of_the_same_rows_are_the_same_files(known_model: Path, known_data: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    words = ["evaluate", str(known_model), "--data", str(known_data), "--limit", "4", "--per-slice", str(rows)]
    for folder in ("a", "b"):
        assert main([*words, "--plots", str(tmp_path / folder), "--page-slices", "1"]) == 0
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_without_matplotlib_plots_are_refused_before_any_work(
    known_model: Path,
    known_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("trainer.evaluation.figure.find_spec", {}.get)
    words = ["evaluate", str(known_model), "--data", str(known_data), "--plots", str(tmp_path / "plots")]
    assert main(words) == 2
    assert 'pip install "napari-ambiseg[train]"' in capsys.readouterr().err
    assert not (tmp_path / "plots").exists()


@pytest.mark.parametrize("place", [(0, 0, 5, 5), (100, 90, 8, 30), (60, 60, 1, 1), (0, 0, 128, 100)])
def test_the_window_lies_inside_the_picture_and_holds_what_is_marked(place: tuple[int, int, int, int]) -> None:
    top, left, height, width = place
    masks = np.zeros((2, 128, 120), bool)
    masks[1, top : top + height, left : left + width] = True
    first_row, first_column, side = square_around(masks)
    assert 0 <= first_row <= 128 - side
    assert 0 <= first_column <= 120 - side
    if side < 120:
        assert masks[:, first_row : first_row + side, first_column : first_column + side].sum() == masks.sum()
    assert square_around(np.zeros((1, 128, 120), bool))[2] == 32

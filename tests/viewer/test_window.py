"""The whole application in a real window, judged by what it saves."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from napari_ambiseg.engine import SamplingOptions

pytestmark = pytest.mark.window


PROGRAM = """
import sys
from pathlib import Path
import tests.viewer.conftest  # the kind of the toy model
from napari_ambiseg.viewer import app
from napari_ambiseg.viewer.session.settings import Settings, remember_settings, settings_path

model, out = sys.argv[1:]
remember_settings(Settings(model=model, readings=6, threshold=0.1), settings_path())
sys.exit(app.main([], Path(out)))
"""
ROOT = Path(__file__).parents[2]


def colour_count(pixels: np.ndarray, colour: str) -> int:
    wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    return int((np.abs(pixels[..., :3].astype(int) - wanted).max(axis=-1) < 40).sum())


def test_the_application_shows_and_saves_everything(tmp_path: Path, toy_model: Path) -> None:
    """In a process of its own: napari does not start twice in one whose tests had viewers made for them."""
    out, environment = tmp_path / "out", {**os.environ, "XDG_CONFIG_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", PROGRAM, str(toy_model), str(out)]
    ended = subprocess.run(command, cwd=tmp_path, env=environment, timeout=150, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("saved ") == 3
    with Picture.open(out / "screenshot.png") as saved:
        picture = np.asarray(saved)
    assert picture.shape[0] >= 700
    assert picture.shape[1] >= 1200
    for colour in ("#E69F00", "#56B4E9", "#009E73", "#FF5CC8"):
        assert colour_count(picture, colour) > 100, f"{colour} is not seen"
    with Picture.open(out / "trajectory.gif") as animation:
        assert animation.n_frames == SamplingOptions().steps
    lines = (out / "comparison.csv").read_text().splitlines()
    rows = list(csv.reader(line for line in lines if not line.startswith("#")))
    assert len(rows) == 1 + 6 * 4

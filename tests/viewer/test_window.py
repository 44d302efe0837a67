"""The whole application in a real window, judged by what it saves."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from napari_ambiseg.engine import SamplingOptions
from napari_ambiseg.viewer import app
from napari_ambiseg.viewer.session.settings import Settings, remember_settings

pytestmark = pytest.mark.window


@pytest.fixture
def toy_settings(own_settings: Path, toy_model: Path) -> None:
    remember_settings(Settings(model=str(toy_model), readings=6, threshold=0.1), own_settings)


def colour_count(pixels: np.ndarray, colour: str) -> int:
    wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    return int((np.abs(pixels[..., :3].astype(int) - wanted).max(axis=-1) < 40).sum())


@pytest.mark.usefixtures("toy_settings", "qapp")
def test_the_application_shows_and_saves_everything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert app.main([], out) == 0
    assert capsys.readouterr().out.count("saved ") == 3
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

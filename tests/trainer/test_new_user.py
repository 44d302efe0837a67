"""What a new user does with every kind of model, on rendered slices and with the commands themselves."""

import json
from pathlib import Path

import numpy as np
import pytest

from napari_ambiseg.__main__ import main as napari_ambiseg
from napari_ambiseg.io.lidc_hdf5 import split_names
from trainer.__main__ import main as trainer
from trainer.kinds import KINDS


@pytest.fixture(scope="module")
def slices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "phantom.h5"
    assert trainer(["prepare", "phantom:24", "--out", str(path)]) == 0
    assert split_names(path) == ("test", "train", "val")
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_prepared_slices_are_fitted_judged_sampled_and_passed_on(kind: str, slices: Path, tmp_path: Path) -> None:
    run, figures = tmp_path / "run", tmp_path / "figures.json"
    settings = ["steps=6", "batch_size=4", "grid_px=32", "validation.every=3", "validation.slices=2"]
    here = ["--data", str(slices), "--device", "cpu", "--threads", "1"]
    assert trainer(["fit", "tiny", "--set", f"kind={kind}", *settings, *here, "--out", str(run)]) == 0
    assert (run / "best.safetensors").is_file()

    judge = ["evaluate", str(run), "--readings", "2", "--steps", "2", "--split", "val", "--json", str(figures)]
    assert trainer([*judge, *here]) == 0
    assert 0 <= json.loads(figures.read_text())["ged_2"]["mean"] <= 2

    shipped = tmp_path / "shipped.safetensors"
    assert trainer(["export", str(run), "--out", str(shipped), "--name", kind]) == 0
    assert "not for diagnosis" in shipped.with_suffix(".md").read_text()

    readings = tmp_path / "readings.npz"
    words = ["sample", str(slices), "--split", "val", "--index", "0", "--readings", "3", "--steps", "2"]
    assert napari_ambiseg([*words, "--model", str(shipped), "--out", str(readings)]) == 0
    with np.load(readings) as found:
        assert found["readings"].shape == (3, 128, 128)

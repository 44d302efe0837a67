"""A run's folder to export from, and figures of a model as ``evaluate`` writes them."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from napari_ambiseg.readings.collection import SliceCollection
from trainer.config import DataSource, FitConfig
from trainer.fit import fit


@pytest.fixture
def run_folder(discs: SliceCollection, tmp_path: Path) -> Path:
    """The folder of a run of two steps on discs."""
    config = FitConfig(recipe="test", size="tiny", grid_px=16, steps=2, batch_size=2, warmup_steps=0)
    fit(config, discs, tmp_path / "run", device=torch.device("cpu"), source=DataSource(names=("some/folder/discs.h5",)))
    return tmp_path / "run"


def evaluated(digest: str, ged: float = 0.25) -> dict[str, Any]:
    """What ``evaluate --json`` says of one model with 4 and 16 readings."""
    protocol = {
        "model": "m", "model_sha256": digest, "limit": None, "readings": [4, 16], "steps": 10, "sampler": "ddim",
        "data": [{"name": "a.h5", "split": "val", "slices": 9, "sha256": "1" * 64, "readers": 4}], "eta": 0.0,
        "guidance": 0.0, "threshold": 0.5, "seed": 3, "version": "0.1.0", "crop": "whole", "area": "whole slice",
    }  # fmt: skip
    return {
        "ged_4": {"mean": ged, "low": 0.2, "high": 0.3125},
        "ged_4_pp": {"mean": 0.24, "low": 0.2, "high": 0.28},
        "ged_16": {"mean": 0.2, "low": None, "high": None},
        "dice_16": {"mean": None, "low": None, "high": None},
        "slices": 9,
        "patients": 5,
        "protocol": protocol,
    }


def write_figures(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path

"""Fixtures that every room's tests share."""

import os
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]


# Toys gain nothing from threads, and on a busy machine threads that wait for each other are a hundred times slower.
os.environ["OMP_NUM_THREADS"] = "1"  # for the processes that tests start
torch.set_num_threads(1)


def _real_data(name: str) -> Path:
    folder = Path(os.environ.get("AMBISEG_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / name).is_file():
        pytest.skip(f"there is no {name} in {folder}; AMBISEG_DATA names the folder with real data")
    return folder / name


@pytest.fixture(scope="session")
def lidc_train() -> Path:
    """Real slices in the public HDF5 layout, group `train`."""
    return _real_data("lidc_train_a.h5")


@pytest.fixture(scope="session")
def lidc_val() -> Path:
    """Real slices in the public HDF5 layout, group `val`, of patients that no bundled model was trained on."""
    return _real_data("lidc_val.h5")

"""Fixtures that every room's tests share."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]


# Toys gain nothing from threads, and on a busy machine threads that wait for each other are a hundred times slower.
os.environ["OMP_NUM_THREADS"] = "1"  # for the processes that tests start
torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Models that engines convert are kept in a folder of the tests, not in the user's."""
    os.environ["AMBISEG_CACHE"] = str(tmp_path_factory.mktemp("cache"))


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


def _write_ct(path: Path, hu: np.ndarray, **fields: Any) -> Path:
    """A CT slice as scanners write it; ``fields`` replace what its header says."""
    import pydicom
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset = Dataset()
    dataset.file_meta = meta
    plain: dict[str, Any] = {
        "SOPClassUID": CTImageStorage,
        "SOPInstanceUID": meta.MediaStorageSOPInstanceUID,
        "Modality": "CT",
        "PatientID": "Anna",
        "SeriesInstanceUID": "1.2.1",
        "InstanceNumber": 1,
        "Rows": hu.shape[0],
        "Columns": hu.shape[1],
        "PixelSpacing": [0.5, 0.5],
        "ImagePositionPatient": [0, 0, -10],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 1,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "RescaleSlope": 1,
        "RescaleIntercept": -1024,
        "PixelData": np.rint(hu + 1024).astype("<i2").tobytes(),
    }
    for name, value in {**plain, **fields}.items():
        if value is not None:
            setattr(dataset, name, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    return path


@pytest.fixture(scope="session")
def write_ct() -> Callable[..., Path]:
    """Writes a CT slice: ``write_ct(path, hu, PatientID=...)``."""
    return _write_ct

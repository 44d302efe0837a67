from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_ambiseg.errors import DataFileError
from napari_ambiseg.io.tiff_spacing import tiff_spacing_mm

PIXELS = np.zeros((4, 5), np.uint8)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, None),
        ({"resolution": (20, 25), "resolutionunit": 3}, (0.4, 0.5)),  # per centimetre, columns first
        ({"resolution": (50.8, 50.8), "resolutionunit": 2}, (0.5, 0.5)),  # per inch
        ({"resolution": (72, 72), "resolutionunit": 2}, None),
        ({"resolution": (300, 300), "resolutionunit": 2}, None),
        ({"resolution": (1, 1), "resolutionunit": 1}, None),
        ({"resolution": (0, 0), "resolutionunit": 3}, None),
        ({"imagej": True, "resolution": (2, 4), "metadata": {"unit": "um"}}, (0.00025, 0.0005)),
        ({"imagej": True, "resolution": (2, 4), "metadata": {"unit": "mm"}}, (0.25, 0.5)),
        ({"imagej": True, "resolution": (2, 4), "metadata": {"unit": "pixel"}}, None),
    ],
)
def test_pixels_are_as_large_as_the_file_says_if_it_knows(
    tmp_path: Path, options: dict[str, Any], expected: tuple[float, float] | None
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", PIXELS, **options)
    found = tiff_spacing_mm(tmp_path / "a.tif")
    assert found == (None if expected is None else pytest.approx(expected))


def test_microscopes_say_it_in_their_own_metadata(tmp_path: Path) -> None:
    metadata = {"PhysicalSizeX": 0.65, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 0.7, "PhysicalSizeYUnit": "µm"}
    tifffile.imwrite(tmp_path / "a.ome.tif", PIXELS, ome=True, metadata=metadata)
    assert tiff_spacing_mm(tmp_path / "a.ome.tif") == pytest.approx((0.0007, 0.00065))


@pytest.mark.parametrize("content", [b"", b"no picture", b"II*\0\x08\0\0\0\xff\xff"])
def test_what_is_no_tiff_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(DataFileError):
        tiff_spacing_mm(tmp_path / "a.tif")

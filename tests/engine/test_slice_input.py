import numpy as np
import pytest

from napari_ambiseg.engine import SliceInput, check_slice
from napari_ambiseg.errors import InputImageError
from napari_ambiseg.models.checkpoint import Grid

GRID = Grid((16, 16), (0.5, 0.5))
GOOD = np.arange(400.0).reshape(20, 20)


def with_value(value: float) -> np.ndarray:
    pixels = GOOD.copy()
    pixels[3, 4] = value
    return pixels


@pytest.mark.parametrize(
    ("pixels", "words"),
    [
        (np.zeros((20, 20, 3)), "looks like RGB; convert it to one grey channel"),
        (np.zeros((20, 20, 4), np.uint8), "looks like RGB"),
        (np.zeros((5, 20, 20)), "3 axes .* choose one slice"),
        (np.zeros(20), "1 axes"),
        (np.zeros((0, 20)), "no pixels"),
        (with_value(np.nan), "1 of the image's 400 pixels are NaN or infinite; replace them"),
        (with_value(-np.inf), "NaN or infinite"),
        (np.full((20, 20), 7), "every pixel of the image is 7; choose"),
        (GOOD > 3, "type bool; give grey values"),
        (GOOD.astype(complex), "type complex128"),
        (GOOD.astype(str), "give grey values"),
        (GOOD[:15], "7.5 x 10 mm .* smaller than the model's field of view of 8 x 8 mm; give a larger crop"),
    ],
)
def test_what_no_model_can_read_is_refused_with_value_and_remedy(pixels: np.ndarray, words: str) -> None:
    with pytest.raises(InputImageError, match=words):
        check_slice(SliceInput(pixels, (0.5, 0.5)), GRID)


@pytest.mark.parametrize("spacing", [(0.0, 0.5), (-1.0, 1.0), (np.nan, 0.5), (np.inf, 0.5), (0.5,), (1.0, 0.5, 0.5)])
def test_impossible_spacings_are_refused(spacing: tuple[float, float]) -> None:
    with pytest.raises(InputImageError, match="two positive numbers"):
        check_slice(SliceInput(GOOD, spacing), GRID)


def test_a_centre_that_is_no_place_is_refused() -> None:
    with pytest.raises(InputImageError, match="give a row and a column"):
        check_slice(SliceInput(GOOD, (0.5, 0.5), centre_px=(np.nan, 3.0)), GRID)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.float16, np.float64, ">i2"])
def test_grey_values_of_every_numeric_type_are_accepted(dtype: str) -> None:
    check_slice(SliceInput((GOOD % 200).astype(dtype), (0.5, 0.5)), GRID)


@pytest.mark.parametrize("extent", [(0.0, 8.0), (-8.0, 8.0), (np.nan, 8.0), (np.inf, 8.0), (8.0,)])
def test_a_field_of_view_without_a_size_is_refused(extent: tuple[float, float]) -> None:
    with pytest.raises(InputImageError, match="give its height and width"):
        check_slice(SliceInput(GOOD, (0.5, 0.5), extent_mm=extent), GRID)

import numpy as np
import pytest

from napari_ambiseg.engine.grey import GreyScale, normalise, recognise
from napari_ambiseg.errors import InputImageError
from napari_ambiseg.readings.intensity import Intensity

SCALE = Intensity()


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("padding", [-1000, -2000, -3024])
def test_ct_values_are_recognised_with_any_padding(dtype: type, padding: int) -> None:
    assert recognise(np.array([[padding, -850], [40, 300]], dtype)) is GreyScale.HU


def test_eight_bit_pictures_and_unit_floats_are_recognised() -> None:
    assert recognise(np.array([[0, 200]], np.uint8)) is GreyScale.UNIT
    assert recognise(np.array([[0.0, 0.8]], np.float32)) is GreyScale.UNIT


@pytest.mark.parametrize("pixels", [[[0, 4095]], [[-150, 250]], [[-300, 100]], [[-1, 1]]])
def test_values_without_the_marks_of_ct_are_a_guess(pixels: list[list[int]]) -> None:
    assert recognise(np.array(pixels, np.int16)) is GreyScale.PERCENTILES


def test_lung_is_zero_tissue_is_one_and_padding_is_as_black_as_anything_gets() -> None:
    hu = np.array([-3024, -2000, -850, 40, 3000], np.int16)
    np.testing.assert_allclose(normalise(hu, GreyScale.AUTO, SCALE), [-0.5, -0.5, 0, 1, 2], atol=1e-6)


def test_a_picture_comes_to_the_same_input_in_eight_bits_and_as_floats() -> None:
    eight_bits = np.arange(256, dtype=np.uint8)
    expected = np.linspace(-0.5, 2.0, 256)
    np.testing.assert_allclose(normalise(eight_bits, GreyScale.AUTO, SCALE), expected, atol=1e-6)
    np.testing.assert_allclose(normalise(eight_bits / 255.0, GreyScale.AUTO, SCALE), expected, atol=1e-6)


def test_an_unknown_scale_runs_from_its_first_to_its_ninety_ninth_percentile() -> None:
    pixels = np.arange(100, 1101, dtype=np.uint16)  # percentiles 1 and 99 are 110 and 1090
    found = normalise(pixels, GreyScale.AUTO, SCALE)
    assert found[10] == pytest.approx(0)
    assert found[990] == pytest.approx(1)
    assert found[500] == pytest.approx(0.5)


def test_a_few_bright_pixels_on_black_do_not_divide_by_zero() -> None:
    pixels = np.zeros(1000, np.uint16)
    pixels[0] = 700
    np.testing.assert_array_equal(normalise(pixels, GreyScale.AUTO, SCALE), (pixels > 0).astype(np.float32))


def test_network_input_passes_unchanged_within_its_range() -> None:
    pixels = np.array([-9.0, -0.5, 0.3, 2.0, 9.0])
    np.testing.assert_allclose(normalise(pixels, GreyScale.NORMALISED, SCALE), [-0.5, -0.5, 0.3, 2, 2])


@pytest.mark.parametrize("pixels", [np.array([0, 256], np.int16), np.array([0.0, 1.5]), np.array([-0.1, 0.5])])
def test_values_that_cannot_be_a_unit_scale_are_refused(pixels: np.ndarray) -> None:
    with pytest.raises(InputImageError, match="choose 'auto' or 'hu'"):
        normalise(pixels, GreyScale.UNIT, SCALE)

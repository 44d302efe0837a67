import numpy as np
import pytest

from napari_ambiseg.errors import InputImageError
from napari_ambiseg.readings.difference import COMMON, ONLY_EXPERT, ONLY_SAMPLE, difference

SAMPLE = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 0, 0]], np.bool_)
EXPERT = np.array([[0, 0, 1, 1, 0], [0, 0, 1, 0, 0]], np.bool_)


def test_a_pair_is_told_pixel_by_pixel_and_in_figures() -> None:
    found = difference(sample=SAMPLE, expert=EXPERT, spacing_mm=(0.5, 2.0))
    s, e, c = ONLY_SAMPLE, ONLY_EXPERT, COMMON
    assert found.labels.tolist() == [[s, s, c, e, 0], [s, s, c, 0, 0]]
    assert (found.dice, found.iou) == (pytest.approx(4 / 9), pytest.approx(2 / 7))
    assert (found.sample_area_mm2, found.expert_area_mm2, found.area_difference_mm2) == (6, 3, 3)


def test_two_empty_masks_agree() -> None:
    nothing = np.zeros((2, 5), np.bool_)
    found = difference(sample=nothing, expert=nothing, spacing_mm=(1, 1))
    assert (found.dice, found.iou, found.area_difference_mm2) == (1, 1, 0)
    assert not found.labels.any()


def test_masks_of_different_slices_are_refused() -> None:
    with pytest.raises(InputImageError, match="bring both to the grid of the same image"):
        difference(sample=SAMPLE, expert=EXPERT[:, :4], spacing_mm=(1, 1))

"""Readings that are too small to be a lesion are empty: by the model's own size, or by the one that is asked for."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_ambiseg.engine import GreyScale, SamplingOptions, SliceInput, join, run, sample
from napari_ambiseg.engine.specks import without_specks
from napari_ambiseg.errors import CheckpointError, SettingsError
from napari_ambiseg.models.checkpoint import Grid, Header, Model

MakeModel = Callable[..., Model]
LESION_PX = 6


def lesion() -> SliceInput:
    """A slice of the model's own grid with six bright pixels."""
    image = np.zeros((16, 16), np.float32)
    image[4:6, 7:10] = 1.0
    return SliceInput(image, (0.5, 0.5), GreyScale.NORMALISED)


def model_with(make_model: MakeModel, thresholder: type, smallest_px: int) -> Model:
    model = make_model(thresholder())
    return replace(model, header=replace(model.header, smallest_px=smallest_px))


@given(
    arrays(np.float32, (3, 4, 4), elements=st.sampled_from([-1.0, -0.25, 0.0, 0.5, 1.0])),
    st.integers(min_value=0, max_value=17),
)
def test_masks_below_the_size_are_emptied_and_others_left_to_the_last_bit(x_hat: np.ndarray, smallest: int) -> None:
    found = without_specks(x_hat, smallest)
    for before, after in zip(x_hat, found, strict=True):
        if sum(value > 0 for value in before.flat) < smallest:
            assert not (after > 0).any()
            np.testing.assert_array_equal(np.abs(after), np.abs(before))
        else:
            np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize(("own", "asked", "kept"), [(0, None, True), (6, None, True), (7, None, False), (7, 0, True),
                                                    (7, 6, True), (0, 7, False)])  # fmt: skip
def test_the_model_says_what_is_too_small_unless_somebody_else_does(
    make_model: MakeModel, thresholder: type, own: int, asked: int | None, kept: bool
) -> None:
    options = SamplingOptions(steps=2, smallest_px=asked)
    sampled = sample(model_with(make_model, thresholder, own), lesion(), seeds=(1, 2), options=options)
    assert sampled.readings.sum(axis=(1, 2)).tolist() == [LESION_PX * kept] * 2
    assert sampled.smallest_px == (own if asked is None else asked)


def test_the_way_there_is_shown_as_it_was_and_ends_with_the_reading(make_model: MakeModel, thresholder: type) -> None:
    model = model_with(make_model, thresholder, LESION_PX + 1)
    told = list(run(model, lesion(), seeds=(1,), options=SamplingOptions(steps=3)))
    assert [int((advance.x_hat > 0).sum()) for advance in told] == [LESION_PX, LESION_PX, 0]
    sampled = sample(model, lesion(), seeds=(1,), options=SamplingOptions(steps=3))
    assert (sampled.x_hat > 0).sum(axis=(1, 2, 3)).tolist() == [LESION_PX, LESION_PX, 0]
    np.testing.assert_array_equal(sampled.x_t[-1], sampled.x_hat[-1])


def test_pixels_are_those_of_the_model_s_grid_whatever_the_slice_s(make_model: MakeModel, thresholder: type) -> None:
    fine = SliceInput(np.kron(lesion().pixels, np.ones((2, 2), np.float32)), (0.25, 0.25), GreyScale.NORMALISED)
    for smallest, kept in ((LESION_PX, True), (LESION_PX + 1, False)):  # 24 pixels of the slice
        model = model_with(make_model, thresholder, smallest)
        assert sample(model, fine, seeds=(1,), options=SamplingOptions(steps=1)).readings.any() == kept


def test_a_negative_size_is_refused_by_value() -> None:
    with pytest.raises(SettingsError, match=r"has -1 pixels; give 0 \(keep all\) or more"):
        SamplingOptions(smallest_px=-1)


@pytest.mark.parametrize("pixels", [-1, 64 * 64 + 1])
def test_a_smallest_lesion_that_no_reading_can_have_is_refused(pixels: int) -> None:
    with pytest.raises(CheckpointError, match=f"smallest lesion has {pixels} pixels, its grid 4096; give 0 to 4096"):
        Header(kind="test", config={}, grid=Grid((64, 64)), smallest_px=pixels)


def test_readings_of_two_runs_are_said_to_be_as_small_as_the_smaller_of_both(
    make_model: MakeModel, thresholder: type
) -> None:
    first, more = (
        sample(model_with(make_model, thresholder, size), lesion(), seeds=(size,), options=SamplingOptions(steps=1))
        for size in (0, 20)
    )
    assert join(first, more).smallest_px == 0
    assert join(more, more).smallest_px == 20


def test_a_model_knows_the_area_of_its_smallest_lesion() -> None:
    header = Header(kind="test", config={}, grid=Grid((64, 64), (0.5, 0.25)), smallest_px=24)
    assert header.smallest_mm2 == 3.0

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_ambiseg.engine.placement import Placement, place
from napari_ambiseg.errors import InputImageError
from napari_ambiseg.models.checkpoint import Grid

GRID = Grid((64, 64), (0.5, 0.5))


def noise(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def grid_disc(placement: Placement, *, radius_mm: float) -> NDArray[np.float32]:
    """A disc in the middle of GRID as x_hat: the distance inside its edge, clipped to [-1, 1]."""
    rows, columns = np.indices(placement.grid_shape)
    distance_mm = np.hypot((rows - 31.5) * 0.5, (columns - 31.5) * 0.5)
    return np.clip(radius_mm - distance_mm, -1, 1).astype(np.float32)


def test_a_slice_of_the_grids_spacing_is_cropped_exactly() -> None:
    image = noise(128, 128)
    np.testing.assert_array_equal(
        place(GRID, slice_shape=(128, 128), spacing_mm=(0.5, 0.5)).to_grid(image), image[32:96, 32:96]
    )


def test_a_whole_centre_pixel_c_gives_the_crop_around_it() -> None:
    image = noise(128, 128)
    placement = place(GRID, slice_shape=(128, 128), spacing_mm=(0.5, 0.5), centre_px=(40.0, 90.0))
    np.testing.assert_array_equal(placement.to_grid(image), image[8:72, 58:122])


def test_a_slice_with_an_odd_number_of_rows_is_still_cropped_exactly() -> None:
    image = noise(129, 128)
    placement = place(GRID, slice_shape=(129, 128), spacing_mm=(0.5, 0.5))
    np.testing.assert_array_equal(placement.to_grid(image), image[32:96, 32:96])


def test_spacings_that_differ_by_rounding_count_as_equal() -> None:
    image = noise(128, 128)
    placement = place(GRID, slice_shape=(128, 128), spacing_mm=(0.4999999, 0.50001))
    np.testing.assert_array_equal(placement.to_grid(image), image[32:96, 32:96])


@pytest.mark.parametrize(
    ("centre", "crop"),
    [
        ((0, 0), np.s_[:64, :64]),
        ((127, 127), np.s_[64:, 64:]),
        ((-500, 64), np.s_[:64, 32:96]),
        ((20, 1e6), np.s_[:64, 64:]),
    ],
)
def test_a_field_of_view_that_pokes_out_is_shifted_inside(
    centre: tuple[float, float], crop: tuple[slice, slice]
) -> None:
    image = noise(128, 128)
    placement = place(GRID, slice_shape=(128, 128), spacing_mm=(0.5, 0.5), centre_px=centre)
    np.testing.assert_array_equal(placement.to_grid(image), image[crop])


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(20, 200), st.integers(20, 200)),
    spacing=st.tuples(st.floats(0.2, 1.6), st.floats(0.2, 1.6)),
    centre=st.tuples(st.floats(-50, 250), st.floats(-50, 250)),
)
def test_the_field_of_view_always_lies_inside_or_is_refused(
    shape: tuple[int, int], spacing: tuple[float, float], centre: tuple[float, float]
) -> None:
    fits = all(n * s >= 32 for n, s in zip(shape, spacing, strict=True))
    try:
        placement = place(GRID, slice_shape=shape, spacing_mm=spacing, centre_px=centre)
    except InputImageError:
        assert not fits
        return
    for (first, last), pixels, size_mm in zip(placement.bounds_px, shape, spacing, strict=True):
        assert first >= -0.5 - 2e-3
        assert last <= pixels - 0.5 + 2e-3
        assert (last - first) * size_mm == pytest.approx(32, rel=1e-3)


def test_a_slice_smaller_than_the_field_of_view_is_refused_with_both_sizes() -> None:
    with pytest.raises(InputImageError, match=r"28 x 70 mm .* 32 x 32 mm; give a larger crop"):
        place(GRID, slice_shape=(40, 100), spacing_mm=(0.7, 0.7))


def test_a_slice_exactly_as_large_as_the_field_of_view_fits() -> None:
    placement = place(GRID, slice_shape=(320, 32), spacing_mm=(0.1, 1.0))
    assert placement.bounds_px == (pytest.approx((-0.5, 319.5)), pytest.approx((-0.5, 31.5)))


@pytest.mark.parametrize("spacing", [(0.7, 0.7), (0.9, 0.5), (0.55, 1.3)])
def test_a_ramp_keeps_its_value_at_every_millimetre_when_upsampled(spacing: tuple[float, float]) -> None:
    rows, columns = np.indices((100, 100))
    ramp = (3 * rows * spacing[0] - 2 * columns * spacing[1]).astype(np.float32)
    placement = place(GRID, slice_shape=(100, 100), spacing_mm=spacing, centre_px=(51.3, 47.9))
    grid_rows, grid_columns = np.indices((64, 64))
    row_mm = (placement.origin_px[0] + grid_rows * placement.step_px[0]) * spacing[0]
    column_mm = (placement.origin_px[1] + grid_columns * placement.step_px[1]) * spacing[1]
    np.testing.assert_allclose(placement.to_grid(ramp), 3 * row_mm - 2 * column_mm, atol=1e-3)


def test_detail_finer_than_the_grid_is_averaged_instead_of_aliased() -> None:
    checkerboard = (np.indices((512, 512)).sum(axis=0) % 2).astype(np.float32)
    placement = place(GRID, slice_shape=(512, 512), spacing_mm=(0.125, 0.125))
    np.testing.assert_allclose(placement.to_grid(checkerboard), 0.5, atol=1e-6)


@pytest.mark.parametrize("spacing", [(0.5, 0.5), (0.7, 0.7), (0.3, 0.9), (0.2, 0.2), (1.0, 0.6)])
@pytest.mark.parametrize("radius_mm", [6.0, 11.0])
def test_a_disc_keeps_its_area_in_mm2_whatever_the_spacing(spacing: tuple[float, float], radius_mm: float) -> None:
    shape = (int(60 / spacing[0]), int(70 / spacing[1]))
    placement = place(GRID, slice_shape=shape, spacing_mm=spacing)
    reading = placement.readings(grid_disc(placement, radius_mm=radius_mm))
    assert reading.sum() * spacing[0] * spacing[1] == pytest.approx(np.pi * radius_mm**2, rel=0.02)


@pytest.mark.parametrize("spacing", [(0.5, 0.5), (0.7, 0.7), (0.3, 0.9)])
def test_a_disc_lands_where_the_field_of_view_was_centred(spacing: tuple[float, float]) -> None:
    shape, centre = (int(90 / spacing[0]), int(80 / spacing[1])), (50 / spacing[0], 35 / spacing[1])
    placement = place(GRID, slice_shape=shape, spacing_mm=spacing, centre_px=centre)
    found = np.argwhere(placement.readings(grid_disc(placement, radius_mm=8.0))).mean(axis=0)
    np.testing.assert_allclose(found, centre, atol=0.51)  # half a pixel where the grid is moved onto the slice's


@pytest.mark.parametrize("spacing", [(0.7, 0.7), (0.3, 0.9), (0.25, 0.25)])
def test_a_shape_on_the_slice_survives_the_way_to_the_grid_and_back(spacing: tuple[float, float]) -> None:
    shape, centre = (int(60 / spacing[0]), int(60 / spacing[1])), (33 / spacing[0], 26 / spacing[1])
    rows, columns = np.indices(shape)
    disc = np.hypot((rows - centre[0]) * spacing[0], (columns - centre[1]) * spacing[1]) < 7
    placement = place(GRID, slice_shape=shape, spacing_mm=spacing)
    back = placement.readings(2 * placement.to_grid(disc.astype(np.float32)) - 1)
    assert 2 * (back & disc).sum() / (back.sum() + disc.sum()) > 0.97


def test_moving_slice_and_centre_together_changes_nothing_on_the_grid() -> None:
    image = noise(90, 90)
    first = place(GRID, slice_shape=(90, 90), spacing_mm=(0.7, 0.6), centre_px=(44.2, 41.0))
    moved = np.zeros((120, 130), np.float32)
    moved[17:107, 25:115] = image
    second = place(GRID, slice_shape=(120, 130), spacing_mm=(0.7, 0.6), centre_px=(61.2, 66.0))
    np.testing.assert_allclose(second.to_grid(moved), first.to_grid(image), atol=1e-5)


def test_outside_the_field_of_view_everything_is_empty() -> None:
    placement = place(GRID, slice_shape=(80, 150), spacing_mm=(0.7, 0.3), centre_px=(30.4, 100.2))
    full = placement.readings(np.ones((2, 64, 64), np.float32))
    (top, bottom), (left, right) = placement.bounds_px
    expected = [[top <= r <= bottom and left <= c <= right for c in range(150)] for r in range(80)]
    assert full.shape == (2, 80, 150)
    np.testing.assert_array_equal(full[0], expected)


def test_values_come_back_to_the_pixels_that_they_were_cropped_from() -> None:
    placement = place(GRID, slice_shape=(128, 100), spacing_mm=(0.5, 0.5), centre_px=(50, 40))
    values = noise(3, 2, 64, 64)
    on_slice = placement.to_slice(values, fill=-7.0)
    np.testing.assert_array_equal(on_slice[..., 18:82, 8:72], values)
    assert (on_slice == -7.0).sum() == 6 * (128 * 100 - 64 * 64)


@pytest.mark.parametrize(("extent_mm", "px"), [((64.0, 64.0), 128), ((16.0, 16.0), 32)])
def test_a_grid_stretched_over_another_extent_sees_what_a_model_of_that_spacing_would(
    extent_mm: tuple[float, float], px: int
) -> None:
    image = noise(200, 200)
    stretched = place(GRID, slice_shape=(200, 200), spacing_mm=(0.5, 0.5), centre_px=(90.0, 110.0), extent_mm=extent_mm)
    other = Grid((64, 64), (extent_mm[0] / 64, extent_mm[1] / 64))
    same = place(other, slice_shape=(200, 200), spacing_mm=(0.5, 0.5), centre_px=(90.0, 110.0))
    assert stretched == same
    assert [last - first for first, last in stretched.bounds_px] == [px, px]
    np.testing.assert_array_equal(stretched.to_grid(image), same.to_grid(image))


def test_a_field_of_view_of_another_size_keeps_the_readings_size_in_millimetres() -> None:
    placement = place(GRID, slice_shape=(200, 200), spacing_mm=(0.5, 0.5), extent_mm=(48.0, 48.0))
    half = np.full((64, 64), -1.0, np.float32)
    half[:, :32] = 1.0
    assert placement.readings(half).sum() * 0.25 == pytest.approx(48 * 24, rel=0.02)


def test_a_field_of_view_that_was_chosen_too_large_is_refused_as_such() -> None:
    with pytest.raises(InputImageError, match=r"50 x 50 mm .* the chosen field of view of 60 x 60 mm"):
        place(GRID, slice_shape=(100, 100), spacing_mm=(0.5, 0.5), extent_mm=(60.0, 60.0))

"""Thumbnails show the lesion, and show it as the image does."""

from collections.abc import Callable

import numpy as np
import pytest
from napari.layers import Image
from qtpy.QtCore import QRectF
from qtpy.QtGui import QColor, QImage, QPainter

from napari_ambiseg.viewer.gallery.crop import Crop, crop_of, lesion_window, to_world
from napari_ambiseg.viewer.gallery.thumbnails import Stroke, Thumbnails
from napari_ambiseg.viewer.image.plane import plane_of
from napari_ambiseg.viewer.session.result import Result, window_of

SIDE = 80
NOTHING = slice(3, 9), slice(4, 7)


def marked(rows: slice, columns: slice, shape: tuple[int, int] = (200, 300)) -> np.ndarray:
    mask = np.zeros((1, *shape), np.bool_)
    mask[0, rows, columns] = True
    return mask


def no_masks(shape: tuple[int, int] = (200, 300)) -> np.ndarray:
    return np.zeros((0, *shape), np.bool_)


def painted(crop: Crop, strokes: list[Stroke], qapp: object) -> np.ndarray:
    image = QImage(SIDE, SIDE, QImage.Format.Format_RGB32)
    image.fill(QColor("#00FF00"))
    painter = QPainter(image)
    Thumbnails(crop).paint(painter, QRectF(0, 0, SIDE, SIDE), strokes)
    painter.end()
    pixels = np.frombuffer(image.constBits(), np.uint8).reshape(SIDE, SIDE, 4)
    return pixels[:, :, 2::-1].astype(int)


@pytest.mark.parametrize("spacing", [(0.5, 0.5), (1.0, 0.5)])
def test_the_window_holds_all_that_is_marked_and_is_square_in_millimetres(spacing: tuple[float, float]) -> None:
    readings, experts = marked(slice(50, 90), slice(100, 130)), marked(slice(60, 70), slice(150, 180))
    rows, columns = lesion_window(readings, experts, spacing_mm=spacing, nothing=NOTHING)
    assert rows.start < 50
    assert rows.stop > 90
    assert columns.start < 100
    assert columns.stop > 180
    height, width = ((side.stop - side.start) * step for side, step in zip((rows, columns), spacing, strict=True))
    assert height == pytest.approx(width, abs=max(spacing))


def test_at_the_edge_the_window_moves_inside_the_slice() -> None:
    rows, columns = lesion_window(
        marked(slice(0, 20), slice(290, 300)), no_masks(), spacing_mm=(1.0, 1.0), nothing=NOTHING
    )
    assert (rows.start, columns.stop) == (0, 300)
    assert rows.stop - rows.start == columns.stop - columns.start == 27


def test_where_nothing_is_marked_the_field_of_view_is_shown() -> None:
    nothing = np.zeros((2, 20, 20), np.bool_)
    assert lesion_window(nothing, no_masks((20, 20)), spacing_mm=(1, 1), nothing=NOTHING) == NOTHING


def test_outlines_lie_where_the_masks_are(make_result: Callable[..., Result]) -> None:
    result = make_result()
    crop = crop_of(result)
    rows, columns = lesion_window(
        result.sampled.readings,
        result.request.experts.masks,
        spacing_mm=(0.5, 0.5),
        nothing=window_of(result.sampled.placement),
    )
    assert crop.grey.shape == (rows.stop - rows.start, columns.stop - columns.start)
    assert len(crop.readings) == 16
    assert len(crop.experts) == 3
    masks = (*result.sampled.readings, *result.request.experts.masks)
    for lines, mask in zip((*crop.readings, *crop.experts), masks, strict=True):
        marks = np.argwhere(mask) - [rows.start, columns.start]
        if len(marks) == 0:
            assert len(lines) == 0
            continue
        # The outline runs half a pixel outside the centres of the outermost pixels: along their outer edges.
        np.testing.assert_allclose(lines.reshape(-1, 2).min(axis=0), marks.min(axis=0))
        np.testing.assert_allclose(lines.reshape(-1, 2).max(axis=0), marks.max(axis=0) + 1)


@pytest.mark.parametrize(
    ("scale", "rotate", "expected"),
    [
        ((0.5, 0.8), 0.0, [[0.5, 0], [0, 0.8]]),
        ((-0.5, 0.8), 0.0, [[-0.5, 0], [0, 0.8]]),
        ((0.5, 0.8), 90.0, [[0, -0.8], [0.5, 0]]),
    ],
)
def test_the_window_is_turned_as_the_layer_is(scale: tuple[float, float], rotate: float, expected: list) -> None:
    layer = Image(np.random.default_rng(0).random((30, 40)), scale=scale, rotate=rotate)
    plane = plane_of(layer, point=(0.0, 0.0), displayed=(0, 1))
    steps = [np.subtract(layer.data_to_world(end), layer.data_to_world((0, 0))) for end in ((1, 0), (0, 1))]
    np.testing.assert_allclose(to_world(plane), np.column_stack(steps), atol=1e-12)
    np.testing.assert_allclose(to_world(plane), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("turned", "bright"),
    [
        ([[1, 0], [0, 1]], (0, 0)),
        ([[-1, 0], [0, 1]], (1, 0)),
        ([[1, 0], [0, -1]], (0, 1)),
        ([[0, 1], [-1, 0]], (0, 1)),  # down in the slice leads to the left of the screen, right leads down
    ],
)
def test_mirrored_and_rotated_slices_are_painted_as_the_image_shows_them(
    qapp: object, turned: list[list[int]], bright: tuple[int, int]
) -> None:
    grey = np.zeros((20, 20), np.uint8)
    grey[:10, :10] = 200  # the corner of the first row and the first column
    line = np.array([[[2, 2], [2, 8]], [[2, 8], [8, 8]]], np.float32)
    pixels = painted(Crop(grey, np.array(turned, float), (), (line,)), [Stroke(line, "#FF0000")], qapp)
    half = SIDE // 2
    quarters = {(i, j): pixels[i * half : (i + 1) * half, j * half : (j + 1) * half] for i in (0, 1) for j in (0, 1)}
    for place, quarter in quarters.items():
        red = (quarter[..., 0] > 150) & (quarter[..., 1] < 100)
        assert red.any() == (place == bright)
        assert (np.median(quarter[..., 1]) > 150) == (place == bright)


def test_what_marks_nothing_is_said_to_mark_nothing(qapp: object) -> None:
    crop = Crop(np.full((20, 20), 120, np.uint8), np.eye(2), (), ())
    plain = painted(crop, [Stroke(np.array([[[30, 30], [30, 31]]], np.float32), "#FF0000")], qapp)
    veiled = painted(crop, [Stroke(np.zeros((0, 2, 2), np.float32), "#FF0000")], qapp)
    assert np.median(plain) == 120
    assert np.median(veiled) < 100
    assert veiled.max() > 200  # letters

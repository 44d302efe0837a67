"""Results lie where the image lies, whatever its transform."""

import numpy as np
import pytest
from napari.layers import Image, Labels, Vectors

from napari_ambiseg.errors import InputImageError
from napari_ambiseg.viewer.image.experts import detected, expert_masks
from napari_ambiseg.viewer.image.origin import Origin, with_origin
from napari_ambiseg.viewer.image.plane import pixels_of, plane_of

COS, SIN = 1.2 * np.cos(0.3), 1.2 * np.sin(0.3)
AFFINE = np.array([[1.2, 0, 0, 2], [0, COS, -SIN, -3], [0, SIN, COS, 4], [0, 0, 0, 1.0]])


@pytest.fixture
def volume() -> Image:
    """Five slices of 40 x 60, turned, slanted, shifted, enlarged."""
    data = np.arange(5 * 40 * 60, dtype=np.float32).reshape(5, 40, 60)
    return Image(
        data,
        scale=(3, 0.5, 0.7),
        translate=(10, -20, 5),
        rotate=(10, 5, 20),
        shear=(0.1, 0, 0),
        affine=AFFINE,
        units="mm",
    )


def test_the_slice_that_is_shown_is_read(volume: Image) -> None:
    point = volume.data_to_world((3.2, 20, 30))
    plane = plane_of(volume, point=point, displayed=(1, 2))
    assert plane.index == (3,)
    np.testing.assert_array_equal(pixels_of(volume, plane), volume.data[3])


def test_a_point_outside_the_image_means_its_nearest_slice(volume: Image) -> None:
    assert plane_of(volume, point=volume.data_to_world((99, 0, 0)), displayed=(1, 2)).index == (4,)


def test_images_on_a_grid_of_their_own_lie_on_the_slice(volume: Image) -> None:
    plane = plane_of(volume, point=volume.data_to_world((2, 0, 0)), displayed=(1, 2))
    origin, step = (4.25, 11.5), (1.5, 0.75)
    laid = Image(plane.stack(np.zeros((8, 9))), **plane.transform(origin_px=origin, step_px=step))
    for row, column in ((0, 0), (7, 8), (3, 5)):
        expected = volume.data_to_world((2, origin[0] + row * step[0], origin[1] + column * step[1]))
        np.testing.assert_allclose(laid.data_to_world((0, row, column)), expected, atol=1e-9)


def test_vectors_lie_on_the_slice(volume: Image) -> None:
    plane = plane_of(volume, point=volume.data_to_world((2, 0, 0)), displayed=(1, 2))
    lifted = plane.lift(np.array([[[5.0, 6.0], [1.0, -1.0]]]))
    laid = Vectors(lifted, **plane.transform())
    np.testing.assert_array_equal(lifted, [[[2, 5, 6], [0, 1, -1]]])
    np.testing.assert_allclose(laid.data_to_world(lifted[0, 0]), volume.data_to_world((2, 5, 6)))


@pytest.mark.parametrize(("unit", "spacing"), [("mm", (0.5, 0.25)), ("um", (0.0005, 0.00025)), ("cm", (5.0, 2.5))])
def test_spacing_is_in_millimetres_whatever_the_unit(unit: str, spacing: tuple[float, float]) -> None:
    layer = Image(np.eye(8), scale=(0.5, 0.25), units=(unit, unit))
    plane = plane_of(layer, point=(0, 0), displayed=(0, 1))
    assert plane.spacing_mm == pytest.approx(spacing)
    assert plane.in_mm


TURN = [[0.6, -0.8, 5], [0.8, 0.6, 0], [0, 0, 1.0]]


@pytest.mark.parametrize(
    ("options", "spacing"),
    [
        ({"affine": np.diag([0.7, 0.7, 1])}, (0.7, 0.7)),
        ({"scale": (0.5, 2), "affine": np.diag([0.7, 0.1, 1])}, (0.35, 0.2)),
        ({"scale": (0.5, 2), "rotate": 30}, (0.5, 2)),
        ({"scale": (0.5, 2), "affine": TURN, "units": "cm"}, (5, 20)),
        ({"scale": (-0.5, 2)}, (0.5, 2)),
    ],
)
def test_the_whole_transform_tells_the_size_of_a_pixel(options: dict, spacing: tuple[float, float]) -> None:
    plane = plane_of(Image(np.eye(8), **options), point=(0, 0), displayed=(0, 1))
    assert plane.spacing_mm == pytest.approx(spacing)


def test_a_scale_in_pixels_is_taken_as_millimetres_and_known_to_be() -> None:
    plane = plane_of(Image(np.eye(8), scale=(2, 3)), point=(0, 0), displayed=(0, 1))
    assert plane.spacing_mm == (2, 3)
    assert not plane.in_mm


@pytest.mark.parametrize(
    ("layer", "displayed", "words"),
    [
        (Image(np.zeros((8, 8, 3), np.uint8), rgb=True), (0, 1), "RGB"),
        (Image(np.zeros((0, 8)), contrast_limits=(0, 1), visible=False), (0, 1), "no pixels"),
        (Image(np.zeros((4, 8, 8))), (0, 2), "axes"),
        (Image(np.zeros((4, 8, 8))), (0, 1, 2), "switch to 2D"),
        (Image(np.eye(8), shear=(0.1,)), (0, 1), "sheared"),
        (Image(np.eye(8), scale=(1, 2), affine=[[0.8, -0.6, 0], [0.6, 0.9, 0], [0, 0, 1]]), (0, 1), "sheared"),
    ],
)
def test_images_without_such_a_slice_are_refused(layer: Image, displayed: tuple[int, int], words: str) -> None:
    with pytest.raises(InputImageError, match=words):
        plane_of(layer, point=(0.0,) * layer.ndim, displayed=displayed)


def masks_of(shape: tuple[int, ...], name: str = "e") -> Labels:
    return Labels(np.random.default_rng(1).integers(0, 3, shape), name=name)


def test_experts_are_one_layer_each_or_a_stack() -> None:
    image, single, stack = Image(np.eye(8)), masks_of((8, 8), "Anna"), masks_of((3, 8, 8), "all")
    experts = expert_masks([single, stack], image, ())
    assert experts.names == ("Anna", "all 1", "all 2", "all 3")
    np.testing.assert_array_equal(experts.masks, np.concatenate([single.data[None], stack.data]) > 0)


def test_experts_on_a_volume_are_taken_at_the_slice_that_is_read() -> None:
    image = Image(np.zeros((5, 8, 9)))
    volume, stack, flat = masks_of((5, 8, 9)), masks_of((2, 5, 8, 9)), masks_of((8, 9))
    experts = expert_masks([volume, stack, flat], image, (3,))
    np.testing.assert_array_equal(
        experts.masks, np.concatenate([volume.data[3:4], stack.data[:, 3], flat.data[None]]) > 0
    )


@pytest.mark.parametrize("shape", [(8, 9), (3, 9, 8), (2, 3, 8, 8)])
def test_experts_of_another_shape_are_refused_by_name(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputImageError, match=r"'e'.*choose layers"):
        expert_masks([masks_of(shape)], Image(np.eye(8)), ())


def test_no_experts_are_no_masks() -> None:
    assert expert_masks([], Image(np.zeros((8, 9))), ()).masks.shape == (0, 8, 9)


def test_experts_opened_with_an_image_are_found() -> None:
    ours, other = (with_origin(Origin(path=None, split="s", index=0, count=1, name="n")) for _ in range(2))
    image = Image(np.eye(8), metadata=ours)
    layers = [Labels(np.eye(8, dtype=int), metadata=m) for m in (ours, other, {})]
    assert detected(layers, image) == layers[:1]

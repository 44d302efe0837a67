"""Which slices of a volume are read together."""

import numpy as np
import pytest
from napari.layers import Image, Labels

from napari_ambiseg.viewer.image import volume_slices
from napari_ambiseg.viewer.image.plane import Plane, plane_of

EVERYWHERE = (slice(0, 64), slice(0, 64))


def volume(*leading: int, scale: tuple[float, ...]) -> Image:
    return Image(np.random.default_rng(0).random((*leading, 64, 64), dtype=np.float32), scale=scale)


def shown(image: Image, *index: float) -> Plane:
    point = image.data_to_world((*index, 0, 0))
    return plane_of(image, point=point, displayed=(image.ndim - 2, image.ndim - 1))


def numbers(planes: tuple[Plane, ...]) -> list[int]:
    return [plane.index[-1] for plane in planes]


@pytest.fixture
def image() -> Image:
    return volume(9, scale=(2.5, 0.5, 0.5))


def drawn_on(*slices: int, at: tuple[int, int] = (30, 30), shape: tuple[int, ...] = (9, 64, 64)) -> Labels:
    data = np.zeros(shape, np.uint8)
    for number in slices:
        data[..., number, at[0], at[1]] = 1
    return Labels(data)


def test_slices_near_are_counted_in_millimetres_the_nearest_first(image: Image) -> None:
    plane = shown(image, 4)
    assert numbers(volume_slices.near(image, plane, 0.0)) == [4]
    assert numbers(volume_slices.near(image, plane, 2.4)) == [4]
    assert numbers(volume_slices.near(image, plane, 2.5)) == [4, 3, 5]
    assert numbers(volume_slices.near(image, plane, 6.0)) == [4, 3, 5, 2, 6]
    assert numbers(volume_slices.near(image, shown(image, 0), 5.0)) == [0, 1, 2]


def test_the_distance_of_slices_is_that_in_the_world(image: Image) -> None:
    image.units = ("cm", "mm", "mm")
    assert numbers(volume_slices.near(image, shown(image, 4), 20.0)) == [4]
    image.affine = np.diag([0.1, 1.0, 1.0, 1.0])
    assert numbers(volume_slices.near(image, shown(image, 4), 2.5)) == [4, 3, 5]


def test_slices_that_some_expert_marked_are_found_inside_the_window_alone(image: Image) -> None:
    experts = [drawn_on(3, 4), drawn_on(5), drawn_on(7, at=(5, 5)), Labels(np.ones((64, 64), np.uint8))]
    assert numbers(volume_slices.marked(image, shown(image, 4), experts, EVERYWHERE)) == [4, 3, 5, 7]
    assert numbers(volume_slices.marked(image, shown(image, 4), experts, (slice(20, 40), slice(20, 40)))) == [4, 3, 5]
    assert volume_slices.marked(image, shown(image, 4), [], EVERYWHERE) == ()


def test_a_stack_of_experts_is_looked_through(image: Image) -> None:
    stack = np.zeros((2, 9, 64, 64), np.uint8)
    stack[0, 1, 30, 30] = stack[1, 6, 30, 30] = 1
    assert numbers(volume_slices.marked(image, shown(image, 6), [Labels(stack)], EVERYWHERE)) == [6, 1]


def test_of_four_axes_those_before_the_slices_stay() -> None:
    image = volume(2, 5, scale=(1, 3, 0.5, 0.5))
    labels = np.zeros((2, 5, 64, 64), np.uint8)
    labels[1, 2, 30, 30] = labels[0, 4, 30, 30] = 1
    planes = volume_slices.marked(image, shown(image, 1, 0), [Labels(labels)], EVERYWHERE)
    assert [plane.index for plane in planes] == [(1, 2)]
    assert [plane.index for plane in volume_slices.near(image, shown(image, 1, 0), 3.0)] == [(1, 0), (1, 1)]


def test_only_volumes_have_other_slices(image: Image) -> None:
    assert volume_slices.is_volume(image)
    assert not volume_slices.is_volume(volume(scale=(0.5, 0.5)))
    assert not volume_slices.is_volume(volume(1, scale=(1, 0.5, 0.5)))

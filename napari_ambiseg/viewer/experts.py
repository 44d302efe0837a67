"""The experts' masks among a viewer's layers: which Labels layers are experts, and what they say of one slice.

A Labels layer is taken in one of these shapes, with the image of shape (..., H, W):

- the image's own shape, or (H, W): one expert;
- (R, H, W) on a 2D image, or (R, ..., H, W): a stack of R experts.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from napari.layers import Image, Labels
from numpy.typing import NDArray

from napari_ambiseg.errors import InputImageError
from napari_ambiseg.viewer.origin import belongs_to, origin_of
from napari_ambiseg.viewer.plane import finest, layer_shape


@dataclass(frozen=True, slots=True)
class Experts:
    """What the experts drew on one slice.

    Attributes:
        masks: (R, H, W), bool; R may be 0.
        names: One per mask.
    """

    masks: NDArray[np.bool_]
    names: tuple[str, ...]


def is_readable(layer: Labels, image: Image) -> bool:
    """Whether the layer has one of the shapes above."""
    return _readers_axis(layer_shape(layer), layer_shape(image)) is not None


def detected(layers: Iterable[Labels], image: Image) -> list[Labels]:
    """The layers that were opened together with the image, by the readers of this package."""
    return [layer for layer in layers if belongs_to(layer, image) and is_readable(layer, image)]


def expert_masks(layers: Sequence[Labels], image: Image, index: tuple[int, ...]) -> Experts:
    """What ``layers`` say of the slice ``index`` of the image.

    Raises:
        InputImageError: If a layer is of another shape.
    """
    shape = layer_shape(image)
    masks: list[NDArray[np.bool_]] = [np.zeros((0, *shape[-2:]), dtype=np.bool_)]
    names: list[str] = []
    for layer in layers:
        readers_first = _readers_axis(layer_shape(layer), shape)
        if _is_unread(layer):
            continue
        if readers_first is None:
            raise InputImageError(
                f"the experts' layer {layer.name!r} has shape {layer_shape(layer)}, the image {image.name!r} {shape}; "
                "choose layers of the image's own height and width, one for each expert or one stack of experts"
            )
        found = _slice(layer, index, readers_first=readers_first)
        masks.append(found)
        names += [layer.name] if not readers_first else [f"{layer.name} {i + 1}" for i in range(len(found))]
    return Experts(masks=np.concatenate(masks), names=tuple(names))


def _is_unread(layer: Labels) -> bool:
    """Whether the layer belongs to an expert who has not read what is shown; who paints in it has."""
    origin = origin_of(layer)
    return origin is not None and not origin.has_read and not np.any(finest(layer))


def _slice(layer: Labels, index: tuple[int, ...], *, readers_first: bool) -> NDArray[np.bool_]:
    data = finest(layer)
    own_axes = data.ndim - 2 - readers_first  # of the leading axes, (H, W) on a 3D image has none
    chosen = data[(slice(None), *index[:own_axes])] if readers_first else data[index[:own_axes]][None]
    return np.asarray(chosen) != 0


def _readers_axis(labels: tuple[int, ...], image: tuple[int, ...]) -> bool | None:
    """Whether the first axis is the experts'; None if the shapes do not fit."""
    if labels in (image, image[-2:]):
        return False
    return True if labels[1:] == image else None

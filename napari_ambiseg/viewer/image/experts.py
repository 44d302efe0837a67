"""The experts' masks among a viewer's layers: which Labels layers are experts, and what they say of one slice.

A Labels layer is taken in one of these shapes, with the image of shape (..., H, W):

- the image's own shape, or (H, W): one expert;
- (R, H, W) on a 2D image, or (R, ..., H, W): a stack of R experts.

Whatever is not 0 is inside, unless the user has said that each label of a layer is an expert of his or her own. That is
never guessed: a second label is more often a slip of the brush, or another lesion, than another reader.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Image, Labels
from numpy.typing import NDArray

from napari_ambiseg.errors import InputImageError
from napari_ambiseg.viewer.image.origin import belongs_to, origin_of, reader_of
from napari_ambiseg.viewer.image.plane import finest, layer_shape

MOST_LABELS = 20
"""More labels than that are not experts, but numbers of cells or lesions."""

_BY_LABEL = "napari-ambiseg-expert-per-label"


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
    """The layers that were opened together with the image, by the readers of this package.

    A copy of an expert's layer is no further expert: of several with the same mask, the first counts.
    """
    found: dict[int | None, Labels] = {}
    for layer in layers:
        if belongs_to(layer, image) and is_readable(layer, image):
            found.setdefault(reader_of(layer), layer)
    return list(found.values())


def has_labels(layer: Labels) -> bool:
    """Whether a layer has several labels, so that each may be an expert."""
    data = np.asarray(finest(layer))
    return data.size > 0 and bool(((data > 0) & (data < data.max())).any())


def is_by_label(layer: Labels) -> bool:
    """Whether the user has said that each label of the layer is an expert."""
    return _BY_LABEL in layer.metadata


def set_by_label(layer: Labels, on: bool) -> None:
    """Take each label of the layer as an expert, or all of them as one.

    Raises:
        InputImageError: If there are more labels than experts can be.
    """
    if not on:
        layer.metadata.pop(_BY_LABEL, None)
        return
    labels = _labels_in(finest(layer))
    if len(labels) > MOST_LABELS:
        raise InputImageError(
            f"the layer {layer.name!r} has {len(labels)} labels; at most {MOST_LABELS} can be taken as experts"
        )
    layer.metadata[_BY_LABEL] = labels


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
        named = [layer.name] if not readers_first else [f"{layer.name} {i + 1}" for i in range(len(found))]
        if is_by_label(layer):
            found, named = _by_label(layer, found, named)
        masks.append(found != 0)
        names += named
    return Experts(masks=np.concatenate(masks), names=tuple(names))


def is_marked(layers: Sequence[Labels], image: Image, index: tuple[int, ...]) -> bool:
    """Whether some expert drew something on the slice ``index``; layers of other shapes say nothing.

    It makes no masks, so that hundreds of slices can be asked for in a moment.
    """
    for layer in layers:
        readers_first = _readers_axis(layer_shape(layer), layer_shape(image))
        if readers_first is not None and _slice(layer, index, readers_first=readers_first).any():
            return True
    return False


def marked_slices(
    layers: Sequence[Labels], image: Image, index: tuple[int, ...], window: tuple[slice, slice]
) -> NDArray[np.bool_]:
    """On which slices of a volume some expert drew something.

    Args:
        layers: Those of the experts; one that lies on all slices alike marks none.
        image: The volume (..., slices, H, W).
        index: A slice of it; those along the last axis before rows and columns are looked at.
        window: Rows and columns that count.

    Returns:
        (slices,).
    """
    shape = layer_shape(image)
    marked = np.zeros(shape[-3], np.bool_)
    for layer in layers:
        readers_first = _readers_axis(layer_shape(layer), shape)
        if readers_first is None or layer_shape(layer)[-3:] != shape[-3:]:
            continue
        of_all = (slice(None),) if readers_first else ()
        drawn = np.asarray(finest(layer)[(*of_all, *index[:-1], slice(None), *window)]) != 0
        marked |= drawn.any(axis=(-2, -1)).reshape(-1, shape[-3]).any(axis=0)
    return marked


def _is_unread(layer: Labels) -> bool:
    """Whether the layer belongs to an expert who has not read what is shown; who paints in it has."""
    origin = origin_of(layer)
    return origin is not None and not origin.has_read and not np.any(finest(layer))


def _by_label(layer: Labels, drawn: NDArray[np.integer], named: Sequence[str]) -> tuple[NDArray[np.bool_], list[str]]:
    """A mask for each label, also for those that are not on this slice: their experts drew nothing on it."""
    labels = sorted({*layer.metadata[_BY_LABEL], *_labels_in(drawn)})
    masks = [one == label for one in drawn for label in labels]
    names = [f"{name}, label {label}" for name in named for label in labels]
    return np.stack(masks) if masks else np.zeros((0, *drawn.shape[-2:]), np.bool_), names


def _labels_in(data: Any) -> tuple[int, ...]:
    return tuple(int(label) for label in np.unique(np.asarray(data)) if label > 0)


def _slice(layer: Labels, index: tuple[int, ...], *, readers_first: bool) -> NDArray[np.integer]:
    """Labels (R, H, W) of one slice."""
    data = finest(layer)
    own_axes = data.ndim - 2 - readers_first  # of the leading axes, (H, W) on a 3D image has none
    chosen = data[(slice(None), *index[:own_axes])] if readers_first else data[index[:own_axes]][None]
    return np.asarray(chosen)


def _readers_axis(labels: tuple[int, ...], image: tuple[int, ...]) -> bool | None:
    """Whether the first axis is the experts'; None if the shapes do not fit."""
    if labels in (image, image[-2:]):
        return False
    return True if labels[1:] == image else None

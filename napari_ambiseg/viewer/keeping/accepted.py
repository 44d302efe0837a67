"""Readings that the user has accepted as masks of his or her own: Labels layers to paint on, and what they say.

Such a layer is the user's. It is made once, with napari's tools and undo from then on, and never written to again; its
metadata remember which slice it is of and which reading it began as. On a volume it is as large as the volume, empty
but for the slice, so that the slices beside it can be painted too; napari fills such an array with memory only where
somebody paints. Where that could not be held, it is the slice alone, at its place.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from napari.layers import Labels, Layer, Vectors
from napari.utils.colormaps import DirectLabelColormap
from numpy.typing import NDArray

from napari_ambiseg.readings.place import Among, place, told
from napari_ambiseg.viewer.image.origin import role_of
from napari_ambiseg.viewer.image.where import Where
from napari_ambiseg.viewer.session.result import Result, View

OWN_COLOUR = "#2EE6D6"
"""Of masks that the user owns: neither an expert's colour nor the model's."""

_KEY = "napari-ambiseg-accepted"
_MOST_BYTES = 2**30
_BRUSH = 3  # pixels: lesions are small


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a layer began as.

    Attributes:
        where: The slice.
        reading: Number of the reading, from 0; -1 if it began empty.
        seed: Its seed.
        model: Name of the model that drew it.
    """

    where: Where
    reading: int
    seed: int
    model: str


def accept(result: Result, view: View, reading: int, *, shape: tuple[int, ...]) -> Labels:
    """A new layer with a reading, at the place of the image.

    Args:
        result: What was drawn.
        view: The same at a threshold.
        reading: Which reading.
        shape: Of the image layer.
    """
    plane, sampled = result.request.plane, result.sampled
    mask = view.readings[reading]
    if math.prod(shape) <= _MOST_BYTES:
        data, transform = np.zeros(shape, np.uint8), plane.transform()
        data[plane.index] = mask
    else:
        data, transform = plane.stack(mask.astype(np.uint8)), plane.transform(origin_px=(0, 0))
    began_as = Accepted(result.request.where, reading, sampled.seeds[reading], sampled.model_name)
    return own_layer(data, name=f"My mask from reading {reading + 1}", began_as=began_as, options=transform)


def own_layer(data: NDArray[Any], *, name: str, began_as: Accepted, options: dict[str, Any]) -> Labels:
    """A layer of the user's own."""
    layer = Labels(data, **own_options(name, began_as), **options)
    ready(layer)
    return layer


def own_options(name: str, began_as: Accepted) -> dict[str, Any]:
    """Keyword arguments of such a layer, but for its place."""
    colours = DirectLabelColormap(color_dict={None: OWN_COLOUR, 0: "transparent", 1: OWN_COLOUR})
    return {"name": name, "metadata": {_KEY: began_as}, "colormap": colours, "opacity": 0.5}


def ready(layer: Labels, where: Where | None = None) -> None:
    """Give a layer a small brush to be painted on with; with ``where``, say which slice it turned out to be of."""
    layer.brush_size = _BRUSH
    layer.selected_label = 1
    began_as = accepted_of(layer)
    if where is not None and began_as is not None:
        layer.metadata = {**layer.metadata, _KEY: replace(began_as, where=where)}


def set_aside(layer: Labels) -> list[Any]:
    """What shows brush and polygons over a layer, hidden; napari makes what draws them when they are made visible."""
    aids = [aid for aid in layer._overlays.values() if aid.visible]  # napari has no public way to them
    for aid in aids:
        aid.visible = False
    return aids


def show_aid(aid: Any) -> None:
    """Show one of what was set aside."""
    aid.visible = True


def below_outlines(layers: Sequence[Layer]) -> int:
    """Where a mask belongs in the layer list: it is filled, and must not hide the outlines of others."""
    outlines = (i for i, layer in enumerate(layers) if role_of(layer) is not None and isinstance(layer, Vectors))
    return min(outlines, default=len(layers))


def accepted_of(layer: Layer | None) -> Accepted | None:
    """What a layer began as; None for all layers that were not accepted."""
    found = layer.metadata.get(_KEY) if isinstance(layer, Labels) else None
    return found if isinstance(found, Accepted) else None


def masks_on(layers: Iterable[Layer], where: Where) -> list[tuple[Labels, NDArray[np.bool_]]]:
    """The accepted layers that have something to say of a slice, and what: (H, W)."""
    found = [(layer, mask_on(layer, where)) for layer in layers if isinstance(layer, Labels)]
    return [(layer, mask) for layer, mask in found if mask is not None]


def mask_on(layer: Labels, where: Where) -> NDArray[np.bool_] | None:
    """What is painted on a slice (H, W); None if the layer is of another image, or was never touched there."""
    began_as = accepted_of(layer)
    if began_as is None or (began_as.where.layer, began_as.where.source) != (where.layer, where.source):
        return None
    data = np.asarray(layer.data)
    is_own_slice = began_as.where.index == where.index
    if data.ndim != len(where.index) + 2:
        return None
    if is_own_slice and math.prod(data.shape[:-2]) == 1:
        return data.reshape(data.shape[-2:]) != 0
    if any(not 0 <= i < count for i, count in zip(where.index, data.shape, strict=False)):
        return None
    mask = data[where.index] != 0
    return mask if is_own_slice or mask.any() else None


def is_of_another_picture(layer: Labels, where: Where) -> bool:
    """Whether a layer lies over an image that shows another slice of its file by now."""
    began_as = accepted_of(layer)
    return began_as is not None and began_as.where.layer == where.layer and began_as.where.source != where.source


def place_told(mask: NDArray[np.bool_], prepared: Among) -> str:
    """One line on the place of a mask among the readings."""
    found = place(mask, prepared)
    nearest = prepared.modes[found.mode]
    if not found.usual_way:
        return told(found)
    if not nearest.is_way:
        return f"{told(found).rpartition(' · ')[0]} · like reading {nearest.medoid + 1}, which no other is like"
    return f"{told(found)} ({nearest.share.count} of {nearest.share.total} readings)"

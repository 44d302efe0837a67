"""Slices with their experts' masks that one can step through: LIDC slices in HDF5, and the slices that are bundled.

Both become an image in millimetres and one Labels layer for each expert, tied together by an ``Origin``; the dock then
finds the experts by itself and can go to another slice of the same file.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image, Labels, Layer
from napari.utils.colormaps import DirectLabelColormap

from napari_ambiseg.io import lidc_hdf5, safe_hdf5
from napari_ambiseg.io.lidc_split import open_split
from napari_ambiseg.readings.collection import SliceCollection
from napari_ambiseg.readings.slice import MultiReaderSlice
from napari_ambiseg.viewer.looks import expert_colour
from napari_ambiseg.viewer.origin import Origin, reader_of, with_origin
from napari_ambiseg.viewer.plane import finest

LayerData = tuple[Any, dict[str, Any], str]
_BUNDLED = "bundled"


def read_file(path: str | Sequence[str]) -> list[LayerData]:
    """The first slice of a file, of the split that is most likely meant.

    Raises:
        DataFileError: If it is missing, damaged, or of another layout.
    """
    file = Path(path if isinstance(path, str) else path[0])
    split = lidc_hdf5.likely_split(file)
    shown = lidc_hdf5.read_lidc_slice(file, split, 0)
    with safe_hdf5.opened(file) as opened:
        count = open_split(opened, split).count
    return layer_data(shown, _origin(shown, path=file, split=split, index=0, count=count))


def bundled_sample() -> list[LayerData]:
    """The first of the slices that are bundled: rendered pixels, real outlines."""
    shown, count = _bundled()[0], len(_bundled())
    return layer_data(shown, _origin(shown, path=None, split=_BUNDLED, index=0, count=count))


def other_slice(origin: Origin, index: int) -> tuple[MultiReaderSlice, Origin]:
    """Another slice from where ``origin`` came, and its origin, of the same key.

    Raises:
        DataFileError: If there is none, or the file is gone.
    """
    path, split = origin.path, origin.split
    shown = _bundled()[index] if path is None else lidc_hdf5.read_lidc_slice(path, split, index)
    return shown, replace(origin, index=index, name=shown.name, rendered=shown.rendered)


def go_to(origin: Origin, index: int, layers: Sequence[Layer]) -> list[Labels]:
    """Show another slice in the layers that were opened with ``origin``: the image, and each expert's own mask.

    Returns:
        Copies of the masks that somebody has painted in, hidden and no longer tied to the file; empty if nobody has.

    Raises:
        DataFileError: As ``other_slice``; the layers stay as they are.
    """
    before, _ = other_slice(origin, origin.index)
    shown, new_origin = other_slice(origin, index)
    painted: list[Labels] = []
    for layer in layers:
        reader = reader_of(layer)
        if isinstance(layer, Image):
            layer.metadata = with_origin(new_origin)
            layer.data = shown.image[0]
            layer.contrast_limits = contrast_limits(shown)
            layer.name = new_origin.name
        elif isinstance(layer, Labels) and reader is not None:
            if not np.array_equal(finest(layer), before.readings[reader]):
                painted.append(_own_copy(layer, origin))
            layer.metadata = with_origin(replace(new_origin, reader=reader))
            layer.data = shown.readings[reader].astype("uint8")
    return painted


def _own_copy(layer: Labels, origin: Origin) -> Labels:
    """A mask as it is now, as a layer of the user's own."""
    _, options, _ = layer.as_layer_data_tuple()
    own: dict[str, Any] = {"name": f"{layer.name} as painted on {origin.name}", "metadata": {}, "visible": False}
    return Labels(finest(layer).copy(), **{**options, **own})


def layer_data(shown: MultiReaderSlice, origin: Origin) -> list[LayerData]:
    """A slice as napari's layer data: the image, then the experts."""
    common = {"scale": shown.spacing_mm, "units": ("mm", "mm"), "metadata": with_origin(origin)}
    image = {**common, "name": shown.name or "slice", "contrast_limits": contrast_limits(shown), "colormap": "gray"}
    layers: list[LayerData] = [(shown.image[0], image, "image")]
    for reader, mask in enumerate(shown.readings):
        colours = DirectLabelColormap(color_dict={None: "transparent", 0: "transparent", 1: expert_colour(reader)})
        options = {**common, "name": f"Expert {reader + 1}", "colormap": colours, "opacity": 0.9}
        options["metadata"] = with_origin(replace(origin, reader=reader))
        layers.append((mask.astype("uint8"), options, "labels"))
    return layers


def contrast_limits(shown: MultiReaderSlice) -> tuple[float, float]:
    """Grey values from black to white: from lung to a little above soft tissue, unless the slice is darker."""
    return -0.2, max(0.4, min(1.4, float(shown.image.max())))


def _origin(shown: MultiReaderSlice, *, path: Path | None, split: str, index: int, count: int) -> Origin:
    return Origin(path=path, split=split, index=index, count=count, name=shown.name, rendered=shown.rendered)


@lru_cache(maxsize=1)
def _bundled() -> SliceCollection:
    from napari_ambiseg.phantom import bundled_slices  # rendering takes a while; napari asks for samples only by name

    return bundled_slices()

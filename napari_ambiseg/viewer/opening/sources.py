"""Pictures with their experts' masks that one can step through: LIDC slices, folders of cases, the bundled slices.

Each becomes an image and one Labels layer for each expert of the source, tied together by an ``Origin``; the dock then
finds the experts by itself and can go to another slice or case of the same source. Who has not read the one that is
shown keeps a hidden layer, which counts for nothing.

HDF5 is imported late, here and beside here: it takes a twentieth of a second, and the bundled slices need none.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image, Labels, Layer
from napari.utils.colormaps import DirectLabelColormap

from napari_ambiseg.errors import DataFileError
from napari_ambiseg.io.case_layout import look_into
from napari_ambiseg.viewer.canvas.looks import expert_colour
from napari_ambiseg.viewer.image.origin import Origin, reader_of, with_origin
from napari_ambiseg.viewer.image.plane import finest
from napari_ambiseg.viewer.opening.shown import Shown, bundled_count, bundled_slice, case_of, lidc_slice
from napari_ambiseg.viewer.opening.volumes import LayerData
from napari_ambiseg.viewer.widgets.notices import warn

_BUNDLED = "bundled"
_MOST_TOLD = 5  # problems of a folder that are told one by one


def read_file(path: str | Sequence[str]) -> list[LayerData]:
    """The first slice of an HDF5 file, of the split that is most likely meant.

    Raises:
        DataFileError: If it is missing, damaged, or of another layout.
    """
    from napari_ambiseg.io.lidc_hdf5 import likely_split

    file = Path(path if isinstance(path, str) else path[0])
    split = likely_split(file)
    shown = lidc_slice(file, split, 0)
    return layer_data(shown, _origin(shown, path=file, split=split, count=count_of(file, split)))


def read_folder(path: str | Sequence[str]) -> list[LayerData]:
    """The first case of a folder of pictures with experts' masks; what is wrong with the others is told.

    Raises:
        DataFileError: If it is of no known layout, or the first picture cannot be read.
    """
    folder = Path(path if isinstance(path, str) else path[0])
    found = look_into(folder)
    problems = found.problems[:_MOST_TOLD]
    if more := len(found.problems) - len(problems):
        problems.append(f"and {more} other things are wrong with it")
    warn(folder.name, problems)
    shown = case_of(folder, 0)
    warn(shown.name, shown.notes)
    return layer_data(shown, _origin(shown, path=folder, split="", count=len(found.cases)))


def bundled_sample() -> list[LayerData]:
    """The first of the slices that are bundled: rendered pixels, real outlines."""
    shown = bundled_slice(0)
    return layer_data(shown, _origin(shown, path=None, split=_BUNDLED, count=bundled_count()))


def count_of(file: Path, split: str) -> int:
    """How many slices a split of an HDF5 file has.

    Raises:
        DataFileError: If there is no such split, or the file is damaged.
    """
    from napari_ambiseg.io import safe_hdf5
    from napari_ambiseg.io.lidc_split import open_split

    with safe_hdf5.opened(file) as opened:
        return open_split(opened, split).count


def in_split(origin: Origin, split: str) -> Origin:
    """The first slice of another split of the same file, for ``go_to``.

    Raises:
        DataFileError: If there is no such split, or the source has none.
    """
    if origin.path is None or origin.path.is_dir():
        raise DataFileError(f"{origin.name!r} is of no file with splits; open one in HDF5")
    return replace(origin, split=split, index=0, count=count_of(origin.path, split))


def other_slice(origin: Origin, index: int) -> tuple[Shown, Origin]:
    """Another slice or case from where ``origin`` came, and its origin, of the same key.

    Raises:
        DataFileError: If there is none, or the file is gone.
    """
    if origin.path is None:
        shown = bundled_slice(index)
    elif origin.path.is_dir():
        shown = case_of(origin.path, index)
    else:
        shown = lidc_slice(origin.path, origin.split, index)
    return shown, replace(origin, index=index, name=shown.name, rendered=shown.rendered, grey=shown.grey)


def go_to(origin: Origin, index: int, layers: Sequence[Layer], *, split: str | None = None) -> list[Labels]:
    """Show another slice or case in the layers that were opened with ``origin``: image, and each expert's own mask.

    Args:
        origin: What the layers show.
        index: What they shall show.
        layers: They.
        split: In which split of the file; None is the one that is shown.

    Returns:
        Copies of the masks that somebody has painted in, hidden and no longer tied to the file; empty if nobody has.

    Raises:
        DataFileError: As ``other_slice``; the layers stay as they are.
    """
    before, _ = other_slice(origin, origin.index)
    target = origin if split is None or split == origin.split else in_split(origin, split)
    shown, new_origin = other_slice(target, index)
    if shown.pixels.ndim != before.pixels.ndim:
        raise DataFileError(
            f"{shown.name} has {shown.pixels.ndim} axes, {before.name} has {before.pixels.ndim}; open it by itself"
        )
    painted: list[Labels] = []
    for layer in layers:
        reader = reader_of(layer)
        if isinstance(layer, Image):
            _show_image(layer, shown, new_origin)
        elif isinstance(layer, Labels) and reader is not None:
            if not np.array_equal(finest(layer), before.mask(reader)):
                painted.append(_own_copy(layer, origin))
            _show_mask(layer, shown, _of_reader(new_origin, shown, reader))
    warn(shown.name, shown.notes)
    return painted


def _show_image(layer: Image, shown: Shown, origin: Origin) -> None:
    layer.metadata = with_origin(origin, shown.patient)
    pixels: Any = shown.pixels
    layer.data = pixels
    _place(layer, shown)
    layer.contrast_limits_range = shown.limits
    layer.contrast_limits = shown.limits
    layer.name = origin.name


def _show_mask(layer: Labels, shown: Shown, origin: Origin) -> None:
    layer.metadata = with_origin(origin, shown.patient)
    mask: Any = shown.mask(origin.reader or 0).astype("uint8")
    layer.data = mask
    _place(layer, shown)


def _place(layer: Layer, shown: Shown) -> None:
    layer.units = shown.placed["units"]
    layer.scale, layer.translate = shown.placed["scale"], shown.placed["translate"]


def _own_copy(layer: Labels, origin: Origin) -> Labels:
    """A mask as it is now, as a layer of the user's own."""
    _, options, _ = layer.as_layer_data_tuple()
    own: dict[str, Any] = {"name": f"{layer.name} as painted on {origin.name}", "metadata": {}, "visible": False}
    return Labels(finest(layer).copy(), **{**options, **own})


def layer_data(shown: Shown, origin: Origin) -> list[LayerData]:
    """A slice or case as napari's layer data: the image, then the experts."""
    common = {**shown.placed, "metadata": with_origin(origin, shown.patient)}
    image = {**common, "name": shown.name or "slice", "contrast_limits": shown.limits, "colormap": "gray"}
    layers: list[LayerData] = [(shown.pixels, image, "image")]
    for reader, expert in enumerate(shown.experts):
        colours = DirectLabelColormap(color_dict={None: "transparent", 0: "transparent", 1: expert_colour(reader)})
        options = {**common, "name": expert, "colormap": colours, "opacity": 0.9}
        options["metadata"] = with_origin(_of_reader(origin, shown, reader), shown.patient)
        options["visible"] = shown.is_read_by(reader)
        layers.append((shown.mask(reader).astype("uint8"), options, "labels"))
    return layers


def _of_reader(origin: Origin, shown: Shown, reader: int) -> Origin:
    return replace(origin, reader=reader, has_read=shown.is_read_by(reader))


def _origin(shown: Shown, *, path: Path | None, split: str, count: int) -> Origin:
    return Origin(
        path=path, split=split, index=0, count=count, name=shown.name, grey=shown.grey, rendered=shown.rendered
    )

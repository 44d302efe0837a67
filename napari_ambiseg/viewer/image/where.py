"""Which slice of which image: what a result belongs to, whatever is shown when it is there."""

from dataclasses import dataclass
from pathlib import Path

from napari.layers import Image

from napari_ambiseg.viewer.image.origin import origin_of


@dataclass(frozen=True, slots=True)
class Where:
    """A slice.

    Attributes:
        layer: napari's identity of the image layer.
        source: File, split and number of the slice, if the layer steps through a file.
        index: Position along every axis of the layer but the last two.
    """

    layer: str
    source: tuple[Path | None, str, int] | None
    index: tuple[int, ...]


def where_of(image: Image, index: tuple[int, ...]) -> Where:
    """The slice ``index`` of an image layer as it is now."""
    origin = origin_of(image)
    source = None if origin is None else (origin.path, origin.split, origin.index)
    return Where(str(image.unique_id), source, index)

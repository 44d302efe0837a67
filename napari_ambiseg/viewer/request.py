"""From layers to a request: all that a run needs, read once and checked; what the viewer does then is nothing to it."""

from collections.abc import Sequence

import numpy as np
from napari.layers import Image, Labels

from napari_ambiseg.engine import GreyScale, SliceInput, check_slice, place
from napari_ambiseg.models.checkpoint import Grid
from napari_ambiseg.viewer.experts import expert_masks
from napari_ambiseg.viewer.origin import origin_of
from napari_ambiseg.viewer.plane import Plane, pixels_of
from napari_ambiseg.viewer.result import Request
from napari_ambiseg.viewer.settings import Settings
from napari_ambiseg.viewer.where import where_of


def make_request(
    image: Image,
    experts: Sequence[Labels],
    plane: Plane,
    *,
    grid: Grid,
    centre_px: tuple[float, float] | None,
    settings: Settings,
) -> Request:
    """What is asked of a model.

    Args:
        image: The image layer.
        experts: Labels layers with the experts' masks.
        plane: The slice of the image that is read.
        grid: The model's.
        centre_px: Where the middle of its field of view is wanted; None is the slice's middle.
        settings: Model, number of readings, ...

    Raises:
        InputImageError: If the slice cannot be read, or an experts' layer has another shape.
    """
    origin = origin_of(image)
    slice_input = SliceInput(
        pixels=np.array(pixels_of(image, plane)),  # a copy: the user may paint or move on while the run goes on
        spacing_mm=plane.spacing_mm,
        grey=origin.grey if origin is not None else GreyScale.AUTO,
        centre_px=centre_px,
    )
    check_slice(slice_input, grid)
    height, width = slice_input.pixels.shape
    placement = place(grid, slice_shape=(height, width), spacing_mm=plane.spacing_mm, centre_px=centre_px)
    masks = expert_masks(experts, image, plane.index)
    return Request(image.name, plane, slice_input, placement, masks, settings, where_of(image, plane.index))

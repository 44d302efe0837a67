"""From layers to requests: all that runs need, read once and checked; what the viewer does then is nothing to them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from napari.layers import Image, Labels

from napari_ambiseg.engine import GreyScale, Placement, SliceInput, check_slice, place
from napari_ambiseg.models.checkpoint import Grid
from napari_ambiseg.viewer.canvas.field_of_view import extent_of
from napari_ambiseg.viewer.image.experts import expert_masks
from napari_ambiseg.viewer.image.origin import origin_of
from napari_ambiseg.viewer.image.plane import Plane, pixels_of
from napari_ambiseg.viewer.image.where import Where, where_of
from napari_ambiseg.viewer.session.result import Request, Result
from napari_ambiseg.viewer.session.settings import MOST_READINGS, Settings


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
        extent_mm=extent_of(grid, settings.region_mm),
    )
    check_slice(slice_input, grid)
    height, width = slice_input.pixels.shape
    placement = place(
        grid,
        slice_shape=(height, width),
        spacing_mm=plane.spacing_mm,
        centre_px=centre_px,
        extent_mm=slice_input.extent_mm,
    )
    masks = expert_masks(experts, image, plane.index)
    return Request(image.name, plane, slice_input, placement, masks, settings, where_of(image, plane.index))


def more_of(result: Result, settings: Settings) -> Request:
    """As many more readings as are set, drawn after those of a result; what computes them may be another."""
    asked, before = result.request, result.sampled
    count = min(MOST_READINGS, len(before.seeds) + settings.readings)
    computed = {"device": settings.device, "engine": settings.engine, "chunk": settings.chunk}
    return replace(asked, settings=replace(asked.settings, readings=count, **computed), before=before)


def why_no_more(result: Result | None, settings: Settings, *, where: Where | None, placement: Placement | None) -> str:
    """Why readings cannot be added to a result; "" if they can.

    Args:
        result: What is shown.
        settings: What is set.
        where: The slice that is looked at.
        placement: Where the result's model would look now.
    """
    if result is None:
        return "there are no readings yet"
    drawn = result.request.settings
    if len(result.sampled.seeds) >= MOST_READINGS:
        return f"there are {MOST_READINGS} readings, which is as many as there can be"
    if result.request.where != where:
        return "those that are shown are of another slice"
    other = {
        "model": drawn.model not in settings.models,
        "number of steps": drawn.options.steps != settings.options.steps,
        "sampler": replace(drawn.options, steps=1) != replace(settings.options, steps=1),
        "seed": drawn.seed != settings.seed,
        "choice of pairs": drawn.antithetic != settings.antithetic,
        "place or size of the box": result.sampled.placement != placement,
    }
    found = next((what for what, differs in other.items() if differs), None)
    return "" if found is None else f"those that are shown were drawn with another {found}"

"""To the slice that a result is of, wherever the viewer is: the image, the slice of its file, the slice of a volume."""

from collections.abc import Callable

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image

from napari_ambiseg.errors import AmbisegError
from napari_ambiseg.viewer.asking.choosers import ImageChooser
from napari_ambiseg.viewer.image.origin import origin_of
from napari_ambiseg.viewer.image.plane import layer_shape, plane_of
from napari_ambiseg.viewer.image.where import Where, where_of
from napari_ambiseg.viewer.session.result import Result
from napari_ambiseg.viewer.session.showing import Showing


class Going:
    """Goes there, and shows the result.

    Args:
        viewer: Its layers and its sliders.
        images: The image that is read.
        showing: What is shown.
        go_to_slice: Shows another slice of the file that the chosen image is from, by number and split.
    """

    def __init__(
        self, viewer: ViewerModel, images: ImageChooser, showing: Showing, go_to_slice: Callable[[int, str], object]
    ) -> None:
        self._viewer, self._images, self._showing, self._go_to_slice = viewer, images, showing, go_to_slice

    def show(self, result: Result) -> str:
        """Show a result on its slice.

        Returns:
            Why it cannot be shown; "" if it is.
        """
        where = result.request.where
        image = self._image(where)
        if image is None:
            return (
                f"The image {result.request.image_name!r} is no longer open, so this run cannot be drawn on it; "
                "its figures stay in the list."
            )
        self._images.choose(image)
        if where.source is not None:
            _, split, number = where.source
            self._go_to_slice(number, split)
        if any(i >= n for i, n in zip(where.index, layer_shape(image)[:-2], strict=False)):
            return f"The image {image.name!r} has changed: it has no slice {' '.join(map(str, where.index))} any more."
        self._move(image, where.index)
        try:
            plane = plane_of(image, point=self._viewer.dims.point, displayed=self._viewer.dims.displayed)
        except AmbisegError as error:
            return f"This run cannot be shown now: {error}."
        if where_of(image, plane.index) != where:
            return "The slice of this run could not be reached, so the run is not shown."
        if self._showing.result is not result:
            self._showing.show(result)
        return ""

    def _image(self, where: Where) -> Image | None:
        """The layer, if it still steps through the same file."""
        found = (one for one in self._viewer.layers if isinstance(one, Image) and str(one.unique_id) == where.layer)
        image = next(found, None)
        origin = origin_of(image)
        path = None if origin is None else origin.path
        if image is None or (origin is None) != (where.source is None):
            return None
        return image if where.source is None or where.source[0] == path else None

    def _move(self, image: Image, index: tuple[int, ...]) -> None:
        """Set the sliders so that a slice of a volume is shown."""
        if not index:
            return
        height, width = layer_shape(image)[-2:]
        world = np.asarray(image.data_to_world([*index, (height - 1) / 2, (width - 1) / 2]))
        dims = self._viewer.dims
        for axis in range(len(index)):
            dims.set_point(dims.ndim - image.ndim + axis, float(world[axis]))

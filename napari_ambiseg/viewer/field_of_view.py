"""Where the model looks: the middle of its field of view, its box on the image, and the click that moves it."""

from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image

from napari_ambiseg.engine import Placement, place
from napari_ambiseg.errors import AmbisegError
from napari_ambiseg.models.checkpoint import read_header
from napari_ambiseg.viewer.layers import Canvas
from napari_ambiseg.viewer.looks import field_of_view_look
from napari_ambiseg.viewer.origin import Role
from napari_ambiseg.viewer.plane import Plane, layer_shape, plane_of


class FieldOfView:
    """The model's field of view on the chosen image; ``centre_px`` None is the middle of the slice."""

    def __init__(self, viewer: ViewerModel, canvas: Canvas) -> None:
        self._viewer, self._canvas = viewer, canvas
        self._callback: Callable[..., Any] | None = None
        self.centre_px: tuple[float, float] | None = None

    def draw(self, image: Image | None, model: Path | None, *, add_missing: bool = True) -> None:
        """Move the box to where the model would look now; hide it where it could not look at all."""
        try:
            placement_and_plane = self._placement(image, model)
        except AmbisegError:
            placement_and_plane = None  # Run says why
        if placement_and_plane is None:
            self._canvas.set_visible((Role.FIELD_OF_VIEW,), visible=False)
            return
        placement, plane = placement_and_plane
        self._canvas.show([replace(field_of_view_look(plane, placement), visible=True)], add_missing=add_missing)

    def zoom(self) -> None:
        """Bring the box to fill the canvas."""
        box = self._canvas.find(Role.FIELD_OF_VIEW)
        if box is not None and box.visible:
            self._viewer.fit_to_view(layers=[box])

    def await_click(self, image: Image, done: Callable[[], None]) -> None:
        """Let the next click on the canvas set the middle, then call ``done``."""
        self.stop_waiting()

        def on_press(viewer: ViewerModel, event: Any) -> Generator[None]:
            self.stop_waiting()
            position = image.world_to_data(np.asarray(event.position)[-image.ndim :])
            self.centre_px = float(position[-2]), float(position[-1])
            event.handled = True
            done()
            yield  # napari takes a generator for a drag: the view must not pan with this click
            while event.type == "mouse_move":
                event.handled = True
                yield

        self._callback = on_press
        self._viewer.mouse_drag_callbacks.append(on_press)

    def stop_waiting(self) -> None:
        """Take clicks no more."""
        if self._callback is not None and self._callback in self._viewer.mouse_drag_callbacks:
            self._viewer.mouse_drag_callbacks.remove(self._callback)
        self._callback = None

    def _placement(self, image: Image | None, model: Path | None) -> tuple[Placement, Plane] | None:
        if image is None or model is None:
            return None
        plane = plane_of(image, point=self._viewer.dims.point, displayed=self._viewer.dims.displayed)
        height, width = layer_shape(image)[-2:]
        shape, grid = (height, width), read_header(model).grid
        return place(grid, slice_shape=shape, spacing_mm=plane.spacing_mm, centre_px=self.centre_px), plane

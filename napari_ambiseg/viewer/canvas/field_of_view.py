"""Where the model looks: the middle and size of its field of view, its box on the image, and the mouse that moves it.

While the box is placed, the left mouse button is its own: the view does not pan, and a layer that is being painted on
gets no stroke.
"""

import math
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Layer

from napari_ambiseg.engine import Placement, header_of, place
from napari_ambiseg.errors import AmbisegError
from napari_ambiseg.models.checkpoint import Grid
from napari_ambiseg.viewer.canvas.layers import Canvas
from napari_ambiseg.viewer.canvas.looks import field_of_view_look
from napari_ambiseg.viewer.image.origin import Role
from napari_ambiseg.viewer.image.plane import Plane, layer_shape, plane_of

_AT_REST = "pan_zoom"  # a layer's mode in which the mouse changes nothing in it
_LEFT = 1
_CLICK_PX = 3.0  # of the canvas: a hand that moves less has clicked


class FieldOfView:
    """The model's field of view on the chosen image.

    Attributes:
        centre_px: Row and column of its middle, where the user has placed it; None for where it usually is.
        usual_px: Where it usually is on a slice of an image; None is the middle of the slice.
        region_mm: Its height; None is the model's own.
    """

    def __init__(self, viewer: ViewerModel, canvas: Canvas) -> None:
        self._viewer, self._canvas = viewer, canvas
        self._callback: Callable[..., Any] | None = None
        self._before: tuple[tuple[float, float] | None] | None = None  # the middle where the drag under way began
        self.centre_px: tuple[float, float] | None = None
        self.usual_px: Callable[[Image, Plane], tuple[float, float] | None] = lambda image, plane: None
        self.region_mm: float | None = None

    @property
    def is_being_placed(self) -> bool:
        """Whether the mouse moves the box."""
        return self._callback is not None

    def middle_px(self, image: Image, plane: Plane) -> tuple[float, float] | None:
        """Row and column of its middle on a slice; None is the middle of the slice."""
        return self.usual_px(image, plane) if self.centre_px is None else self.centre_px

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

    def placement(self, image: Image | None, model: Path | None) -> Placement | None:
        """Where the model would look now; None if it could not."""
        try:
            found = self._placement(image, model)
        except AmbisegError:
            return None
        return None if found is None else found[0]

    def zoom(self) -> None:
        """Bring the box to fill the canvas."""
        box = self._canvas.find(Role.FIELD_OF_VIEW)
        if box is not None and box.visible:
            box.refresh(thumbnail=False)  # its extent is not kept up while it is dragged
            self._viewer.fit_to_view(layers=[box])

    def begin_placing(self, image: Image, model: Path | None, moved: Callable[[], None]) -> None:
        """Let the mouse move the box, until ``end_placing``.

        Args:
            image: The image that it lies on.
            model: The model's file.
            moved: Called when a press or a drag has brought it elsewhere.
        """
        self.end_placing()

        def on_press(viewer: ViewerModel, event: Any) -> Generator[None]:
            if event.button != _LEFT or event.modifiers:  # with Alt, napari zooms
                return
            event.handled = True  # otherwise the view would pan
            with _at_rest(viewer.layers.selection.active):
                yield from self._drag(image, model, event, moved)

        self._callback = on_press
        self._viewer.mouse_drag_callbacks.append(on_press)

    def end_placing(self) -> None:
        """Leave the mouse to napari again."""
        if self._callback is not None and self._callback in self._viewer.mouse_drag_callbacks:
            self._viewer.mouse_drag_callbacks.remove(self._callback)
        self._callback = self._before = None

    def undo_drag(self) -> bool:
        """Put the box back to where the drag that is under way began; whether there is one."""
        if self._before is None:
            return False
        (self.centre_px,), self._before = self._before, None
        return True

    def _drag(self, image: Image, model: Path | None, event: Any, moved: Callable[[], None]) -> Generator[None]:
        """From press to release.

        A click brings the middle there, and so does a press beside the box; a drag from inside takes the box along.
        """
        pressed, at = tuple(event.pos), _position(image, event)
        grip = _grip(at, self.placement(image, model))
        began = self._before = (self.centre_px,)
        is_click = True
        if grip is None:
            self._move(at, (0.0, 0.0), moved)
        yield
        while event.type == "mouse_move":
            event.handled = True
            is_click = is_click and math.dist(pressed, event.pos) <= _CLICK_PX
            if self._before is began and not is_click:  # otherwise the drag was taken back, or placing has ended
                self._move(_position(image, event), grip or (0.0, 0.0), moved)
            yield
        if self._before is began:
            if is_click:
                self._move(at, (0.0, 0.0), moved)
            self._before = None

    def _move(self, at: tuple[float, float], grip: tuple[float, float], moved: Callable[[], None]) -> None:
        self.centre_px = at[0] + grip[0], at[1] + grip[1]
        moved()

    def _placement(self, image: Image | None, model: Path | None) -> tuple[Placement, Plane] | None:
        if image is None or model is None:
            return None
        plane = plane_of(image, point=self._viewer.dims.point, displayed=self._viewer.dims.displayed)
        height, width = layer_shape(image)[-2:]
        grid = grid_of(model)
        return place(
            grid,
            slice_shape=(height, width),
            spacing_mm=plane.spacing_mm,
            centre_px=self.middle_px(image, plane),
            extent_mm=extent_of(grid, self.region_mm),
        ), plane


def grid_of(model: Path) -> Grid:
    """A model's grid.

    Raises:
        CheckpointError: If its file is missing or damaged.
    """
    return header_of(model).grid


def extent_of(grid: Grid, region_mm: float | None) -> tuple[float, float] | None:
    """Height and width of a region of this height that has the shape of the model's own; None if it is the model's."""
    height, width = grid.extent_mm
    return None if region_mm is None or region_mm == height else (region_mm, region_mm * width / height)


def _grip(at: tuple[float, float], placement: Placement | None) -> tuple[float, float] | None:
    """From a point to the middle of the box; None if it lies outside."""
    if placement is None:
        return None
    (top, bottom), (left, right) = placement.bounds_px
    if not (top <= at[0] <= bottom and left <= at[1] <= right):
        return None
    return (top + bottom) / 2 - at[0], (left + right) / 2 - at[1]


@contextmanager
def _at_rest(layer: Layer | None) -> Iterator[None]:
    """Keep the mouse from painting or drawing on a layer, which napari would let it do whatever others have handled."""
    if layer is None or layer.mode == _AT_REST:
        yield
        return
    mode, layer.mode = str(layer.mode), _AT_REST
    try:
        yield
    finally:
        layer.mode = mode


def _position(image: Image, event: Any) -> tuple[float, float]:
    """Row and column of the image where the mouse is."""
    position = image.world_to_data(np.asarray(event.position)[-image.ndim :])
    return float(position[-2]), float(position[-1])

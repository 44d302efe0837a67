"""The box on the image, in which the model reads: placed, sized, drawn, and looked at from near.

Until the user places it, it lies where the readings that are shown were drawn. On a slice without readings it lies on
what the experts marked there; where they marked nothing, on what they marked on the nearest slice, so that its place
does not depend on the way by which the user has come. Without experts, or while they are hidden, nothing is known of
the lesion: it lies in the middle of the slice.

A run over several slices has one box for all of them, the one that is drawn when it begins: what the slices say can be
compared, and is of one lesion also where another is marked beside it.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from napari.layers import Image, Labels
from qtpy.QtCore import QObject, Signal

from napari_ambiseg.engine import Placement
from napari_ambiseg.errors import InputImageError
from napari_ambiseg.viewer.asking.form import Form
from napari_ambiseg.viewer.canvas.field_of_view import FieldOfView
from napari_ambiseg.viewer.image.experts import expert_masks, is_marked
from napari_ambiseg.viewer.image.plane import Plane, finest, layer_shape
from napari_ambiseg.viewer.image.where import where_of
from napari_ambiseg.viewer.session.showing import Showing

_HOW = "Click on the lesion, or drag the box. Esc ends placing it."


class Box(QObject):
    """Joins form and field of view.

    Args:
        form: Where its place and size are set.
        field: Where the model looks.
        showing: What is shown. While it hides the experts, the place of the box must not tell where they marked
            something.

    Signals:
        moved: It lies elsewhere, or is of another size.
        placing_changed: The mouse moves it from now on, or no longer.
    """

    moved = Signal()
    placing_changed = Signal()

    def __init__(self, form: Form, field: FieldOfView, showing: Showing, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._form, self._field, self._showing = form, field, showing
        self._marked = _Marked()
        field.usual_px = self._usual_px
        showing.result_changed.connect(lambda: self.draw(add_missing=False))
        form.place.toggled.connect(self._on_place)
        form.zoom.clicked.connect(lambda *_: field.zoom())
        form.settings.region_changed.connect(self._on_region)

    def centre_px(self, image: Image, plane: Plane) -> tuple[float, float] | None:
        """Where its middle is wanted on a slice; None is the slice's middle."""
        return self._field.middle_px(image, plane)

    @property
    def is_being_placed(self) -> bool:
        """Whether the mouse moves it."""
        return self._field.is_being_placed

    def placement(self, model: Path | None) -> Placement | None:
        """Where a model would look now; None if it could not."""
        return self._field.placement(self._form.image.image, model)

    def draw(self, *, add_missing: bool) -> None:
        """Show it where the chosen model would look."""
        self._field.draw(self._form.image.image, self._form.settings.model.path, add_missing=add_missing)

    def go_to(self, placement: Placement) -> None:
        """Put its middle where that of a model's grid lies."""
        self._field.centre_px = _middle_px(placement)
        self._on_moved()

    def go_back(self) -> None:
        """Put it back to where it usually is: the image is another one now."""
        self._field.centre_px = None
        self.end_placing()

    def end_placing(self) -> None:
        """Leave the mouse to napari."""
        self._form.place.setChecked(False)

    def step_back(self) -> None:
        """Take back the drag that is under way; if there is none, end placing."""
        if self._field.undo_drag():
            self._on_moved()
        else:
            self.end_placing()

    def follow_settings(self) -> None:
        """Take the size that is set."""
        self._field.region_mm = self._form.settings.region.region_mm

    def _usual_px(self, image: Image, plane: Plane) -> tuple[float, float] | None:
        """Where the readings that are shown were drawn; without them, the middle of what experts marked."""
        result = self._showing.result
        if result is not None and result.request.where == where_of(image, plane.index):
            return _middle_px(result.sampled.placement)
        layers = self._form.experts.layers
        if not layers or self._showing.hidden.experts:
            return None
        index = self._marked.nearest(layers, image, plane.index)
        try:
            return None if index is None else _marked_px(layers, image, index)
        except InputImageError:
            return None  # Run says why

    def _on_place(self, on: bool) -> None:
        image: Image | None = self._form.image.image
        if on and image is not None:
            self._field.begin_placing(image, self._form.settings.model.path, self._on_moved)
            self._form.say(_HOW)
        else:
            self._field.end_placing()
            self._form.place.setChecked(False)
            if self._form.status.text() == _HOW:
                self._form.say("")
        self.placing_changed.emit()

    def _on_region(self) -> None:
        self.follow_settings()
        self._on_moved()

    def _on_moved(self) -> None:
        self.draw(add_missing=False)
        self.moved.emit()


class _Marked:
    """Remembers which slices are marked, as a user scrolls through hundreds of them."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, ...], bool] = {}
        self._of: tuple[object, ...] = ()
        self._seen: tuple[int, ...] | None = None

    def nearest(self, layers: Sequence[Labels], image: Image, index: tuple[int, ...]) -> tuple[int, ...] | None:
        """The slice of a volume that is marked and nearest to ``index``, the lower of two; None if none is."""
        arrays = tuple((id(layer), id(finest(layer))) for layer in layers)
        if arrays != self._of:
            self._known, self._of = {}, arrays
        for painted in (self._seen, index):  # only the slice that is looked at can have been painted on
            if painted is not None:
                self._known.pop(painted, None)
        self._seen = index
        found = (near for near in _outward(index, layer_shape(image)) if self._is_marked(layers, image, near))
        return next(found, None)

    def _is_marked(self, layers: Sequence[Labels], image: Image, index: tuple[int, ...]) -> bool:
        if index not in self._known:
            self._known[index] = is_marked(layers, image, index)
        return self._known[index]


def _outward(index: tuple[int, ...], shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """A slice, then those beside it, the nearest first; along the last axis before rows and columns."""
    yield index
    if index:
        *others, here = index
        for distance in range(1, shape[-3]):
            for number in (here - distance, here + distance):
                if 0 <= number < shape[-3]:
                    yield (*others, number)


def _marked_px(layers: Sequence[Labels], image: Image, index: tuple[int, ...]) -> tuple[float, float] | None:
    """The middle of what experts marked on a slice; None if they marked nothing.

    Raises:
        InputImageError: If a layer is of another shape.
    """
    marked = np.asarray(expert_masks(layers, image, index).masks.any(axis=0))
    rows, columns = np.flatnonzero(marked.any(axis=1)), np.flatnonzero(marked.any(axis=0))
    return (float(rows[0] + rows[-1]) / 2, float(columns[0] + columns[-1]) / 2) if len(rows) else None


def _middle_px(placement: Placement) -> tuple[float, float]:
    """The middle of a model's grid."""
    (top, bottom), (left, right) = placement.bounds_px
    return (top + bottom) / 2, (left + right) / 2

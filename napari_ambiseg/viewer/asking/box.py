"""The box on the image, in which the model reads: placed, sized, drawn, and looked at from near.

Until the user places it, it lies where the experts marked something on the slice that is shown; where they did not, it
stays where it was on another slice of the image. Without experts, or while they are hidden, nothing is known of the
lesion: it begins in the middle of the slice.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from napari.layers import Image
from qtpy.QtCore import QObject, Signal

from napari_ambiseg.engine import Placement
from napari_ambiseg.errors import InputImageError
from napari_ambiseg.viewer.asking.form import Form
from napari_ambiseg.viewer.canvas.field_of_view import FieldOfView
from napari_ambiseg.viewer.image.experts import expert_masks
from napari_ambiseg.viewer.image.plane import Plane

_HOW = "Click on the lesion, or drag the box. Esc ends placing it."


class Box(QObject):
    """Joins form and field of view.

    Args:
        form: Where its place and size are set.
        field: Where the model looks.
        are_experts_hidden: Whether the place of the box must not tell where they marked something.

    Signals:
        moved: It lies elsewhere, or is of another size.
        placing_changed: The mouse moves it from now on, or no longer.
    """

    moved = Signal()
    placing_changed = Signal()

    def __init__(
        self,
        form: Form,
        field: FieldOfView,
        parent: QObject | None = None,
        *,
        are_experts_hidden: Callable[[], bool] = lambda: False,
    ) -> None:
        super().__init__(parent)
        self._form, self._field, self._are_experts_hidden = form, field, are_experts_hidden
        self._lesion_px: tuple[float, float] | None = None
        field.usual_px = self._usual_px
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
        (top, bottom), (left, right) = placement.bounds_px
        self._field.centre_px = (top + bottom) / 2, (left + right) / 2
        self._on_moved()

    def go_back(self) -> None:
        """Put it back to where it usually is: the image is another one now."""
        self._field.centre_px = self._lesion_px = None
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
        """The middle of what experts marked on a slice; where they did not, of what they marked on the one before."""
        layers = self._form.experts.layers
        if layers and not self._are_experts_hidden():
            try:
                marked = np.asarray(expert_masks(layers, image, plane.index).masks.any(axis=0))
            except InputImageError:
                return self._lesion_px  # Run says why
            rows, columns = np.flatnonzero(marked.any(axis=1)), np.flatnonzero(marked.any(axis=0))
            if len(rows):
                self._lesion_px = float(rows[0] + rows[-1]) / 2, float(columns[0] + columns[-1]) / 2
        return self._lesion_px

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

"""What readings and experts say of the pixel below the mouse, beside what napari says of it in the status bar.

napari finds its own text in a thread and sets it when it is ready; ours is added then, so that neither flickers.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image
from qtpy.QtCore import QObject

from napari_ambiseg.viewer.session.blinding import Hidden
from napari_ambiseg.viewer.session.result import Result, View
from napari_ambiseg.viewer.session.showing import Showing

_WHERE = "coordinates"  # the part of napari's status that we add to


class UnderCursor(QObject):
    """Adds to the status bar while a result is shown.

    Args:
        viewer: Whose status.
        showing: What is shown.
        image: The image that it is of.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        showing: Showing,
        image: Callable[[], Image | None],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer, self._showing, self._image = viewer, showing, image
        self._added = ""
        showing.hidden_changed.connect(self._on_hidden)
        viewer.events.status.connect(self._on_status, position="last")
        self.destroyed.connect(lambda: viewer.events.status.disconnect(on_status))
        on_status = self._on_status

    def told(self) -> str:
        """What is said of the pixel below the mouse; "" outside, and if nothing is shown."""
        result, view, image = self._showing.result, self._showing.view, self._image()
        if result is None or view is None or image is None or self._showing.step is not None:
            return ""
        position = np.asarray(self._viewer.cursor.position, np.float64)[-image.ndim :]
        row, column = (round(float(at)) for at in np.asarray(image.world_to_data(position))[-2:])
        return pixel_told(result, view, row, column, self._showing.hidden)

    def _on_status(self, event: Any) -> None:
        """Add our text; napari tells of that, too, after all others have been told of its own."""
        status = self._viewer.status
        if not isinstance(status, dict) or not (told := self.told()):
            return
        where = str(status.get(_WHERE, ""))
        if not where.endswith(told):
            self._added = f"   {told}"
            self._viewer.status = {**status, _WHERE: where + self._added}

    def _on_hidden(self) -> None:
        """What is hidden must not stay in the status bar until the mouse moves."""
        status = self._viewer.status
        if isinstance(status, dict) and self._added:
            self._viewer.status = {**status, _WHERE: str(status.get(_WHERE, "")).removesuffix(self._added)}


def pixel_told(result: Result, view: View, row: int, column: int, hidden: Hidden) -> str:
    """How many mark a pixel, e.g. "model 11 of 16, experts 3 of 4"; "" outside the slice."""
    readings, experts = view.readings, result.request.experts.masks
    height, width = readings.shape[1:]
    if not (0 <= row < height and 0 <= column < width):
        return ""
    groups = [("model", readings, hidden.model), ("experts", experts, hidden.experts)]
    return ", ".join(
        f"{name} {np.count_nonzero(masks[:, row, column])} of {len(masks)}"
        for name, masks, is_hidden in groups
        if len(masks) and not is_hidden
    )

"""The ways to read the lesion that is shown, grouped once for all who ask, and where the experts stand in them."""

from collections.abc import Sequence
from dataclasses import dataclass

from qtpy.QtCore import QObject, Signal

from napari_ambiseg.readings.modes import SIMILAR_IOU, Mode, modes, nearest_mode
from napari_ambiseg.viewer.session.result import Result, View
from napari_ambiseg.viewer.session.showing import Showing


@dataclass(frozen=True, slots=True)
class Stand:
    """Which way an expert reads the lesion.

    Attributes:
        mode: Number of the way that is nearest to his or her mask.
        iou: Its mean IoU with the readings of this way.
        belongs: Whether that is near enough to call it the same way.
    """

    mode: int
    iou: float
    belongs: bool


class Grouping(QObject):
    """Groups what is shown, when asked, and remembers it until something else is shown.

    Args:
        showing: What is shown.

    Signals:
        changed: Another IoU counts as the same way.
    """

    changed = Signal()

    def __init__(self, showing: Showing, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._showing = showing
        self._similar_iou = SIMILAR_IOU
        self._of: tuple[Result, bytes, float] | None = None
        self._found: tuple[Mode, ...] = ()

    @property
    def similar_iou(self) -> float:
        """Mean IoU from which readings count as the same way."""
        return self._similar_iou

    @property
    def found(self) -> tuple[Mode, ...]:
        """The ways, the most frequent first; none if nothing is shown."""
        result, view = self._showing.seen_result, self._showing.seen_view
        if result is None or view is None:
            self._of, self._found = None, ()
            return ()
        # The threshold empties readings and changes nothing else in them.
        of = (result, (view.areas_mm2 > 0).tobytes(), self._similar_iou)
        if self._of is None or self._of[0] is not result or self._of[1:] != of[1:]:
            self._of, self._found = of, modes(view.readings, similar_iou=self._similar_iou)
        return self._found

    def set_similar_iou(self, similar_iou: float) -> None:
        """Let another IoU count as the same way, 0 to 1."""
        if similar_iou != self._similar_iou:
            self._similar_iou = similar_iou
            self.changed.emit()

    def stands(self) -> tuple[Stand, ...]:
        """Where each expert stands."""
        return stands(self._showing.seen_view, self.found, self._similar_iou)


def stands(view: View | None, found: Sequence[Mode], similar_iou: float) -> tuple[Stand, ...]:
    """Where each expert stands among the ways in which readings were grouped at ``similar_iou``."""
    if view is None or view.comparison is None:
        return ()
    nearest = [nearest_mode(found, iou) for iou in view.comparison.iou.T]
    return tuple(Stand(mode, iou, iou >= similar_iou) for mode, iou in nearest)

"""How what is shown is looked at: which map lies below the outlines, and what decides on the colours of the readings.

What takes longer than a frame (STAPLE, the ways to read a lesion) is remembered, and while a threshold is dragged it is
not asked for: whoever draws in haste draws again when the hand rests.
"""

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from napari_ambiseg.readings.consensus import majority
from napari_ambiseg.readings.modes import Mode
from napari_ambiseg.readings.staple import staple
from napari_ambiseg.viewer.canvas import colouring, maps
from napari_ambiseg.viewer.canvas.colouring import Colouring
from napari_ambiseg.viewer.canvas.looks import Look
from napari_ambiseg.viewer.canvas.maps import Consensus, Map
from napari_ambiseg.viewer.session.grouping import Grouping
from napari_ambiseg.viewer.session.result import Result, View
from napari_ambiseg.viewer.session.showing import Showing


class Looking(QObject):
    """The choice of map and colours, and what they need.

    Args:
        showing: What is shown.
        grouping: The ways to read it.

    Signals:
        map_changed: Another map is wanted.
        colouring_changed: Other colours are wanted.
    """

    map_changed = Signal()
    colouring_changed = Signal()

    def __init__(self, showing: Showing, grouping: Grouping, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._showing, self._grouping = showing, grouping
        self._map, self._colouring = Map.PROBABILITY, Colouring.ONE
        self._found: tuple[Result, tuple[Mode, ...]] | None = None
        self._staple: tuple[Result, bytes, NDArray[np.bool_]] | None = None
        self._experts: tuple[Result, Consensus] | None = None
        grouping.changed.connect(self._on_grouping)

    @property
    def map(self) -> Map:
        """Which map lies below the outlines."""
        return self._map

    @property
    def colouring(self) -> Colouring:
        """What decides on the colours of the readings."""
        return self._colouring

    @property
    def is_slow(self) -> bool:
        """Whether something that is looked at takes longer than a frame."""
        return self._map is Map.CONSENSUS or self._colouring is Colouring.WAY

    def choose_map(self, chosen: Map) -> None:
        """Lay another map below the outlines."""
        if chosen is not self._map:
            self._map = chosen
            self.map_changed.emit()

    def choose_colouring(self, chosen: Colouring) -> None:
        """Let something else decide on the colours."""
        if chosen is not self._colouring:
            self._colouring = chosen
            self.colouring_changed.emit()

    def map_look(self, result: Result, view: View, *, in_haste: bool = False) -> Look | None:
        """The layer of the map; None for no map."""
        consensus = self._consensus(result, view, in_haste) if self._map is Map.CONSENSUS else Consensus()
        return maps.map_look(self._map, result.request.plane, view, consensus)

    def colours(self, result: Result, view: View, *, in_haste: bool = False) -> NDArray[np.float32] | None:
        """The colour of each reading (S, 4); None if they all have the model's."""
        return colouring.reading_colours(self._colouring, view, self._ways(result, in_haste))

    def map_legend(self) -> str:
        """What outlines of the map mean, as rich text."""
        result, view = self._showing.seen_result, self._showing.seen_view
        if result is None or view is None:
            return ""
        return maps.legend(self._map, count=len(view.readings), has_experts=len(result.request.experts.masks) > 1)

    def colours_told(self) -> str:
        """What the colours mean, as rich text."""
        found = self._grouping.found if self._colouring is Colouring.WAY else ()
        return colouring.told(self._colouring, self._showing.seen_view, found)

    def _ways(self, result: Result, in_haste: bool) -> tuple[Mode, ...]:
        if self._colouring is not Colouring.WAY:
            return ()
        if self._found is None or self._found[0] is not result or not in_haste:
            self._found = result, self._grouping.found
        return self._found[1]

    def _consensus(self, result: Result, view: View, in_haste: bool) -> Consensus:
        if self._experts is None or self._experts[0] is not result:
            masks = result.request.experts.masks
            several = Consensus(None, staple(masks).mask, majority(masks)) if len(masks) > 1 else Consensus()
            self._experts = result, several
        experts, ours = self._experts[1], self._readings_staple(result, view, in_haste)
        return Consensus(ours, experts.experts, experts.experts_majority)

    def _readings_staple(self, result: Result, view: View, in_haste: bool) -> NDArray[np.bool_] | None:
        """STAPLE of the readings at the threshold; None if that would take too long now."""
        kept = (view.areas_mm2 > 0).tobytes()  # a threshold empties readings and changes nothing else in them
        if self._staple is None or self._staple[0] is not result or self._staple[1] != kept:
            if in_haste:
                return None
            self._staple = result, kept, staple(view.readings).mask
        return self._staple[2]

    def _on_grouping(self) -> None:
        if self._colouring is Colouring.WAY:
            self.colouring_changed.emit()

"""Reading blinded: the model, the experts or both are hidden, and with them every figure that would give them away.

Nothing is lost meanwhile: what is hidden is there, and is kept with all that is kept.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from napari.layers import Labels, Layer

from napari_ambiseg.viewer.image.experts import Experts
from napari_ambiseg.viewer.session.result import Result, View

NOTHING_TO_COMPARE_WITH = "no experts to compare with"


@dataclass(frozen=True, slots=True)
class Hidden:
    """What is hidden.

    Attributes:
        model: Whether the readings of the model are.
        experts: Whether the experts' masks are.
    """

    model: bool = False
    experts: bool = False

    @property
    def told(self) -> str:
        """What is hidden, in words; "" for nothing."""
        if self.model and self.experts:
            return "Model and experts are hidden"
        return "The model is hidden" if self.model else "The experts are hidden" if self.experts else ""

    @property
    def not_compared(self) -> str:
        """Why there are no figures on agreement where there are none."""
        return "the experts are hidden" if self.experts else NOTHING_TO_COMPARE_WITH


def without_experts(result: Result) -> Result:
    """A result as if nobody but the model had read the slice."""
    none = Experts(result.request.experts.masks[:0], ())
    return replace(result, request=replace(result.request, experts=none))


def view_without_experts(view: View) -> View:
    """The same of a view."""
    return replace(view, expert_areas_mm2=np.zeros(0), comparison=None)


def blank_thumbnails(layers: Iterable[Layer]) -> None:
    """Leave nothing to be seen of hidden layers in the layer list; napari draws it anew when they are shown."""
    for layer in layers:
        layer.thumbnail = np.zeros_like(layer.thumbnail)


class HiddenMasks:
    """The experts' masks that were hidden because experts are, so that they can be shown again."""

    def __init__(self) -> None:
        self._hidden: list[Labels] = []

    def attend(self, layers: Iterable[Labels], *, are_hidden: bool) -> None:
        """Hide the experts' layers, or show those again that were hidden here."""
        if not are_hidden:
            for layer in self._hidden:
                layer.visible = True
            self._hidden = []
            return
        for layer in layers:
            if layer.visible:
                layer.visible = False
                self._hidden.append(layer)

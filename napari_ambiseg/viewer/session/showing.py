"""What is shown now: one result, at a threshold, with a reading, a pair or a step of the way chosen.

Whatever draws, on the image or in the dock, follows this and nothing else; whatever the user can point at says so here.
Nothing here asks the model.

For blinded reading the model or the experts may be hidden. Then ``result`` is all there is, and ``seen_result`` what
may be looked at: whatever shows masks or figures takes the latter.
"""

from qtpy.QtCore import QObject, Signal

from napari_ambiseg.viewer.session.blinding import Hidden, view_without_experts, without_experts
from napari_ambiseg.viewer.session.result import Result, View, derive
from napari_ambiseg.viewer.session.way import Way


class Showing(QObject):
    """The state that all widgets share.

    Signals:
        result_changed: Another result is shown, or none; or something of it is hidden, or no more.
        view_changed: The same result at another threshold.
        selection_changed: Another reading, or another expert beside it.
        step_changed: Another step of the reverse diffusion.
        hidden_changed: Something is hidden, or no more.
    """

    result_changed = Signal()
    view_changed = Signal()
    selection_changed = Signal()
    step_changed = Signal()
    hidden_changed = Signal()

    def __init__(self, threshold: float = 0.1, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._result: Result | None = None
        self._view: View | None = None
        self._threshold = threshold
        self._selected = 0
        self._expert: int | None = None
        self._step: int | None = None
        self._way = Way()
        self._hidden = Hidden()
        self._blind: tuple[Result, Result] | None = None
        self._blind_view: tuple[View, View] | None = None

    @property
    def hidden(self) -> Hidden:
        """What must not be seen, until the user says so or the session ends."""
        return self._hidden

    @property
    def seen_result(self) -> Result | None:
        """What was drawn, without what is hidden; None also while the model is."""
        if self._result is None or self._hidden.model:
            return None
        if not self._hidden.experts:
            return self._result
        if self._blind is None or self._blind[0] is not self._result:
            self._blind = self._result, without_experts(self._result)
        return self._blind[1]

    @property
    def seen_view(self) -> View | None:
        """The same at the threshold; there is one if there is a ``seen_result``."""
        if self._view is None or self._hidden.model:
            return None
        if not self._hidden.experts:
            return self._view
        if self._blind_view is None or self._blind_view[0] is not self._view:
            self._blind_view = self._view, view_without_experts(self._view)
        return self._blind_view[1]

    @property
    def result(self) -> Result | None:
        """What was drawn."""
        return self._result

    @property
    def view(self) -> View | None:
        """The same at the threshold; there is one if there is a result."""
        return self._view

    @property
    def threshold(self) -> float:
        """Relative-area threshold, 0 to 1."""
        return self._threshold

    @property
    def selected(self) -> int:
        """Number of the reading that stands out."""
        return self._selected

    @property
    def expert(self) -> int | None:
        """Number of the expert that it is compared with; None for none."""
        return self._expert

    @property
    def step(self) -> int | None:
        """Number of the kept step that is shown; None for the finished readings."""
        return self._step

    @property
    def way(self) -> Way:
        """What is shown of each step of the reverse diffusion."""
        return self._way

    def show(self, result: Result) -> None:
        """Show a result in place of the one before."""
        self._result, self._view = result, derive(result, self._threshold)
        self._selected, self._expert, self._step = self._view.first_drawn, None, None
        self.result_changed.emit()

    def clear(self) -> None:
        """Show none."""
        if self._result is not None:
            self._result = self._view = self._expert = self._step = None
            self._selected = 0
            self.result_changed.emit()

    def set_threshold(self, threshold: float) -> None:
        """Derive everything anew from the readings as they were drawn."""
        if threshold == self._threshold:
            return
        self._threshold = threshold
        if self._result is not None:
            self._view = derive(self._result, threshold)
        self.view_changed.emit()

    def hide(self, *, model: bool | None = None, experts: bool | None = None) -> None:
        """Hide or show the model or the experts; None leaves them as they are."""
        before = self._hidden
        self._hidden = Hidden(
            model=before.model if model is None else model, experts=before.experts if experts is None else experts
        )
        if self._hidden != before:
            self._expert = self._step = self._blind = self._blind_view = None
            self.result_changed.emit()
            self.hidden_changed.emit()

    def select(self, reading: int, expert: int | None = None) -> None:
        """Let a reading stand out, beside an expert if one is given."""
        if self._view is None or not 0 <= reading < len(self._view.readings):
            return
        if self._hidden.model or (expert is not None and self._hidden.experts):
            return
        if (reading, expert) != (self._selected, self._expert):
            self._selected, self._expert = reading, expert
            self.selection_changed.emit()

    def go_to(self, step: int | None) -> None:
        """Show a kept step of the way to the readings; None for the readings themselves."""
        if step != self._step:
            self._step = step
            self.step_changed.emit()

    def set_way(self, way: Way) -> None:
        """Show something else of each step."""
        if way != self._way:
            self._way = way
            if self._step is not None:
                self.step_changed.emit()

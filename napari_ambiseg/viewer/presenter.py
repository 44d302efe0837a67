"""Draws what is shown (``Showing``) on the image: the only link from results to the canvas. The model is not asked."""

from collections.abc import Callable

from napari_ambiseg.viewer import looks
from napari_ambiseg.viewer.experts import Experts
from napari_ambiseg.viewer.layers import Canvas
from napari_ambiseg.viewer.live import LivePicture
from napari_ambiseg.viewer.origin import Role
from napari_ambiseg.viewer.pair import pair_look
from napari_ambiseg.viewer.plane import Plane
from napari_ambiseg.viewer.result import Request, Result, View, frame_of
from napari_ambiseg.viewer.showing import Showing

_RESULTS = tuple(role for role in Role if role is not Role.FIELD_OF_VIEW)
_READINGS = (Role.TRAJECTORY, Role.READINGS, Role.SELECTED)
_ASIDE = (Role.PROBABILITY, Role.READINGS)  # while a pair is looked at


class Presenter:
    """Keeps a viewer's layers in step with what is shown.

    Args:
        canvas: The layers.
        showing: What is shown.
        wanted: Which layers the user wants to see.
    """

    def __init__(
        self, canvas: Canvas, showing: Showing, wanted: Callable[[], list[tuple[tuple[Role, ...], bool]]]
    ) -> None:
        self._canvas, self._showing, self._wanted = canvas, showing, wanted
        self._has_begun_to_show = False
        self._pair: tuple[int, int] | None = None
        showing.result_changed.connect(self._on_result)
        for changed in (showing.view_changed, showing.selection_changed, showing.step_changed):
            changed.connect(self.refresh)

    def show_experts(self, plane: Plane, experts: Experts) -> None:
        """Show what the experts drew, before there are readings."""
        self._canvas.show([looks.experts_look(plane, experts.masks)])
        self._follow_wishes()

    def hide_experts(self) -> None:
        """Show no experts: there are none."""
        self._canvas.set_visible((Role.EXPERTS,), visible=False)

    def begin(self) -> None:
        """A run begins."""
        self._has_begun_to_show = False

    def show_running(self, request: Request, live: LivePicture) -> None:
        """Show how far a run has come. Layers are added once, with the first reading; what is removed then, goes."""
        is_first = live.progress.finished > 0 and not self._has_begun_to_show
        self._has_begun_to_show |= is_first
        shown = looks.step_looks(request.plane, request.placement, live.frame, selected=live.watched)
        self._canvas.show(shown, add_missing=is_first)
        if is_first:
            for roles, visible in self._wanted():
                if Role.READINGS in roles:
                    self._canvas.set_visible(roles, visible)

    def refresh(self) -> None:
        """Draw the result as selection and step want it, in the layers that the user has left."""
        result, view, step = self._showing.result, self._showing.view, self._showing.step
        if result is None or view is None:
            self._canvas.set_visible(_READINGS, visible=False)  # of a run that has not come to its end
            return
        plane, selected = result.request.plane, self._showing.selected
        if step is None:
            self._canvas.set_visible((Role.TRAJECTORY,), visible=False)
            shown = looks.view_looks(plane, view, selected=selected)
        else:
            frame = frame_of(result.sampled, step)
            shown = looks.step_looks(plane, result.sampled.placement, frame, selected=selected)
        self._canvas.show(shown, add_missing=False)
        self._show_pair(result, view)

    def show_roles(self, roles: tuple[Role, ...], visible: bool) -> None:
        """Show or hide layers, as the user has ticked."""
        if self._showing.result is not None or roles == (Role.EXPERTS,):
            for role in roles:
                self._canvas.set_visible((role,), visible and not (self._pair is not None and role in _ASIDE))

    def _show_pair(self, result: Result, view: View) -> None:
        """Show the reading beside the expert, if one is chosen; what would hide the pair makes room."""
        showing, experts = self._showing, result.request.experts.masks
        before, self._pair = self._pair, None
        if showing.expert is not None and showing.expert < len(experts) and showing.step is None:
            self._pair = showing.selected, showing.expert
            pair = pair_look(result.request.plane, view, experts, selected=showing.selected, expert=showing.expert)
            self._canvas.show([pair], add_missing=before != self._pair)
        self._canvas.set_visible((Role.PAIR,), visible=self._pair is not None)
        if (before is None) != (self._pair is None):
            self._follow_wishes()

    def _on_result(self) -> None:
        result, view = self._showing.result, self._showing.view
        if result is None or view is None:
            self._pair = None
            self._canvas.set_visible(_RESULTS, visible=False)
            return
        self._canvas.show(looks.looks(result, view, selected=self._showing.selected))
        self._show_pair(result, view)
        self._follow_wishes()

    def _follow_wishes(self) -> None:
        for roles, visible in self._wanted():
            self.show_roles(roles, visible)

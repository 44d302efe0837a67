"""Shows a result, on the image and in the dock, and follows threshold, selection and player. The model is not asked."""

from napari_ambiseg.viewer import looks
from napari_ambiseg.viewer.experts import Experts
from napari_ambiseg.viewer.layers import Canvas
from napari_ambiseg.viewer.live import LivePicture
from napari_ambiseg.viewer.origin import Role
from napari_ambiseg.viewer.plane import Plane
from napari_ambiseg.viewer.result import Request, Result, View, derive, frame_of
from napari_ambiseg.viewer.results import ResultsBox

_READINGS = (Role.TRAJECTORY, Role.READINGS, Role.SELECTED)
_RESULTS = tuple(role for role in Role if role is not Role.FIELD_OF_VIEW)


class Presenter:
    """The result that is shown now."""

    def __init__(self, canvas: Canvas, box: ResultsBox) -> None:
        self._canvas, self._box = canvas, box
        self.result: Result | None = None
        self.view: View | None = None
        self._has_begun_to_show = False

    def show(self, result: Result) -> None:
        """Show a finished run in place of the one before."""
        self.result, self.view = result, derive(result, self._box.threshold)
        self._box.select(self.view.first_drawn)
        self._box.show_image_name(result.request.image_name)
        self._box.show_view(self.view, result.request.experts.names)
        self._box.player.load(steps=result.sampled.steps.tolist(), log_snr=result.sampled.log_snr.tolist())
        self._canvas.show(looks.looks(result, self.view, selected=self._box.selected))
        self._follow_boxes()

    def show_experts(self, plane: Plane, experts: Experts) -> None:
        """Show what the experts drew, before there are readings."""
        self._canvas.show([looks.experts_look(plane, experts.masks)])
        self._follow_boxes()

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
            for roles, visible in self._box.seen_roles():
                if Role.READINGS in roles:
                    self._canvas.set_visible(roles, visible)

    def clear(self) -> None:
        """Show nothing any more, e.g. because another slice is shown."""
        self.result = self.view = None
        self._box.clear()
        self._canvas.set_visible(_RESULTS, visible=False)

    def set_threshold(self, threshold: float) -> None:
        """Derive everything anew from the readings as they were sampled."""
        if self.result is not None:
            self.view = derive(self.result, threshold)
            self._box.show_view(self.view, self.result.request.experts.names)
            self.refresh()

    def refresh(self) -> None:
        """Draw the result as selection and player want it: the readings, or a step on the way to them."""
        if self.result is None or self.view is None:
            self._canvas.set_visible(_READINGS, visible=False)  # of a run that has not come to its end
            return
        plane, sampled, selected = self.result.request.plane, self.result.sampled, self._box.selected
        if self._box.player.is_at_end:
            self._canvas.set_visible((Role.TRAJECTORY,), visible=False)
            shown = looks.view_looks(plane, self.view, selected=selected)
        else:
            frame = frame_of(sampled, self._box.player.position)
            shown = looks.step_looks(plane, sampled.placement, frame, selected=selected)
        self._canvas.show(shown, add_missing=False)

    def show_roles(self, roles: tuple[Role, ...], visible: bool) -> None:
        """Show or hide layers, as the user has ticked."""
        if self.result is not None or roles == (Role.EXPERTS,):
            self._canvas.set_visible(roles, visible)

    def _follow_boxes(self) -> None:
        for roles, visible in self._box.seen_roles():
            self.show_roles(roles, visible)

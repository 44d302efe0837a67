"""Draws what is shown (``Showing``) on the image: the only link from results to the canvas. The model is not asked.

While a threshold is dragged, all is drawn within a frame; what takes longer follows when the hand rests.
"""

from collections.abc import Callable, Sequence

from qtpy.QtCore import QObject, QTimer, Signal

from napari_ambiseg.viewer.canvas import looks, maps
from napari_ambiseg.viewer.canvas.layers import Canvas
from napari_ambiseg.viewer.canvas.looking import Looking
from napari_ambiseg.viewer.canvas.looks import Look
from napari_ambiseg.viewer.canvas.pair import pair_look
from napari_ambiseg.viewer.image.experts import Experts
from napari_ambiseg.viewer.image.origin import Role
from napari_ambiseg.viewer.image.plane import Plane
from napari_ambiseg.viewer.session.live import LivePicture
from napari_ambiseg.viewer.session.result import Request, Result, View, frame_of
from napari_ambiseg.viewer.session.showing import Showing

_RESULTS = tuple(role for role in Role if role is not Role.FIELD_OF_VIEW)
_READINGS = (Role.TRAJECTORY, Role.READINGS, Role.SELECTED)
_MAPS = tuple(maps.ROLES.values())
_ASIDE = (*_MAPS, Role.READINGS)  # while a pair is looked at
_PAUSE_MS = 10  # between two layers that are added, for whatever else waits
_REST_MS = 120


class Presenter(QObject):
    """Keeps a viewer's layers in step with what is shown.

    Args:
        canvas: The layers.
        showing: What is shown.
        looking: How it is looked at.
        wanted: Which outlines the user wants to see.
        at_leisure: Whether layers that a result needs, and that are not there, come one in each turn of the event loop:
            napari takes up to a tenth of a second for each, and the window waits. Otherwise all come at once.

    Signals:
        settled: All layers of a result are there.
    """

    settled = Signal()

    def __init__(
        self,
        canvas: Canvas,
        showing: Showing,
        looking: Looking,
        wanted: Callable[[], list[tuple[tuple[Role, ...], bool]]],
        parent: QObject | None = None,
        *,
        at_leisure: bool = False,
    ) -> None:
        super().__init__(parent)
        self._canvas, self._showing, self._looking, self._wanted = canvas, showing, looking, wanted
        self._at_leisure = at_leisure
        self._adding = QTimer(self)  # started anew after each layer: adding may take longer than the pause
        self._adding.setSingleShot(True)
        self._adding.setInterval(_PAUSE_MS)
        self._is_adding = False
        self._adding.timeout.connect(self._add_next)
        self._missing: list[Role] = []
        self._to_add = set[Role]()
        self._others_turn = QTimer(self)  # runs after a layer was added while readings are drawn
        self._others_turn.setSingleShot(True)
        self._others_turn.setInterval(_PAUSE_MS)
        self._pair: tuple[int, int] | None = None
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_REST_MS)
        self._rest.timeout.connect(self.refresh)
        showing.result_changed.connect(self._on_result)
        showing.view_changed.connect(self._on_view)
        for changed in (showing.selection_changed, showing.step_changed, looking.colouring_changed):
            changed.connect(self.refresh)
        looking.map_changed.connect(self._on_map)

    def show_experts(self, plane: Plane, experts: Experts) -> None:
        """Show what the experts drew, before there are readings."""
        self._canvas.show([looks.experts_look(plane, experts.masks)])
        self._follow_wishes()

    def hide_experts(self) -> None:
        """Show no experts: there are none."""
        self._canvas.set_visible((Role.EXPERTS,), visible=False)

    @property
    def is_adding(self) -> bool:
        """Whether layers of a result are still to come."""
        return self._is_adding

    def begin(self) -> None:
        """A run begins."""
        self._to_add = set[Role](_READINGS)

    def show_running(self, request: Request, live: LivePicture) -> None:
        """Show how far a run has come.

        Layers are added once, one at a time, however fast news come; what is removed then, goes.
        """
        if self._showing.hidden.model:
            return
        shown = looks.step_looks(request.plane, request.placement, live.frame, selected=live.watched)
        self._canvas.show(shown, add_missing=False)
        if self._to_add and not self._others_turn.isActive():
            self._add_one(shown)

    def _add_one(self, shown: Sequence[Look]) -> None:
        """Add the first layer that this run has not added yet, unless it is there."""
        for look in shown:
            if look.role in self._to_add:
                self._to_add.remove(look.role)
                if not self._canvas.shows(look):
                    self._canvas.show([look])
                    self._others_turn.start()
                    break
        for roles, visible in self._wanted():
            if Role.READINGS in roles:
                self._canvas.set_visible(roles, visible)

    def refresh(self) -> None:
        """Draw the result as selection and step want it, in the layers that the user has left."""
        self._draw(in_haste=False)

    def show_roles(self, roles: tuple[Role, ...], visible: bool) -> None:
        """Show or hide layers, as the user has ticked."""
        if self._showing.seen_result is not None or roles == (Role.EXPERTS,):
            for role in roles:
                makes_room = self._pair is not None and role in _ASIDE
                is_hidden = self._showing.hidden.experts and role is Role.EXPERTS
                self._canvas.set_visible((role,), visible and not makes_room and not is_hidden)

    def _draw(self, *, in_haste: bool) -> None:
        result, view, step = self._showing.seen_result, self._showing.seen_view, self._showing.step
        if result is None or view is None:
            self._canvas.set_visible(_READINGS, visible=False)  # of a run that has not come to its end
            return
        plane, selected = result.request.plane, self._showing.selected
        colours = self._looking.colours(result, view, in_haste=in_haste)
        if step is None:
            self._canvas.set_visible((Role.TRAJECTORY,), visible=False)
            shown = looks.reading_looks(plane, view, selected=selected, colours=colours)
        else:
            sampled = result.sampled
            frame = self._showing.way.seen(frame_of(sampled, step), selected=selected, seeds=sampled.seeds)
            shown = looks.step_looks(plane, result.sampled.placement, frame, selected=selected, colours=colours)
        below = [] if self._wants_pair(result) else self._map(result, view, in_haste=in_haste)
        self._canvas.show([*below, *shown], add_missing=False)
        self._show_pair(result, view)

    def _map(self, result: Result, view: View, *, in_haste: bool = False) -> list[Look]:
        """The map, if there is one and it is not set aside."""
        look = self._looking.map_look(result, view, in_haste=in_haste)
        return [] if look is None else [look]

    def _wants_pair(self, result: Result) -> bool:
        """Whether an expert is to be seen beside the reading; the way to the readings is no pair."""
        expert = self._showing.expert
        return expert is not None and expert < len(result.request.experts.masks) and self._showing.step is None

    def _show_pair(self, result: Result, view: View) -> None:
        """Show the reading beside the expert, if one is chosen; what would hide the pair makes room."""
        showing, experts = self._showing, result.request.experts.masks
        before, self._pair = self._pair, None
        if showing.expert is not None and self._wants_pair(result):
            self._pair = showing.selected, showing.expert
            pair = pair_look(result.request.plane, view, experts, selected=showing.selected, expert=showing.expert)
            self._canvas.show([pair], add_missing=before != self._pair)
        if before != self._pair:
            shown = looks.experts_look(
                result.request.plane, experts, beside=None if self._pair is None else showing.expert
            )
            self._canvas.show([shown], add_missing=False)
        self._canvas.set_visible((Role.PAIR,), visible=self._pair is not None)
        if (before is None) != (self._pair is None):
            self._follow_wishes()

    def _on_view(self) -> None:
        """Another threshold: the slider may be moving on."""
        self._draw(in_haste=True)
        if self._looking.is_slow:
            self._rest.start()

    def _on_map(self) -> None:
        """Another map is wanted, whatever the user had removed."""
        result, view = self._showing.seen_result, self._showing.seen_view
        if result is not None and view is not None:
            self._canvas.show(self._map(result, view))
            self._follow_wishes()

    def _on_result(self) -> None:
        result, view = self._showing.seen_result, self._showing.seen_view
        if result is None or view is None:
            self._pair = None
            self.stop_adding()
            self._canvas.set_visible(_RESULTS, visible=False)
            if (hidden := self._showing.result) is not None:
                self.show_experts(hidden.request.plane, hidden.request.experts)
            return
        shown = self._looks(result, view)
        self._missing = [look.role for look in shown if not self._canvas.shows(look)] if self._at_leisure else []
        self._canvas.show(shown, add_missing=not self._at_leisure)
        self._show_pair(result, view)
        self._follow_wishes()
        if self._missing:
            self._is_adding = True
            self._adding.start()
        else:
            self.stop_adding()

    def _looks(self, result: Result, view: View) -> list[Look]:
        """What is to be seen of a result, lowest first."""
        colours = self._looking.colours(result, view)
        beside = None if self._pair is None else self._pair[1]
        shown = looks.looks(result, view, selected=self._showing.selected, colours=colours, beside=beside)
        return [*self._map(result, view), *shown]

    def _add_next(self) -> None:
        """Add the next layer that was not there when the result came; with the last, all are as they are to be seen."""
        role = self._missing.pop(0)
        result, view = self._showing.seen_result, self._showing.seen_view
        assert result is not None  # without a result nothing is added
        assert view is not None
        self._canvas.show([look for look in self._looks(result, view) if look.role is role])
        self._follow_wishes()
        if self._missing:
            self._adding.start()
        else:
            self.refresh()
            self.stop_adding()

    def stop_adding(self) -> None:
        """Add no more layers of the result: all are there, or it is shown no longer."""
        self._missing = []
        self._adding.stop()
        if self._is_adding:
            self._is_adding = False
            self.settled.emit()

    def _follow_wishes(self) -> None:
        for roles, visible in self._wanted():
            self.show_roles(roles, visible)
        for chosen, role in maps.ROLES.items():
            self.show_roles((role,), chosen is self._looking.map)

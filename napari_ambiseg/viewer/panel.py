"""The dock: choose, run, look. It joins form, sampler and presenter, and turns problems into sentences."""

import napari.viewer
import numpy as np
from napari.layers import Image
from napari.utils.notifications import show_error
from numpy.typing import NDArray
from qtpy.QtCore import QTimer, Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_ambiseg.engine import bundled_models
from napari_ambiseg.errors import AmbisegError
from napari_ambiseg.viewer.asking.ask import Ask
from napari_ambiseg.viewer.asking.box import Box
from napari_ambiseg.viewer.asking.choosers import Connections
from napari_ambiseg.viewer.asking.form import Form
from napari_ambiseg.viewer.asking.runs import Runs
from napari_ambiseg.viewer.canvas.field_of_view import FieldOfView
from napari_ambiseg.viewer.canvas.layers import Canvas
from napari_ambiseg.viewer.canvas.presenter import Presenter
from napari_ambiseg.viewer.canvas.under_cursor import UnderCursor
from napari_ambiseg.viewer.comparing.going import Going
from napari_ambiseg.viewer.comparing.runs_tab import RunsTab
from napari_ambiseg.viewer.image.experts import expert_masks
from napari_ambiseg.viewer.image.origin import belongs_to, origin_of, role_of
from napari_ambiseg.viewer.image.pictures import enlarged_view, whole_slice
from napari_ambiseg.viewer.image.plane import plane_of
from napari_ambiseg.viewer.image.where import Where, where_of
from napari_ambiseg.viewer.keeping import forms
from napari_ambiseg.viewer.keeping.forms import Form as KeepForm
from napari_ambiseg.viewer.keeping.keeping_box import FilmChoice, KeepingBox
from napari_ambiseg.viewer.keeping.restoring import bind_masks, look_now, look_of, show_look, take_session
from napari_ambiseg.viewer.keeping.sessions import restored_told, results_of, settings_of
from napari_ambiseg.viewer.opening import sources
from napari_ambiseg.viewer.session.blinding import HiddenMasks, blank_thumbnails
from napari_ambiseg.viewer.session.folds import Folding, Folds
from napari_ambiseg.viewer.session.result import Request, Result, View
from napari_ambiseg.viewer.session.settings import Settings, remembered_settings, settings_path
from napari_ambiseg.viewer.session.showing import Showing
from napari_ambiseg.viewer.session.study import Study
from napari_ambiseg.viewer.tabs.kept_looks import RememberedLooks
from napari_ambiseg.viewer.tabs.results import ResultsBox
from napari_ambiseg.viewer.widgets.foot import Foot
from napari_ambiseg.viewer.widgets.garbage import spare_what_is_there
from napari_ambiseg.viewer.widgets.style import TIGHT
from napari_ambiseg.viewer.widgets.tall_scroll import TallScroll

_SOON_MS = 20  # between two looks whether the first step of a run is there


class ReadingsPanel(QWidget):
    """The dock widget of napari's Plugins menu.

    Signals:
        run_ended: A run has finished, failed or stopped; whatever it brought is shown.
    """

    run_ended = Signal()

    def __init__(self, napari_viewer: napari.viewer.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        # napari hands plugins a proxy that makes a new object of a layer at each look: no layer would be itself again.
        self._viewer: napari.viewer.Viewer = getattr(napari_viewer, "__wrapped__", napari_viewer)
        canvas = Canvas(self._viewer)
        field = FieldOfView(self._viewer, canvas)
        self.error: Exception | None = None
        self.form = Form(self._viewer, bundled_models())
        self.showing = Showing(parent=self)
        self.results = ResultsBox(self.showing)
        self._presenter = Presenter(
            canvas, self.showing, self.results.looking, self.results.seen_roles, self, at_leisure=True
        )
        self._presenter.settled.connect(self._tell_end)
        self._has_ended = False
        self.study = Study(self)
        self.runs = Runs(self.showing, self.study, self._presenter, self.where, self)
        self.box = Box(self.form, field, self.showing, self)
        self.ask = Ask(self._viewer, self.form, self.box, self.showing, self.runs, self.where, settings_path(), self)
        folds = Folds(settings_path().with_name("folds.json"))
        self._folding = Folding(self.form.fold, self.results.player.options_button, self.showing, folds, self)
        RememberedLooks(self.results, settings_path().with_name("looks.json"))
        self.keeping = KeepingBox(
            self.showing,
            self.study,
            self._viewer,
            picture=self._picture,
            look=lambda: look_now(self._viewer, self.showing, self.results.seen_now()),
            film=self._film,
            habits_file=settings_path().with_name("keeping.json"),
        )
        going = Going(self._viewer, self.form.image, self.showing, self.go_to_slice)
        self.runs_tab = RunsTab(self.showing, self.study, going, lambda: self.runs.is_running)
        self.runs_tab.add_to(self.results.tabs)
        self._hidden_masks = HiddenMasks()
        UnderCursor(self._viewer, self.showing, lambda: self.form.image.image, self)
        self._redraw = QTimer(self)  # drawn a turn later: layers must not be added while others are removed
        self._redraw.setSingleShot(True)
        self._redraw.timeout.connect(self._draw_input)
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(_SOON_MS)
        self._later.timeout.connect(self._draw_input)
        self._arrange()
        self.show_settings(remembered_settings(settings_path()))
        self._connect_widgets()
        self._connect_viewer(field)
        self.form.experts.refresh(self.form.image.image)
        self._on_image()
        spare_what_is_there(self._viewer.layers)

    @property
    def is_running(self) -> bool:
        """Whether a run goes on."""
        return self.runs.is_running

    @property
    def result(self) -> Result | None:
        """The run that is shown."""
        return self.showing.result

    @property
    def view(self) -> View | None:
        """The same at the threshold that is set."""
        return self.showing.view

    @property
    def settings(self) -> Settings:
        """What is set.

        Raises:
            SettingsError: If there is no model.
        """
        return self.ask.settings

    def show_settings(self, settings: Settings) -> None:
        """Set everything that can be set."""
        self.ask.show_settings(settings)

    def run(self) -> None:
        """Draw readings on the chosen image as it is shown now; problems are shown, not raised."""
        self.ask.run()

    def cancel(self) -> None:
        """Stop the run after the step that it is in."""
        self.ask.cancel()

    def request(self) -> Request:
        """What a run would be asked now.

        Raises:
            AmbisegError: If it cannot be run.
        """
        return self.ask.requests()[0]

    def go_to_slice(self, index: int, split: str | None = None) -> None:
        """Show another slice of the file that the chosen image is from, in the layers that are there."""
        image = self.form.image.image
        origin = origin_of(image)
        if image is None or origin is None or (index, split or origin.split) == (origin.index, origin.split):
            return
        layers = [layer for layer in self._viewer.layers if belongs_to(layer, image)]
        try:
            painted = sources.go_to(origin, index, layers, split=split)
        except AmbisegError as error:
            self.form.show_origin(origin)
            self._fail(error)
            return
        self.form.say("".join(f"What was painted is kept in the hidden layer {kept.name!r}. " for kept in painted))
        for kept in painted:
            self._viewer.add_layer(kept)
        self._on_image()

    def where(self) -> Where | None:
        """The slice that is looked at; None if there is none, or none that can be read."""
        image = self.form.image.image
        if image is None:
            return None
        try:
            plane = plane_of(image, point=self._viewer.dims.point, displayed=self._viewer.dims.displayed)
        except AmbisegError:
            return None
        return where_of(image, plane.index)

    def zoom(self) -> None:
        """Fill the view with the model's field of view."""
        self.form.zoom.click()

    def showEvent(self, event: QShowEvent) -> None:
        """The window has its height."""
        super().showEvent(event)
        self._folding.fit(self.window().height())

    # What the runs tell

    def _on_started(self) -> None:
        self.error, self._has_ended = None, False
        self.results.player.pause()

    def _on_drawn(self, result: Result) -> None:
        self.form.say(self.ask.told(result))
        if result is self.result:
            self._hide_expert_layers()
            self._show_newest_layers()

    def _on_ended(self, error: Exception | None) -> None:
        if error is not None:
            self._fail(error)
        self._has_ended = True
        self._tell_end()

    def _tell_end(self) -> None:
        """Say that a run has ended, when all that it brought is shown."""
        if self._has_ended and not self._presenter.is_adding:
            self._has_ended = False
            self.run_ended.emit()

    def _fail(self, error: Exception) -> None:
        """Say what is wrong, in the dock and as napari's notification; everything that is loaded stays."""
        self.error = error
        text = str(error) if isinstance(error, AmbisegError) else f"unexpected {type(error).__name__}: {error}"
        self.form.say(text, is_error=True)
        show_error(text)

    # What the viewer tells

    def _on_layers(self, event: object = None) -> None:
        newest = getattr(event, "value", None) if getattr(event, "type", "") == "inserted" else None
        if newest is not None and role_of(newest) is not None:
            return
        self.form.image.refresh(newest if isinstance(newest, Image) else None)
        self.form.experts.refresh(self.form.image.image)

    def _on_image(self) -> None:
        """Another image, or another slice of its file."""
        image = self.form.image.image
        if image is None:
            self._presenter.stop_adding()
        self.box.go_back()
        self.ask.refresh()
        self.form.show_origin(origin_of(image))
        self.form.experts.refresh(image)
        self._redraw.start()
        self._show_here()

    def _draw_input(self) -> None:
        """Show where the model would look, and the readings that are there; before, what the experts drew."""
        self._attend_hidden()
        if self.runs.shows_soon:
            self._later.start()
            return
        image, where = self.form.image.image, self.where()
        self._restore(image)
        if self.result is None and where is not None and (found := self.study.of(where)):
            self.showing.show(found[-1])
        self.box.draw(add_missing=True)
        if image is None or self.result is not None:
            return
        if not self.form.experts.layers:
            self._presenter.hide_experts()
            return
        try:
            plane = plane_of(image, point=self._viewer.dims.point, displayed=self._viewer.dims.displayed)
            experts = expert_masks(self.form.experts.layers, image, plane.index)
        except AmbisegError:
            return  # Run says why
        self._presenter.show_experts(plane, experts)
        self._hide_expert_layers()

    def _move_field(self, event: object = None) -> None:
        """Another slice is shown. Nothing is added: napari moves to another slice also while layers are removed."""
        self.box.draw(add_missing=False)
        self.ask.refresh()
        self._show_here()

    def _show_here(self) -> None:
        """Readings of another slice go at once; those of this one come when layers may be added (``_redraw``)."""
        where = self.where()
        if self.form.image.image is not None and (self.result is None or self.result.request.where != where):
            self.showing.clear()
            self._redraw.start()
        self.keeping.accepting.attend(where)

    def _hide_expert_layers(self) -> None:
        """The experts' masks that came with the image give way to their outlines, which are finer."""
        for layer in self.form.experts.layers:
            if origin_of(layer) is not None and layer.visible:  # napari redraws all in any case
                layer.visible = False

    def _attend_hidden(self) -> None:
        """Experts that are hidden must not be seen in their own layers either."""
        hidden, experts = self.showing.hidden, self.form.experts.layers
        self._hidden_masks.attend(experts, are_hidden=hidden.experts)
        if hidden.told:
            unseen = (layer for layer in self._viewer.layers if not layer.visible)
            blank_thumbnails(layer for layer in unseen if layer in experts or role_of(layer) is not None)

    def _on_hidden(self) -> None:
        self._attend_hidden()
        self.form.browse.hide_experts(self.showing.hidden.experts)
        self._redraw.start()

    def _show_newest_layers(self) -> None:
        """Scroll the layer list to its top, where the layers of results are."""
        window = getattr(self._viewer.window, "_qt_viewer", None)  # napari has no public way to its layer list
        if window is not None:
            window.layers.scrollToTop()

    def _picture(self, form: KeepForm) -> NDArray[np.uint8]:
        return whole_slice(self._viewer) if form is forms.WHOLE else enlarged_view(self._viewer)

    def _film(self) -> FilmChoice:
        """What films show: what the player does."""
        player = self.results.player
        return player.way.shown, None if player.way.of_all else self.showing.selected, player.speed

    def _restore(self, image: Image | None) -> None:
        """Take over the session that an image came with, if it did."""
        where, session = self.where(), None if image is None else take_session(image)
        if image is None or session is None or where is None:
            return
        try:
            results, settings = results_of(session, image), settings_of(session)
        except AmbisegError as error:
            self._fail(error)
            return
        self.show_settings(settings)
        for result in results:
            self.study.add(result)
        look = look_of(session)
        self.results.see(look.seen)
        if results:
            self.box.go_to(results[-1].sampled.placement)
            self.showing.show(results[-1])
        self._hide_expert_layers()
        bind_masks(self._viewer, where)
        show_look(look, self._viewer, self.showing)
        self.form.say(restored_told(session))
        self.keeping.compare(session)

    # Putting it together

    def _connect_widgets(self) -> None:
        self.form.slice_number.valueChanged.connect(lambda number: self.go_to_slice(number - 1))
        self.form.browse.slice_wanted.connect(self.go_to_slice)
        self.form.image.image_changed.connect(self._on_image)
        self.form.experts.experts_changed.connect(self._redraw.start)
        self.form.settings.model_changed.connect(self._redraw.start)
        self.results.player.film_button.clicked.connect(self.keeping.ask_for_film)
        self.keeping.said.connect(self.form.say)
        self.keeping.failed.connect(self._fail)
        self.results.seen_changed.connect(self._presenter.show_roles)
        self.showing.hidden_changed.connect(self._on_hidden)
        self.ask.started.connect(self._on_started)
        self.ask.failed.connect(self._fail)
        self.runs_tab.again_wanted.connect(self.ask.start)
        self.runs_tab.told.connect(lambda told: self.form.say(told, is_error=True))
        self.runs.drawn.connect(self._on_drawn)
        self.runs.ended.connect(self._on_ended)

    def _connect_viewer(self, field: FieldOfView) -> None:
        events = self._viewer.layers.events
        connections = Connections()
        connections.make((events.inserted, events.removed, events.reordered, events.renamed), self._on_layers)
        dims = self._viewer.dims.events
        connections.make((dims.current_step, dims.order, dims.ndisplay), self._move_field)
        sampler = self.runs.sampler

        def let_go() -> None:  # no method: the widget is gone by then
            connections.drop()
            field.end_placing()

        self.destroyed.connect(let_go)
        self.destroyed.connect(sampler.cancel)

    def _arrange(self) -> None:
        inner = QWidget()
        inner.setStyleSheet(TIGHT)
        layout = QVBoxLayout(inner)
        layout.setContentsMargins(6, 2, 6, 2)
        layout.setSpacing(4)
        for widget in (self.form, self.keeping, self.results, Foot()):
            layout.addWidget(widget)
        layout.setStretchFactor(self.results, 1)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(TallScroll(inner, holder=self))

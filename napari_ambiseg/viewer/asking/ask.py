"""What the upper half of the dock asks for: runs on one slice or many, of one model or several, and more readings.

It reads the form and the layers, starts runs, and says how they go and how long they will take. Problems are told by a
signal, never raised.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from napari.components import ViewerModel
from napari.layers import Image
from qtpy.QtCore import QObject, Signal

from napari_ambiseg.engine import model_file, takes_steps
from napari_ambiseg.errors import AmbisegError, InputImageError
from napari_ambiseg.viewer.asking import machine, summary
from napari_ambiseg.viewer.asking.batch import Batch
from napari_ambiseg.viewer.asking.box import Box
from napari_ambiseg.viewer.asking.form import Form
from napari_ambiseg.viewer.asking.region_spin import region_warning
from napari_ambiseg.viewer.asking.request import more_of, why_no_more
from napari_ambiseg.viewer.asking.run_row import Standing
from napari_ambiseg.viewer.asking.runs import Runs
from napari_ambiseg.viewer.image import volume_slices
from napari_ambiseg.viewer.image.plane import Plane, plane_of
from napari_ambiseg.viewer.image.where import Where
from napari_ambiseg.viewer.session import pace
from napari_ambiseg.viewer.session.live import LivePicture
from napari_ambiseg.viewer.session.pace import Paces, pace_path
from napari_ambiseg.viewer.session.remembering import Keep, Remembering
from napari_ambiseg.viewer.session.result import Request, Result, told, window_of
from napari_ambiseg.viewer.session.settings import Settings, remember_settings
from napari_ambiseg.viewer.session.showing import Showing

Planes = Callable[[Image, Plane], Sequence[Plane]]
"""Which slices are read, given the image and the one that is shown."""


def _here(_: Image, plane: Plane) -> Sequence[Plane]:
    return (plane,)


class Ask(QObject):
    """Joins form and runs.

    Args:
        viewer: Its slices are read.
        form: What is set, and where it is told how things go.
        box: Where the model looks.
        showing: What is shown.
        runs: What goes on.
        where: The slice that is looked at; None if there is none.
        settings_file: Where settings are kept, and beside it the paces.

    Signals:
        started: A run begins, or is prepared.
        failed: The exception; nothing has begun.
    """

    started = Signal()
    failed = Signal(object)

    def __init__(
        self,
        viewer: ViewerModel,
        form: Form,
        box: Box,
        showing: Showing,
        runs: Runs,
        where: Callable[[], Where | None],
        settings_file: Path,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer, self._form, self._box, self._showing, self._runs = viewer, form, box, showing, runs
        self._where, self._settings_file = where, settings_file
        self._paces = Paces(pace_path(settings_file))
        self._what = "run"
        self._batch: Batch | None = None
        self._remembering = Remembering(form, self._keep_now)
        self._connect()

    @property
    def settings(self) -> Settings:
        """What is set.

        Raises:
            SettingsError: If there is no model.
        """
        reach = self._form.buttons.menu.reach.value()
        return replace(self._form.settings.settings(self._showing.threshold), reach_mm=reach)

    def show_settings(self, settings: Settings) -> None:
        """Set everything that can be set."""
        self._form.settings.show_settings(settings)
        self._form.buttons.menu.reach.setValue(settings.reach_mm)
        self._box.follow_settings()
        self._showing.set_threshold(settings.threshold)
        self._remembering.forget()  # the user has chosen nothing
        self.refresh()

    def run(self) -> None:
        """Draw readings on the slice that is shown."""
        self._run(_here)

    def run_marked(self) -> None:
        """Draw readings on all slices that experts marked inside the box."""
        self._run(self._marked)

    def run_near(self, reach_mm: float) -> None:
        """Draw readings on all slices within so many millimetres of the one that is shown."""
        self._run(lambda image, plane: volume_slices.near(image, plane, reach_mm))

    def run_more(self) -> None:
        """Add readings to those that are shown."""
        result = self._showing.result
        if result is None or self._runs.is_running or self._obstacle():
            return
        self._start([more_of(result, self.settings)])

    def start(self, requests: Sequence[Request]) -> None:
        """Fulfil requests that are complete, whatever is set in the form."""
        if requests and not self._runs.is_running:
            self._start(requests)

    def cancel(self) -> None:
        """Stop the run after the step that it is in."""
        if self._runs.is_running:
            self._form.buttons.show_cancelling()
            self._runs.cancel()

    def requests(self) -> list[Request]:
        """What a run on the slice that is shown would be asked now, of each model that is chosen.

        Raises:
            AmbisegError: If it cannot be read.
        """
        return self._batch_of(_here).requests()

    def refresh(self) -> None:
        """Say anew what can be asked, and how long it would take."""
        image, buttons = self._form.image.image, self._form.buttons
        buttons.choose.setVisible(image is not None and volume_slices.is_volume(image))
        try:
            settings = self.settings
        except AmbisegError:
            return  # Run says why
        expected = self._paces.expected_s(settings)
        steps = sum(settings.readings * (settings.options.steps if takes_steps(m) else 1) for m in settings.models)
        region = self._form.settings.region
        buttons.show_expected(pace.told(expected))
        self._form.fold.say(summary.in_a_line(settings, pace.told(expected)), summary.in_full(settings))
        buttons.show_more(settings.readings, self._obstacle())
        self._form.show_hints(
            region_warning(region.region_mm, region.own_mm),
            machine.wait_warning(expected, steps=steps, device=settings.device),
        )

    def told(self, result: Result) -> str:
        """What to say of a run that has just brought a result."""
        if result is self._showing.result:
            return told(result)
        if self._runs.count > 1:
            return f"{self._done()} read; go to one of them to see its readings."
        return "Another slice is shown by now; the readings are kept, and shown when you go back to it."

    # Asking

    def _run(self, planes: Planes) -> None:
        if self._runs.is_running:
            return
        if not self._form.settings.keep_seed.value:
            self._form.settings.draw_seed()
        try:
            batch = self._batch_of(planes)
            requests = batch.requests() if batch.slices < 2 else ()
            remember_settings(self.settings, self._settings_file)
            self._remembering.forget()
        except AmbisegError as error:
            self.failed.emit(error)
            return
        if requests:
            self._start(requests)
        else:
            self._prepare(batch)

    def _keep_now(self) -> Keep | None:
        try:
            return partial(remember_settings, self.settings, self._settings_file)
        except AmbisegError:
            return None  # Run says why

    def _batch_of(self, planes: Planes) -> Batch:
        image = self._form.image.image
        if image is None:
            raise InputImageError("no image is open; open one, or take 'CT slices' under File > Open Sample")
        plane = self._plane(image)
        return Batch(
            image,
            self._form.experts.layers,
            planes(image, plane),
            centre_px=self._box.centre_px(image, plane),
            settings=self.settings,
        )

    def _prepare(self, batch: Batch) -> None:
        self._begin()
        self._form.say(f"Preparing {batch.slices} slices …")
        self._batch = batch
        self._runs.prepare(batch)
        self._follow_escape()

    def _start(self, requests: Sequence[Request]) -> None:
        self._begin()
        self._runs.start(requests)
        self._follow_escape()

    def _begin(self) -> None:
        self._batch = None
        self._box.end_placing()
        self.started.emit()
        self._form.buttons.show_running()

    def _plane(self, image: Image) -> Plane:
        return plane_of(image, point=self._viewer.dims.point, displayed=self._viewer.dims.displayed)

    def _marked(self, image: Image, plane: Plane) -> Sequence[Plane]:
        placement = self._box.placement(self._form.settings.model.path)
        if placement is None:
            return (plane,)  # a run says why
        return volume_slices.marked(image, plane, self._form.experts.layers, window_of(placement))

    def _count(self, planes: Planes) -> int:
        """How many slices a menu entry stands for."""
        image = self._form.image.image
        if image is None or not volume_slices.is_volume(image):
            return 0
        try:
            return len(planes(image, self._plane(image)))
        except AmbisegError:
            return 0

    def _expected(self, slices: int) -> str:
        """How long so many slices take, as one says it; "" if that is not known."""
        try:
            return pace.told(self._paces.expected_s(self.settings, slices=slices))
        except AmbisegError:
            return ""  # Run says why

    def _obstacle(self) -> str:
        """Why there can be no more readings; "" if there can."""
        result = self._showing.result
        try:
            model = None if result is None else model_file(result.request.settings.model)
            placement = self._box.placement(model)
            return why_no_more(result, self.settings, where=self._where(), placement=placement)
        except AmbisegError as error:
            return str(error)

    # What the runs tell

    def _on_started(self, requests: Sequence[Request]) -> None:
        first = requests[0]
        slices, models = ({get(r) for r in requests} for get in (lambda r: r.where, lambda r: r.settings.model))
        kinds = {(True, False): "slice", (False, True): "model"}
        self._what = kinds.get((len(slices) > 1, len(models) > 1), "run")
        on = f"{first.image_name!r}" if len(slices) == 1 else f"{len(slices)} slices of {first.image_name!r}"
        by = f" with {len(models)} models" if len(models) > 1 else ""
        self._form.say(f"Reading {on}{by}, {first.count} times{' each' if len(requests) > 1 else ''} …")

    def _on_progress(self, picture: LivePicture) -> None:
        standing = Standing(self._runs.fulfilled, self._runs.count, self._what)
        self._form.buttons.show_progress(picture.progress, standing)

    def _on_ended(self, error: Exception | None) -> None:
        self._form.buttons.show_idle()
        if error is None and self._runs.was_cancelled:
            kept = f" after {self._done()}, which are kept" if self._runs.fulfilled else ""
            self._form.say(f"Cancelled{kept}.")
        elif error is None and self._batch is not None and (left_out := self._batch.left_out):
            self._form.say(f"{self._done()} read. {len(left_out)} could not be; the first says: {left_out[0]}")
        self._batch = None  # it holds the volume
        self.refresh()

    def _done(self) -> str:
        done, count = self._runs.fulfilled, self._runs.count
        return f"{done} of {count} {self._what}{'s' if count > 1 else ''}"

    # Keys

    def _on_escape(self) -> None:
        if self._box.is_being_placed:
            self._box.step_back()
        else:
            self.cancel()

    def _follow_escape(self) -> None:
        """Esc is napari's unless there is something to end."""
        self._form.escape.setEnabled(self._box.is_being_placed or self._runs.is_running)

    def _connect(self) -> None:
        form, menu = self._form, self._form.buttons.menu
        menu.marked = lambda: None if self._showing.hidden.experts else self._count(self._marked)
        menu.expected = self._expected
        menu.near = lambda reach: self._count(lambda image, plane: volume_slices.near(image, plane, reach))
        for signal in (form.run.clicked, menu.here_wanted):
            signal.connect(lambda *_: self.run())
        menu.marked_wanted.connect(self.run_marked)
        menu.near_wanted.connect(self.run_near)
        form.buttons.more.clicked.connect(lambda *_: self.run_more())
        form.cancel.clicked.connect(lambda *_: self.cancel())
        form.escape.activated.connect(self._on_escape)
        self._box.placing_changed.connect(self._follow_escape)
        self._box.moved.connect(self.refresh)
        for signal in (form.settings.changed, menu.reach.valueChanged, self._showing.view_changed):
            signal.connect(lambda *_: self._remembering.ask())
        form.settings.changed.connect(self.refresh)
        self._showing.result_changed.connect(self.refresh)
        self._runs.started.connect(self._on_started)
        self._runs.progressed.connect(self._on_progress)
        self._runs.drawn.connect(self._paces.learn)
        self._runs.ended.connect(self._on_ended)
        self._runs.ended.connect(self._follow_escape)

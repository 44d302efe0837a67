"""The form of settings: models, number of readings, steps; sampler, seed, region, device and engine under "More".

The plain values are magicgui's widgets: each has a ``value`` and a range that it keeps; ``native`` is its Qt widget.
"""

import secrets
from collections.abc import Mapping
from pathlib import Path

from magicgui.widgets import CheckBox, ComboBox, FloatSpinBox, PushButton, SpinBox
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from napari_ambiseg.diffusion.sampling import SAMPLERS, WITH_ETA
from napari_ambiseg.engine import ENGINES, SamplingOptions, takes_steps
from napari_ambiseg.errors import AmbisegError, SettingsError
from napari_ambiseg.viewer.asking.device_chooser import DeviceChooser
from napari_ambiseg.viewer.asking.model_chooser import ModelChooser
from napari_ambiseg.viewer.asking.region_spin import RegionSpin
from napari_ambiseg.viewer.canvas.field_of_view import grid_of
from napari_ambiseg.viewer.session.settings import MOST_READINGS, Settings
from napari_ambiseg.viewer.widgets.fold import Fold

_LARGEST_SEED = 2**31 - 1  # of a Qt spin box
SAMPLER_NAMES = {
    "ddim": "Steady",
    "ddpm": "Fresh noise at each step",
    "ddpm-large": "More fresh noise",
    "dpm++2m": "Quick and steady",
    "sde-dpm++2m": "Quick, with fresh noise",
}


class SettingsForm(QWidget):
    """Shows and edits ``Settings`` but for the threshold and the reach, which are set elsewhere.

    Signals:
        model_changed: Another model is chosen.
        region_changed: Another size of the field of view is wanted.
        changed: Something is set otherwise, whatever it is.
    """

    model_changed = Signal()
    region_changed = Signal()
    changed = Signal()

    def __init__(self, bundled: Mapping[str, Path], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = ModelChooser(bundled)
        self.readings = SpinBox(value=16, min=1, max=MOST_READINGS, tooltip="How many readings to draw")
        usual = SamplingOptions()
        self.steps = SpinBox(
            value=usual.steps, min=1, max=1000, tooltip="Steps of the reverse diffusion; more take longer"
        )
        self.sampler = ComboBox(
            choices=[(f"{SAMPLER_NAMES.get(name, 'Sampler')} ({name})", name) for name in SAMPLERS],
            tooltip="How the reverse diffusion moves from step to step",
            value=usual.sampler,
        )
        self.eta = FloatSpinBox(
            value=0.0,
            min=0.0,
            max=1.0,
            step=0.1,
            tooltip="How much fresh noise ddim and dpm++2m add at each step (eta): 0 none, 1 as much as ddpm",
        )
        self.pairs = CheckBox(
            value=True,
            text="In pairs",
            tooltip="Ticked: every second reading has the noise of the one before it, turned around. Each is as fair a "
            "draw as without, and few readings show more of what the model might have drawn. GED of 16 such readings "
            "is usually lower than that of 16 independent ones",
        )
        self.seed = SpinBox(value=0, min=0, max=_LARGEST_SEED, tooltip="The same seed gives the same readings")
        self.new_seed = PushButton(text="New", tooltip="Take another seed now, drawn at random")
        self.keep_seed = CheckBox(
            value=True,
            text="Keep",
            tooltip="Ticked: the next run has this seed again. Otherwise each run draws a new one",
        )
        self.region = RegionSpin()
        self.device = DeviceChooser()
        self.engine = ComboBox(
            choices=list(ENGINES), value="auto", tooltip="What computes; one that cannot gives way to the next best"
        )
        self.chunk = SpinBox(
            value=0,
            min=0,
            max=MOST_READINGS,
            tooltip="Readings drawn at once: not which, only how quickly. 0 leaves it to the engine",
        )
        self._about_steps = {widget: widget.tooltip for widget in (self.steps, self.sampler)}
        self._connect()
        self._arrange()
        self._show_own_size()
        self._show_what_steps_are_for()

    def settings(self, threshold: float) -> Settings:
        """What is set.

        Raises:
            SettingsError: If there is no model.
        """
        if not self.model.name:
            raise SettingsError("no model is bundled with this installation; open a model file with the … button")
        options = SamplingOptions(steps=self.steps.value, sampler=self.sampler.value, eta=self.eta.value)
        return Settings(
            model=self.model.name,
            readings=self.readings.value,
            options=options,
            seed=self.seed.value,
            threshold=threshold,
            device=self.device.device,
            engine=self.engine.value,
            chunk=self.chunk.value,
            also=self.model.also,
            region_mm=self.region.region_mm,
            keep_seed=self.keep_seed.value,
            antithetic=self.pairs.value,
        )

    def show_settings(self, settings: Settings) -> None:
        """Fill the form."""
        self.model.choose(settings.model, also=settings.also)
        self.readings.value = settings.readings
        self.steps.value = settings.options.steps
        self.sampler.value = settings.options.sampler
        self.eta.value = settings.options.eta
        self._show_what_steps_are_for()
        self.seed.value = settings.seed
        self.keep_seed.value = settings.keep_seed
        self.pairs.value = settings.antithetic
        self.region.choose(settings.region_mm)
        self.device.choose(settings.device)
        self.engine.value = settings.engine
        self.chunk.value = settings.chunk

    def draw_seed(self) -> None:
        """Take another seed, at random."""
        self.seed.value = secrets.randbelow(_LARGEST_SEED + 1)

    def _show_what_steps_are_for(self, *_: object) -> None:
        """Models that answer in one step look at neither steps nor sampler, and only some samplers look at eta."""
        in_steps = any(takes_steps(name) for name in (self.model.name, *self.model.also))
        for widget, tip in self._about_steps.items():
            widget.enabled = in_steps
            widget.tooltip = tip if in_steps else f"{tip}; not now: the model answers in one step"
        self.eta.enabled = in_steps and self.sampler.value in WITH_ETA

    def _show_own_size(self) -> None:
        """The size that the chosen model was made for."""
        path = self.model.path
        try:
            own_mm = None if path is None else grid_of(path).extent_mm[0]
        except AmbisegError:
            own_mm = None  # Run says why
        self.region.show_own(own_mm)

    def _connect(self) -> None:
        self.sampler.changed.connect(self._show_what_steps_are_for)
        for signal in (self.model.model_changed, self.model.others_changed):
            signal.connect(self._show_what_steps_are_for)
        self.new_seed.changed.connect(self.draw_seed)
        self.model.model_changed.connect(self._show_own_size)
        self.model.model_changed.connect(self.model_changed)
        self.region.region_changed.connect(self.region_changed)
        for widget in (
            self.readings,
            self.steps,
            self.sampler,
            self.eta,
            self.pairs,
            self.seed,
            self.keep_seed,
            self.engine,
            self.chunk,
        ):
            widget.changed.connect(lambda *_: self.changed.emit())
        for signal in (self.model_changed, self.model.others_changed, self.region_changed, self.device.device_changed):
            signal.connect(self.changed)

    def _arrange(self) -> None:
        for combo in (self.sampler.native, self.engine.native):
            assert isinstance(combo, QComboBox)
            combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            combo.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        form = QFormLayout()
        form.addRow("Model", self.model)
        form.addRow("Readings", beside(self.readings.native, "Steps", self.steps.native))
        rest = QWidget()
        more = Fold("More", rest)
        more.fold(True)
        rest_form = QFormLayout(rest)
        rest_form.setContentsMargins(0, 0, 0, 0)
        rest_form.addRow("Sampler", self.sampler.native)
        rest_form.addRow("Noise", _row(self.eta.native, self.pairs.native))
        rest_form.addRow("Seed", _row(self.seed.native, self.new_seed.native, self.keep_seed.native))
        rest_form.addRow("Region", self.region)
        rest_form.addRow("Device", self.device)
        rest_form.addRow("Engine", beside(self.engine.native, "at once", self.chunk.native))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(form)
        layout.addWidget(more)
        tight(form)
        tight(rest_form)


def _row(first: QWidget, *others: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    row.addWidget(first, 1)
    for other in others:
        row.addWidget(other)
    return row


def beside(left: QWidget, text: str, right: QWidget) -> QHBoxLayout:
    """Two fields in one row, the second with a label."""
    row = QHBoxLayout()
    row.addWidget(left, 1)
    row.addWidget(QLabel(text))
    row.addWidget(right, 1)
    return row


def tight(form: QFormLayout) -> None:
    """Little space between rows: the dock has to fit a small screen."""
    form.setVerticalSpacing(3)
    form.setHorizontalSpacing(6)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)

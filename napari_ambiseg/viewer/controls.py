"""The form of settings: model, number of readings, steps; sampler, eta, seed and engine under "More".

The plain values are magicgui's widgets: each has a ``value`` and a range that it keeps; ``native`` is its Qt widget.
"""

from collections.abc import Mapping
from pathlib import Path

from magicgui.widgets import ComboBox, FloatSpinBox, SpinBox
from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from napari_ambiseg.diffusion.sampling import SAMPLERS, WITH_ETA
from napari_ambiseg.engine import ENGINES, SamplingOptions
from napari_ambiseg.errors import SettingsError
from napari_ambiseg.viewer.settings import MOST_READINGS, Settings

_LARGEST_SEED = 2**31 - 1  # of a Qt spin box


class ModelChooser(QWidget):
    """The bundled models, and any file.

    Signals:
        model_changed: Another model is chosen.
    """

    model_changed = Signal()

    def __init__(self, bundled: Mapping[str, Path], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._box = QComboBox()
        self._box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._box.setToolTip("The model that reads the image")
        for name, path in bundled.items():
            self._box.addItem(name, userData=(name, path))
        self._box.currentIndexChanged.connect(self.model_changed)
        opener = QToolButton()
        opener.setText("…")
        opener.setToolTip("Open a model file (.safetensors)")
        opener.clicked.connect(self._ask)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._box)
        layout.addWidget(opener)

    @property
    def name(self) -> str:
        """Name of a bundled model or path of a file; "" if there is none."""
        return self._box.currentData()[0] if self._box.count() else ""

    @property
    def path(self) -> Path | None:
        """Its file."""
        return self._box.currentData()[1] if self._box.count() else None

    def choose(self, name_or_path: str) -> None:
        """Choose a model; a file that is not in the list is added if it exists, anything else changes nothing."""
        names = [self._box.itemData(i)[0] for i in range(self._box.count())]
        if name_or_path in names:
            self._box.setCurrentIndex(names.index(name_or_path))
        elif (path := Path(name_or_path)).is_file():
            self._box.addItem(path.stem, userData=(str(path), path))
            self._box.setCurrentIndex(self._box.count() - 1)

    def _ask(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Open a model", "", "Models (*.safetensors)")
        if path:
            self.choose(path)


class SettingsForm(QWidget):
    """Shows and edits ``Settings`` but for the threshold, which is set where results are shown.

    Signals:
        model_changed: Another model is chosen.
    """

    model_changed = Signal()

    def __init__(self, bundled: Mapping[str, Path], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = ModelChooser(bundled)
        self.model.model_changed.connect(self.model_changed)
        self.readings = SpinBox(value=16, min=1, max=MOST_READINGS, tooltip="How many readings to draw")
        self.steps = SpinBox(value=10, min=1, max=1000, tooltip="Steps of the reverse diffusion; more take longer")
        self.sampler = ComboBox(
            choices=list(SAMPLERS), tooltip="How the reverse diffusion moves from step to step", value="ddim"
        )
        self.eta = FloatSpinBox(
            value=0.0, min=0.0, max=1.0, step=0.1, tooltip="Fresh noise of DDIM and DPM++2M: 0 none, 1 as much as DDPM"
        )
        self.sampler.changed.connect(self._show_what_eta_is_for)
        self.seed = SpinBox(value=0, min=0, max=_LARGEST_SEED, tooltip="The same seed gives the same readings")
        self.engine = ComboBox(
            choices=list(ENGINES), value="auto", tooltip="What computes; one that cannot gives way to the next best"
        )
        self.chunk = SpinBox(
            value=0, min=0, max=MOST_READINGS, tooltip="Readings drawn at once; changes only how long a run takes"
        )
        self.chunk.native.setSpecialValueText("auto")
        self._arrange()

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
            engine=self.engine.value,
            chunk=self.chunk.value,
        )

    def show_settings(self, settings: Settings) -> None:
        """Fill the form."""
        self.model.choose(settings.model)
        self.readings.value = settings.readings
        self.steps.value = settings.options.steps
        self.sampler.value = settings.options.sampler
        self.eta.value = settings.options.eta
        self._show_what_eta_is_for(settings.options.sampler)
        self.seed.value = settings.seed
        self.engine.value = settings.engine
        self.chunk.value = settings.chunk

    def _show_what_eta_is_for(self, sampler: str) -> None:
        self.eta.enabled = sampler in WITH_ETA

    def _arrange(self) -> None:
        form = QFormLayout()
        form.addRow("Model", self.model)
        form.addRow("Readings", beside(self.readings.native, "Steps", self.steps.native))
        more = QCollapsible("More")
        if (inside := more.layout()) is not None:
            inside.setContentsMargins(0, 0, 0, 0)
        rest = QWidget()
        rest_form = QFormLayout(rest)
        rest_form.setContentsMargins(0, 0, 0, 0)
        rest_form.addRow("Sampler", beside(self.sampler.native, "eta", self.eta.native))
        rest_form.addRow("Seed", self.seed.native)
        rest_form.addRow("Engine", beside(self.engine.native, "at once", self.chunk.native))
        more.addWidget(rest)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(form)
        layout.addWidget(more)
        tight(form)
        tight(rest_form)


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

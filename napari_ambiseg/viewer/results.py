"""What the dock shows of a result: threshold, agreement, the table, the reverse diffusion, what is seen."""

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QRadioButton,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from napari_ambiseg.viewer.elided import ElidedLabel
from napari_ambiseg.viewer.looks import MODEL_COLOUR
from napari_ambiseg.viewer.origin import Role
from napari_ambiseg.viewer.player import Player
from napari_ambiseg.viewer.result import View, summary
from napari_ambiseg.viewer.table import Metric, ReadingsTable

_PER_UNIT = 100  # positions of the threshold slider
_SEEN = {
    "Experts": (Role.EXPERTS,),
    "Readings": (Role.READINGS, Role.SELECTED),
    "Probability": (Role.PROBABILITY,),
}


class ResultsBox(QWidget):
    """The lower half of the dock.

    Signals:
        threshold_changed: The relative-area threshold, 0 to 1.
        reading_selected: Number of a reading.
        step_shown: Number of a kept step of the reverse diffusion.
        seen_changed: Roles, and whether they are to be seen.
        save_wanted: What is shown is to be saved.
    """

    threshold_changed = Signal(float)
    reading_selected = Signal(int)
    step_shown = Signal(int)
    seen_changed = Signal(object, bool)
    save_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._view: View | None = None
        self._names: tuple[str, ...] = ()
        self._selected = 0
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, _PER_UNIT)
        self.slider.setToolTip(
            "Readings whose area is below this share of the largest reading's are treated as empty (nothing there). "
            "Nothing is sampled again"
        )
        self._threshold_label = QLabel()
        self._threshold_label.setToolTip(self.slider.toolTip())
        self.slider.valueChanged.connect(self._on_slider)
        self.image_name = ElidedLabel()
        self.summary_label = QLabel()
        self.summary_label.setWordWrap(True)
        self.summary_label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.summary_label.setToolTip(
            "GED: generalised energy distance, 0 if readings and experts vary alike; smaller is better. "
            "Unbiased: pairs of a mask with itself left out"
        )
        self.table = ReadingsTable()
        self.table.selected.connect(self._on_selected)
        self.player = Player()
        self.player.moved.connect(self.step_shown)
        self.seen = {text: QCheckBox(text) for text in _SEEN}
        self.seen["Readings"].setStyleSheet(f"color: {MODEL_COLOUR};")
        self.seen["Readings"].setToolTip("Outlines of the model's readings; the selected one is white")
        self.seen["Experts"].setToolTip("Outlines of the experts, in the colours of the table's header")
        self.seen["Probability"].setToolTip(
            "The share of readings that mark each pixel, 0 to 1: the colour bar on the image"
        )
        self.save = QPushButton("Save…")
        self.save.setToolTip(
            "Save masks (NPZ), comparison (CSV), animation (GIF) and a picture of the window to a folder"
        )
        self.save.clicked.connect(self.save_wanted)
        self._metrics = {metric: QRadioButton(metric.value) for metric in Metric}
        self._arrange()
        self.clear()

    @property
    def threshold(self) -> float:
        """Relative-area threshold, 0 to 1."""
        return self.slider.value() / _PER_UNIT

    @property
    def agreement(self) -> Metric:
        """Which agreement the table shows."""
        return next(metric for metric, button in self._metrics.items() if button.isChecked())

    @property
    def selected(self) -> int:
        """Number of the reading that stands out."""
        return self._selected

    def seen_roles(self) -> list[tuple[tuple[Role, ...], bool]]:
        """Which layers are ticked to be seen."""
        return [(_SEEN[text], box.isChecked()) for text, box in self.seen.items()]

    def set_threshold(self, threshold: float) -> None:
        """Move the slider."""
        self.slider.setValue(round(threshold * _PER_UNIT))
        self._show_threshold()

    def set_metric(self, metric: Metric) -> None:
        """Choose the agreement that the table shows."""
        self._metrics[metric].setChecked(True)

    def show_view(self, view: View, names: tuple[str, ...]) -> None:
        """Show a view of a result; ``names`` are the experts'."""
        self._view, self._names = view, names
        self.save.setEnabled(True)
        self._selected = min(self._selected, len(view.areas_mm2) - 1)
        self.summary_label.setText(summary(view))
        self._show_table()

    def show_image_name(self, name: str) -> None:
        """Head the figures with the image that they are of; "" for none."""
        self.image_name.show_text(name)

    def clear(self) -> None:
        """Show that there is no result."""
        self.show_image_name("")
        self._view, self._selected = None, 0
        self.save.setEnabled(False)
        self.summary_label.setText("No readings yet")
        self.player.load(steps=(), log_snr=())
        self._show_table()

    def select(self, reading: int) -> None:
        """Let a reading stand out, from the next view on."""
        self._selected = reading

    def _arrange(self) -> None:
        threshold = QHBoxLayout()
        threshold.addWidget(self._threshold_label)
        threshold.addWidget(self.slider, 1)
        choices = QHBoxLayout()
        group = QButtonGroup(self)
        for button in self._metrics.values():
            group.addButton(button)
            choices.addWidget(button)
            button.toggled.connect(self._show_table)
        choices.addStretch(1)
        choices.addWidget(self.save)
        self._metrics[Metric.DICE].setChecked(True)
        shown = QHBoxLayout()
        shown.addWidget(QLabel("Show"))
        for text, box in self.seen.items():
            box.setChecked(True)
            box.toggled.connect(lambda on, roles=_SEEN[text]: self.seen_changed.emit(roles, on))
            shown.addWidget(box)
        shown.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addLayout(shown)
        layout.addLayout(threshold)
        layout.addWidget(self.image_name)
        layout.addWidget(self.summary_label)
        layout.addLayout(choices)
        layout.addWidget(self.table, 1)
        layout.addWidget(self.player)

    def _on_slider(self) -> None:
        self._show_threshold()
        self.threshold_changed.emit(self.threshold)

    def _show_threshold(self) -> None:
        self._threshold_label.setText(f"Empty if below {self.slider.value()} % of largest")

    def _on_selected(self, reading: int) -> None:
        if reading != self._selected:
            self._selected = reading
            self.reading_selected.emit(reading)

    def _show_table(self) -> None:
        self.table.show_view(self._view, self._names, self.agreement, selected=self._selected)

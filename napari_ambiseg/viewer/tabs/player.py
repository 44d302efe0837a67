"""Plays the reverse diffusion: play, pause, scrub, faster or slower. The last position is the finished readings."""

import math
from collections.abc import Sequence

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QPushButton, QSlider, QToolButton, QVBoxLayout, QWidget

from napari_ambiseg.io.film_frames import Shown
from napari_ambiseg.viewer.session.way import Way
from napari_ambiseg.viewer.widgets.elided import ElidedComboBox
from napari_ambiseg.viewer.widgets.shortcuts import NOTHING_YET, allow

_SECONDS = 3.0  # of a whole trajectory, at the usual speed
_SLOWEST_MS, _FASTEST_MS = 250, 30  # at the usual speed; faster than that, steps are left out
_SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0)
_SHOWN = {"Noise": Shown.X_T, "Mask": Shown.MASK, "Both": Shown.BOTH}
_PLAY = "Play the reverse diffusion: from noise to readings"
_WHOSE = {"Selected": False, "All": True}


class Player(QWidget):
    """A play button, a slider and the log SNR; how fast, and what of whom.

    Signals:
        moved: Number of the kept step to show, from 0.
        way_changed: The ``Way`` in which steps are to be shown.
        speed_changed: It plays faster or slower.
    """

    moved = Signal(int)
    way_changed = Signal(object)
    speed_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._steps: list[int] = []
        self._log_snr: list[float] = []
        self._stride = 1
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._advance)
        self._button = QPushButton()
        self._button.setFixedWidth(56)
        self._button.clicked.connect(self.toggle)
        self._slider = QSlider(Qt.Orientation.Horizontal)
        self._slider.valueChanged.connect(self._on_value)
        self._slider.sliderPressed.connect(self.pause)
        self._label = QLabel()
        self._label.setMinimumWidth(self._label.fontMetrics().horizontalAdvance("100/100 · log SNR +20.0"))
        self._label.setToolTip(
            "Step of the reverse diffusion, and how much noise is left there: log SNR is the logarithm of signal to "
            "noise, from about -20 (noise alone) to +20 (no noise left)"
        )
        self.speed_box = _box([f"{speed:g}×" for speed in _SPEEDS], _SPEEDS, tip="How fast it plays")
        self.speed_box.setCurrentIndex(_SPEEDS.index(1.0))
        self.shown_box = _box(
            list(_SHOWN),
            list(_SHOWN.values()),
            tip="Noise: the noisy mask x_t. Mask: what the model would draw at this step. Both: the outlines over x_t",
        )
        self.shown_box.setCurrentText("Both")
        self.whose_box = _box(
            list(_WHOSE),
            list(_WHOSE.values()),
            tip="Of the selected reading, or of all: the mean of their noise (of pairs, of the first of each), and the "
            "share of them that mark a pixel",
        )
        self.film_button = QPushButton("Film…")
        self.film_button.setToolTip("Save the reverse diffusion as it is shown here, as GIF or MP4")
        self._options = QWidget()
        self.options_button = QToolButton()
        self.options_button.setText("⋯")
        self.options_button.setCheckable(True)
        self.options_button.setChecked(True)
        self.options_button.setToolTip("How fast; noise, mask or both; of one reading or of all; save as a film")
        self.options_button.toggled.connect(self._options.setVisible)
        self.speed_box.currentIndexChanged.connect(self._set_pace)
        self.speed_box.currentIndexChanged.connect(lambda *_: self.speed_changed.emit())
        for box in (self.shown_box, self.whose_box):
            box.currentIndexChanged.connect(lambda *_: self.way_changed.emit(self.way))
        self._arrange()
        self.load(steps=(), log_snr=())
        self._show_button()

    def load(self, *, steps: Sequence[int], log_snr: Sequence[float]) -> None:
        """Make the kept steps of a run playable, standing at the last; none disables the player."""
        self.pause()
        self._steps, self._log_snr = list(steps), list(log_snr)
        blocked = self._slider.blockSignals(True)
        self._slider.setRange(0, max(0, len(self._steps) - 1))
        self._slider.setValue(self._slider.maximum())
        self._slider.blockSignals(blocked)
        self.setEnabled(len(self._steps) > 1)
        self._show_button()
        self._set_pace()
        self._show_label()

    @property
    def position(self) -> int:
        """Number of the kept step that is shown."""
        return self._slider.value()

    @property
    def is_at_end(self) -> bool:
        """Whether the finished readings are shown."""
        return self._slider.value() == self._slider.maximum()

    @property
    def is_playing(self) -> bool:
        """Whether it moves by itself."""
        return self._timer.isActive()

    @property
    def speed(self) -> float:
        """How many times as fast as usual it plays, 0.25 to 4."""
        return self.speed_box.currentData()

    @property
    def way(self) -> Way:
        """What is shown of each step."""
        return Way(self.shown_box.currentData(), self.whose_box.currentData())

    def choose(self, way: Way, *, speed: float) -> None:
        """Play in this way, and so many times as fast as usual; a speed that cannot be chosen changes nothing."""
        self.shown_box.setCurrentIndex(list(_SHOWN.values()).index(way.shown))
        self.whose_box.setCurrentIndex(list(_WHOSE.values()).index(way.of_all))
        if speed in _SPEEDS:
            self.speed_box.setCurrentIndex(_SPEEDS.index(speed))

    @property
    def interval_ms(self) -> int:
        """Time from one picture to the next."""
        return self._timer.interval()

    @property
    def stride(self) -> int:
        """Kept steps from one picture to the next."""
        return self._stride

    def toggle(self) -> None:
        """Play, from the start if it stands at the end; or pause."""
        if self.is_playing:
            self.pause()
            return
        if self.is_at_end:
            self._slider.setValue(0)
        self._timer.start()
        self._show_button()

    def pause(self) -> None:
        """Stop where it is."""
        self._timer.stop()
        self._show_button()

    def go_to(self, position: int) -> None:
        """Show a kept step."""
        self._slider.setValue(position)

    def _set_pace(self) -> None:
        usual = min(max(1000 * _SECONDS / max(1, len(self._steps)), _FASTEST_MS), _SLOWEST_MS)
        self._stride = max(1, math.ceil(_FASTEST_MS * self.speed / usual))
        self._timer.setInterval(round(usual * self._stride / self.speed))

    def _advance(self) -> None:
        self._slider.setValue(self._slider.value() + self._stride)
        if self.is_at_end:
            self.pause()

    def _on_value(self, position: int) -> None:
        self._show_label()
        self.moved.emit(position)

    def _show_label(self) -> None:
        if not self._steps:
            self._label.setText("")
            return
        step, log_snr = self._steps[self.position], self._log_snr[self.position]
        in_one_step = not math.isfinite(log_snr)
        self._label.setText("one step" if in_one_step else f"{step}/{self._steps[-1]} · log SNR {log_snr:+.1f}")

    def _show_button(self) -> None:
        self._button.setText("Pause" if self.is_playing else "Play")
        obstacle = "" if len(self._steps) > 1 else NOTHING_YET if not self._steps else "the model answers in one step"
        allow(self._button, "Pause" if self.is_playing else _PLAY, obstacle)

    def _arrange(self) -> None:
        first, second = QHBoxLayout(), QHBoxLayout()
        for row in (first, second):
            row.setSpacing(3)
        first.addWidget(self._button)
        first.addWidget(self._slider, 1)
        first.addWidget(self._label)
        first.addWidget(self.options_button)
        for box in (self.speed_box, self.shown_box, self.whose_box):
            second.addWidget(box, 1)
        second.addWidget(self.film_button)
        self._options.setLayout(second)
        second.setContentsMargins(0, 0, 0, 0)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addLayout(first)
        layout.addWidget(self._options)


def _box(texts: Sequence[str], values: Sequence[object], *, tip: str) -> QComboBox:
    box = ElidedComboBox(least=max(texts, key=len))
    for text, value in zip(texts, values, strict=True):
        box.addItem(text, userData=value)
    box.setToolTip(tip)
    return box

"""Plays the reverse diffusion: play, pause, scrub. The last position is the finished readings."""

from collections.abc import Sequence

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSlider, QWidget

_SECONDS = 3.0  # of a whole trajectory
_SLOWEST_MS, _FASTEST_MS = 250, 30


class Player(QWidget):
    """A play button, a slider and the log SNR.

    Signals:
        moved: Number of the kept step to show, from 0.
    """

    moved = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._steps: list[int] = []
        self._log_snr: list[float] = []
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
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self._button, self._slider, self._label):
            layout.addWidget(widget)
        layout.setStretch(1, 1)
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

    def toggle(self) -> None:
        """Play, from the start if it stands at the end; or pause."""
        if self.is_playing:
            self.pause()
            return
        if self.is_at_end:
            self._slider.setValue(0)
        interval = 1000 * _SECONDS / max(1, len(self._steps))
        self._timer.start(round(min(max(interval, _FASTEST_MS), _SLOWEST_MS)))
        self._show_button()

    def pause(self) -> None:
        """Stop where it is."""
        self._timer.stop()
        self._show_button()

    def go_to(self, position: int) -> None:
        """Show a kept step."""
        self._slider.setValue(position)

    def _advance(self) -> None:
        self._slider.setValue(self._slider.value() + 1)
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
        self._label.setText(f"{step}/{self._steps[-1]} · log SNR {log_snr:+.1f}")

    def _show_button(self) -> None:
        self._button.setText("Pause" if self.is_playing else "Play")
        self._button.setToolTip("Pause" if self.is_playing else "Play the reverse diffusion: from noise to readings")

"""The upper half of the dock: what to read, with which model, where; run, cancel, and what is going on."""

from collections.abc import Mapping
from pathlib import Path

from napari.components import ViewerModel
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_ambiseg.viewer.choosers import ExpertsChooser, ImageChooser
from napari_ambiseg.viewer.controls import SettingsForm, tight
from napari_ambiseg.viewer.live import Progress
from napari_ambiseg.viewer.origin import Origin
from napari_ambiseg.viewer.slice_browser import BrowseButton
from napari_ambiseg.viewer.window_buttons import WindowButtons

NOTICE = "For research, not for diagnosis."
RENDERED = "Rendered pixels, real outlines"


class Form(QWidget):
    """Widgets and what they say; the panel decides what they do."""

    def __init__(self, viewer: ViewerModel, bundled: Mapping[str, Path], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.image = ImageChooser(viewer)
        self.windows = WindowButtons(viewer, self.image)
        self.slice_number = QSpinBox()
        self.slice_number.setKeyboardTracking(False)
        self.slice_number.setToolTip("Slice of the file, counted from 1; the command line counts from 0")
        self.browse = BrowseButton()
        self.rendered = QLabel(RENDERED)
        self.rendered.setStyleSheet("color: #F0B429; font-weight: bold;")
        self.rendered.setToolTip("The outlines are those of real radiologists; the CT pixels are computer-made")
        self.experts = ExpertsChooser(viewer)
        self.settings = SettingsForm(bundled)
        self.place = QPushButton("Place on lesion")
        self.place.setCheckable(True)
        self.place.setToolTip("Click on the lesion to move the model's field of view there")
        self.zoom = QPushButton("Zoom to it")
        self.zoom.setToolTip("Fill the view with the model's field of view")
        self.run = _button("Run", "Alt+R", "Draw readings")
        self.cancel = _button("Cancel", "Esc", "Stop after the current step")
        self.progress = QProgressBar()
        self.progress.setTextVisible(True)
        self.progress.setMaximumHeight(14)
        self.status = QLabel()
        self.status.setWordWrap(True)
        self.status.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._arrange()
        self.show_idle()

    def say(self, text: str, *, is_error: bool = False) -> None:
        """Show one sentence on what is going on."""
        self.status.setStyleSheet("color: #FF7B72;" if is_error else "")
        self.status.setText(text)

    def show_origin(self, origin: Origin | None) -> None:
        """Show which slice of its file the image is; nothing for the user's own images."""
        several = origin is not None and origin.count > 1
        self._rows.setRowVisible(self._slice_row, several or (origin is not None and bool(origin.split)))
        self.browse.show_origin(origin)
        self.rendered.setVisible(origin is not None and origin.rendered)
        if origin is not None:
            blocked = self.slice_number.blockSignals(True)
            self.slice_number.setRange(1, origin.count)
            self.slice_number.setSuffix(f" of {origin.count}")
            self.slice_number.setValue(origin.index + 1)
            self.slice_number.blockSignals(blocked)

    def show_running(self) -> None:
        """A run has started; how long it is, its first step tells."""
        self.run.setEnabled(False)
        self.cancel.setEnabled(True)
        self.cancel.setText("Cancel (Esc)")
        self.progress.setFormat("")
        self.progress.setRange(0, 0)

    def show_progress(self, progress: Progress) -> None:
        """How far the run has come; a model may take fewer steps than it was asked for."""
        self.progress.setRange(0, progress.total)
        self.progress.setValue(progress.done)
        self.progress.setFormat(f"{progress.finished} of {progress.count} readings")

    def show_cancelling(self) -> None:
        """The run has been asked to stop."""
        self.cancel.setEnabled(False)
        self.cancel.setText("Cancelling…")

    def show_idle(self) -> None:
        """No run goes on."""
        self.run.setEnabled(True)
        self.cancel.setEnabled(False)
        self.cancel.setText("Cancel (Esc)")
        if self.progress.value() < self.progress.maximum() or self.progress.maximum() == 0:
            self.progress.setRange(0, 1)  # a bar without a range would move on
            self.progress.reset()

    def _arrange(self) -> None:
        self._rows = QFormLayout()
        tight(self._rows)
        self._rows.addRow("Image", self.image)
        self._rows.addRow("Window", self.windows)
        self._slice_row = _row(self.slice_number, self.browse)
        self._rows.addRow("Slice", self._slice_row)
        self._rows.addRow("Experts", self.experts)
        self.windows.wanted.connect(lambda wanted: self._rows.setRowVisible(self.windows, wanted))
        self.windows.refresh()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addWidget(self.rendered)
        layout.addLayout(self._rows)
        layout.addWidget(self.settings)
        layout.addLayout(_row(self.place, self.zoom))
        layout.addLayout(_row(self.run, self.cancel))
        layout.addWidget(self.progress)
        layout.addWidget(self.status)


def _button(text: str, shortcut: str, tip: str) -> QPushButton:
    """A button that names its shortcut. A disabled one leaves its keys to napari."""
    button = QPushButton(f"{text} ({shortcut})")
    button.setShortcut(shortcut)
    button.setToolTip(tip)
    return button


def _row(*widgets: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    for widget in widgets:
        row.addWidget(widget)
    return row

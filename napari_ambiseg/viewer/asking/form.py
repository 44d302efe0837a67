"""The upper half of the dock: what to read, with which model, where; run, cancel, and what is going on."""

from collections.abc import Mapping
from pathlib import Path

from napari.components import ViewerModel
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import (
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLayout,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_ambiseg.viewer.asking.choosers import ExpertsChooser, ImageChooser
from napari_ambiseg.viewer.asking.controls import SettingsForm, tight
from napari_ambiseg.viewer.asking.machine import Wait
from napari_ambiseg.viewer.asking.run_row import RunRow
from napari_ambiseg.viewer.asking.window_buttons import WindowButtons
from napari_ambiseg.viewer.image.origin import Origin
from napari_ambiseg.viewer.opening.browse_button import BrowseButton
from napari_ambiseg.viewer.widgets import shortcuts, style
from napari_ambiseg.viewer.widgets.fold import Fold
from napari_ambiseg.viewer.widgets.sentence import Sentence

RENDERED, RENDERED_SHORT = "Rendered pixels", "Rendered"
_AROUND = 52  # pixels around the number of a slice: the buttons that count up and down
_UNUSUAL, _SERIOUS = f"{style.UNUSUAL} {style.ROUNDED}", f"{style.SERIOUS} {style.ROUNDED}"


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
        self.rendered.setStyleSheet(f"{_UNUSUAL} font-weight: bold;")
        self.rendered.setToolTip("The CT pixels are computer-made; the outlines are those of real radiologists")
        self.experts = ExpertsChooser(viewer)
        self.settings = SettingsForm(bundled)
        self.place = QPushButton("Place on lesion")
        self.place.setCheckable(True)
        shortcuts.bind_within(self, self.place, shortcuts.PLACE)
        self.zoom = QPushButton("Zoom to it")
        shortcuts.bind_within(self, self.zoom, shortcuts.ZOOM)
        self.hint, self.wait_hint = _hint(), _hint()
        self.buttons = RunRow()
        self.run, self.cancel, self.progress = self.buttons.run, self.buttons.cancel, self.buttons.progress
        self.escape = QShortcut(QKeySequence(shortcuts.CANCEL.keys), self)
        self.escape.setEnabled(False)
        self.status = Sentence()
        self._inside = QWidget()
        self.fold = Fold("Settings", self._inside, shortcuts.FOLD)
        self._arrange()
        self.show_hints("", None)
        self.image.image_changed.connect(self._show_box_buttons)
        self._show_box_buttons()

    def say(self, text: str, *, is_error: bool = False) -> None:
        """Show one sentence on what is going on."""
        self.status.stand_out(style.SERIOUS if is_error else "")
        self.status.setText(text)

    def show_hints(self, hint: str, wait: Wait | None) -> None:
        """Show what is unusual in what is set, and that a run will take long; "" and None for neither."""
        self.hint.setText(hint)
        self.hint.setHidden(not hint)
        self.wait_hint.setHidden(wait is None)
        if wait is not None:
            self.wait_hint.setText(wait.text)
            self.wait_hint.setStyleSheet(_SERIOUS if wait.is_serious else _UNUSUAL)

    def show_origin(self, origin: Origin | None) -> None:
        """Show which slice of its file the image is; nothing for the user's own images."""
        several = origin is not None and origin.count > 1
        self._above.setRowVisible(self._slice_row, several or (origin is not None and bool(origin.split)))
        self.browse.show_origin(origin)
        self.rendered.setVisible(origin is not None and origin.rendered)
        if origin is not None:
            self.rendered.setText(RENDERED_SHORT if self.browse.isVisibleTo(self) else RENDERED)
            longest = self.slice_number.fontMetrics().horizontalAdvance(f"{origin.count} of {origin.count}")
            self.slice_number.setMinimumWidth(longest + _AROUND)
            blocked = self.slice_number.blockSignals(True)
            self.slice_number.setRange(1, origin.count)
            self.slice_number.setSuffix(f" of {origin.count}")
            self.slice_number.setValue(origin.index + 1)
            self.slice_number.blockSignals(blocked)

    def _show_box_buttons(self) -> None:
        obstacle = "" if self.image.image is not None else "no image is open"
        shortcuts.allow(self.place, shortcuts.PLACE.tip, obstacle)
        shortcuts.allow(self.zoom, shortcuts.ZOOM.tip, obstacle)

    def _arrange(self) -> None:
        """What is looked at, then what folds away, then what is at hand in any case."""
        self._above, folded = QFormLayout(), QFormLayout()
        for rows in (self._above, folded):
            tight(rows)
        self._slice_row = _row(self.slice_number, self.browse, self.rendered)
        self._above.addRow("Slice", self._slice_row)
        self._above.addRow("Window", self.windows)
        self.windows.wanted.connect(lambda wanted: self._above.setRowVisible(self.windows, wanted))
        self.windows.refresh()
        folded.addRow("Image", self.image)
        folded.addRow("Experts", self.experts)
        _stack(self._inside, folded, self.settings, _row(self.place, self.zoom), self.buttons.expected)
        _stack(self, self._above, self.fold, self.hint, self.wait_hint, self.buttons, self.status)


def _stack(holder: QWidget, *parts: QWidget | QLayout) -> None:
    """Parts one below the other."""
    layout = QVBoxLayout(holder)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(3)
    for part in parts:
        if isinstance(part, QWidget):
            layout.addWidget(part)
        else:
            layout.addLayout(part)


def _hint() -> QLabel:
    label = QLabel()
    label.setWordWrap(True)
    label.setStyleSheet(_UNUSUAL)
    return label


def _row(*widgets: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setSpacing(3)
    for widget in widgets:
        row.addWidget(widget)
    return row

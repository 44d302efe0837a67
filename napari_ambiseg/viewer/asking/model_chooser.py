"""Which models read the image: one, and others beside it for comparison. Bundled ones, and any file."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtGui import QAction
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QMenu, QToolButton, QWidget

from napari_ambiseg.engine import header_of
from napari_ambiseg.errors import AmbisegError
from napari_ambiseg.viewer.widgets.elided import ElidedComboBox


class ModelChooser(QWidget):
    """The chosen model, a menu of others that read the same, and a button that opens files.

    Signals:
        model_changed: Another model is chosen.
        others_changed: Others are ticked for comparison.
    """

    model_changed = Signal()
    others_changed = Signal()

    def __init__(self, bundled: Mapping[str, Path], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._also: list[str] = []
        self._box = ElidedComboBox()
        for name, path in bundled.items():
            self._box.addItem(name, userData=(name, path))
        self._box.currentIndexChanged.connect(self._on_chosen)
        self.compare = QToolButton()
        self.compare.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.compare.setMenu(QMenu(self.compare))
        self.compare.setStyleSheet("QToolButton::menu-indicator { image: none; }")  # it would hide the text
        opener = QToolButton()
        opener.setText("…")
        opener.setToolTip("Open a model file (.safetensors)")
        opener.clicked.connect(self._ask)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        for widget in (self._box, self.compare, opener):
            layout.addWidget(widget)
        self._fill()

    @property
    def name(self) -> str:
        """Name of a bundled model or path of a file; "" if there is none."""
        return self._box.currentData()[0] if self._box.count() else ""

    @property
    def path(self) -> Path | None:
        """Its file."""
        return self._box.currentData()[1] if self._box.count() else None

    @property
    def also(self) -> tuple[str, ...]:
        """The others, in the order of the list."""
        return tuple(name for name in self._names() if name in self._also and name != self.name)

    def choose(self, name_or_path: str, also: Sequence[str] | None = None) -> None:
        """Choose a model; a file that is not in the list is added if it exists, anything else changes nothing.

        Args:
            name_or_path: The model.
            also: Others for comparison, those that exist; None leaves them as they are.
        """
        if (index := self._index(name_or_path)) is not None:
            self._box.setCurrentIndex(index)
        if also is not None:
            self._also = [name for name in also if self._index(name) is not None]
        self._fill()
        self.others_changed.emit()

    def _index(self, name_or_path: str) -> int | None:
        names = self._names()
        if name_or_path in names:
            return names.index(name_or_path)
        if not (path := Path(name_or_path)).is_file():
            return None
        blocked = self._box.blockSignals(self._box.count() > 0)  # the first one is chosen by being added
        self._box.addItem(path.stem, userData=(str(path), path))
        self._box.blockSignals(blocked)
        return self._box.count() - 1

    def _names(self) -> list[str]:
        return [self._box.itemData(i)[0] for i in range(self._box.count())]

    def _on_chosen(self) -> None:
        self._fill()
        self.model_changed.emit()

    def _tell_model(self) -> None:
        """What the chosen model does with specks, which nothing else in the form shows."""
        told = "The model that reads the image"
        try:
            header = None if self.path is None else header_of(self.path)
        except AmbisegError:
            header = None  # Run says why
        if header is not None and header.smallest_px:
            told += f"; at its own size, a reading below {header.smallest_mm2:g} mm² counts as no lesion"
        self._box.setToolTip(told)

    def _fill(self) -> None:
        self._tell_model()
        menu = self.compare.menu()
        menu.clear()
        menu.addSection("Compare with")
        for index, name in enumerate(self._names()):
            if name != self.name:
                action = QAction(self._box.itemText(index), menu)
                action.setCheckable(True)
                action.setChecked(name in self._also)
                action.toggled.connect(lambda on, name=name: self._on_toggled(name, on))
                menu.addAction(action)
        menu.addSeparator()
        menu.addAction("Open a model file…").triggered.connect(self._ask_for_another)
        self._show_count()

    def _on_toggled(self, name: str, on: bool) -> None:
        self._also = [*self._also, name] if on else [other for other in self._also if other != name]
        self._show_count()
        self.others_changed.emit()

    def _show_count(self) -> None:
        self.compare.setText(f"+{len(self.also)}" if self.also else "+")
        with_whom = ", ".join(Path(name).stem for name in self.also)
        told = f"Compared with {with_whom}" if with_whom else "Compare with other models"
        self.compare.setToolTip(f"{told}: Run asks each of them, with the same seeds")

    def _ask(self) -> None:
        if path := self._asked():
            self.choose(path)

    def _ask_for_another(self) -> None:
        if path := self._asked():
            self.choose(self.name or path, also=[*self._also, path])

    def _asked(self) -> str:
        path, _ = QFileDialog.getOpenFileName(self, "Open a model", "", "Models (*.safetensors)")
        return path

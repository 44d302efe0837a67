"""What is seen of a result, and how: outlines, the map below them, what decides on colours, what is hidden."""

from collections.abc import Callable, Mapping

from qtpy.QtCore import QEvent, Qt, Signal
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from napari_ambiseg.viewer.canvas.colouring import Colouring
from napari_ambiseg.viewer.canvas.looking import Looking
from napari_ambiseg.viewer.canvas.looks import MODEL_COLOUR
from napari_ambiseg.viewer.canvas.maps import MEANINGS, Map
from napari_ambiseg.viewer.image.origin import Role
from napari_ambiseg.viewer.session.showing import Showing
from napari_ambiseg.viewer.widgets.elided import ElidedComboBox
from napari_ambiseg.viewer.widgets.shortcuts import HIDE_EXPERTS, HIDE_MODEL, Shortcut, allow, bind
from napari_ambiseg.viewer.widgets.style import ROUNDED, UNUSUAL
from napari_ambiseg.viewer.widgets.swatch import swatch
from napari_ambiseg.viewer.widgets.when_seen import WhenSeen

_SEEN = {"Experts": (Role.EXPERTS,), "Readings": (Role.READINGS, Role.SELECTED)}
_READINGS = "Outlines of the model's readings; the selected one is white"
_EXPERTS = "Outlines of the experts, in the colours of the table's header"
_BANNER = f"{UNUSUAL} font-weight: bold; {ROUNDED}"
_MAP, _COLOUR = "Map: ", "Colour: "  # before what is chosen, among the names of what is seen


class LookBox(QWidget):
    """Two rows of choices, and a legend where the image has none.

    Args:
        showing: What is shown.
        looking: How it is looked at.

    Signals:
        seen_changed: Roles, and whether they are to be seen.
    """

    seen_changed = Signal(object, bool)

    def __init__(self, showing: Showing, looking: Looking, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._showing, self._looking = showing, looking
        self.seen = {text: QCheckBox(text) for text in _SEEN}
        self.seen["Readings"].setIcon(swatch(MODEL_COLOUR))
        self.map = _chooser([chosen.value for chosen in Map])
        for row, chosen in enumerate(Map):
            self.map.setItemData(row, MEANINGS[chosen], Qt.ItemDataRole.ToolTipRole)
        self.map.currentTextChanged.connect(lambda text: looking.choose_map(Map(text)))
        self.colouring = _chooser([chosen.value for chosen in Colouring], self._colours_told)
        self.colouring.currentTextChanged.connect(lambda text: looking.choose_colouring(Colouring(text)))
        self.hide_model = _switch("Model", HIDE_MODEL)
        self.hide_experts = _switch("Experts", HIDE_EXPERTS)
        self.hide_model.toggled.connect(lambda on: showing.hide(model=on))
        self.hide_experts.toggled.connect(lambda on: showing.hide(experts=on))
        self.banner = QLabel()
        self.banner.setWordWrap(True)
        self.banner.setStyleSheet(_BANNER)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self.legend = QLabel()
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        self.legend.setWordWrap(True)
        self.legend.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self._legends = WhenSeen(self, self._show_legends)
        self._arrange()
        for changed in (showing.result_changed, showing.view_changed):
            changed.connect(self._legends.ask)
        showing.result_changed.connect(self._show_hidden)
        looking.map_changed.connect(self._show_choices)
        looking.colouring_changed.connect(self._show_choices)
        self._show_choices()
        self._show_hidden()

    def seen_roles(self) -> list[tuple[tuple[Role, ...], bool]]:
        """Which outlines are ticked to be seen."""
        return [(_SEEN[text], box.isChecked()) for text, box in self.seen.items()]

    def seen_now(self) -> dict[str, bool]:
        """What is ticked and chosen, by its name."""
        chosen = {_MAP + self._looking.map.value: True, _COLOUR + self._looking.colouring.value: True}
        return {text: box.isChecked() for text, box in self.seen.items()} | chosen

    def see(self, wanted: Mapping[str, bool]) -> None:
        """Tick and choose what ``seen_now`` told; names that are not known are left out."""
        for text, box in self.seen.items():
            box.setChecked(wanted.get(text, box.isChecked()))
        for chosen in Map:
            if wanted.get(_MAP + chosen.value):
                self._looking.choose_map(chosen)
        for chosen in Colouring:
            if wanted.get(_COLOUR + chosen.value):
                self._looking.choose_colouring(chosen)

    def _show_choices(self) -> None:
        self.map.setCurrentText(self._looking.map.value)
        self.colouring.setCurrentText(self._looking.colouring.value)
        self._legends.ask()

    def _show_hidden(self) -> None:
        hidden = self._showing.hidden
        self.hide_model.setChecked(hidden.model)
        self.hide_experts.setChecked(hidden.experts)
        allow(self.seen["Experts"], _EXPERTS, "they are hidden" if hidden.experts else "")
        allow(self.seen["Readings"], _READINGS, "they are hidden" if hidden.model else "")
        for widget in (self.map, self.colouring):
            widget.setEnabled(not hidden.model)
        keys = [s.keys for s, is_on in ((HIDE_MODEL, hidden.model), (HIDE_EXPERTS, hidden.experts)) if is_on]
        self.banner.setText(f"{hidden.told} ({' and '.join(keys)} to show)")
        self.banner.setVisible(bool(keys))

    def _show_legends(self) -> None:
        looking = self._looking
        self.map.setToolTip(f"Below the outlines: {MEANINGS[looking.map]}")
        text = looking.map_legend()
        self.legend.setText(text)
        self.legend.setVisible(bool(text))

    def _colours_told(self) -> str:
        return f"<qt>Colours of the readings; experts keep theirs.<br>{self._looking.colours_told()}</qt>"

    def _arrange(self) -> None:
        first, second = QHBoxLayout(), QHBoxLayout()
        for row in (first, second):
            row.setSpacing(4)
        for text, box in self.seen.items():
            box.setChecked(True)
            box.toggled.connect(lambda on, roles=_SEEN[text]: self.seen_changed.emit(roles, on))
            first.addWidget(box)
        first.addWidget(self.map, 1)
        second.addWidget(QLabel("Colour"))
        second.addWidget(self.colouring, 1)
        second.addWidget(QLabel("Hide"))
        second.addWidget(self.hide_model)
        second.addWidget(self.hide_experts)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addWidget(self.banner)
        layout.addLayout(first)
        layout.addLayout(second)
        layout.addWidget(self.legend)


def _switch(text: str, shortcut: Shortcut) -> QPushButton:
    button = QPushButton(text)
    button.setStyleSheet(f"QPushButton:checked {{ {UNUSUAL} }}")
    button.setCheckable(True)
    bind(button, shortcut)
    return button


class _Chooser(ElidedComboBox):
    """A choice whose tooltip is made when somebody asks for it, because it may take a while."""

    def __init__(self, told: Callable[[], str] | None) -> None:
        super().__init__()
        self._told = told

    def event(self, event: QEvent) -> bool:
        """A tooltip is asked for."""
        if event.type() == QEvent.Type.ToolTip and self._told is not None:
            self.setToolTip(self._told())
        return super().event(event)


def _chooser(texts: list[str], told: Callable[[], str] | None = None) -> ElidedComboBox:
    box = _Chooser(told)
    box.addItems(texts)
    return box

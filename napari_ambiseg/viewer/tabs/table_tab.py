"""The tab with the table: every reading against every expert, by Dice or IoU."""

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QButtonGroup, QHBoxLayout, QLabel, QRadioButton, QSizePolicy, QVBoxLayout, QWidget

from napari_ambiseg.viewer.canvas.pair import pair_legend, pair_told
from napari_ambiseg.viewer.session.showing import Showing
from napari_ambiseg.viewer.tabs.table import Metric, ReadingsTable

_HINT = "Click a cell to see both together"


class TableTab(QWidget):
    """The table, and the choice of what it shows.

    Args:
        showing: What is shown.

    Signals:
        agreement_changed: Another agreement is wanted.
    """

    agreement_changed = Signal()

    def __init__(self, showing: Showing, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._showing = showing
        self.table = ReadingsTable()
        self.table.selected.connect(showing.select)
        self.legend = QLabel(pair_legend())
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        self.legend.setToolTip("White: what both mark. Orange: only the reading. Blue: only the expert")
        self.hint = QLabel(_HINT)
        self.hint.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)  # the first to give way
        self.hint.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.pair_line = QLabel()
        self.pair_line.setWordWrap(True)
        self.pair_line.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.pair_line.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.pair_line.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.pair_line.setToolTip(
            "The pair that is shown on the image. Click a cell below E1, E2, … for another pair, or go there with the "
            "arrow keys; the column of areas is for the reading alone"
        )
        self._metrics = {metric: QRadioButton(metric.value) for metric in Metric}
        self._arrange()
        for changed in (showing.result_changed, showing.view_changed):
            changed.connect(self._show)
        showing.selection_changed.connect(self._on_selection)
        self._show()

    @property
    def agreement(self) -> Metric:
        """Which agreement the table shows."""
        return next(metric for metric, button in self._metrics.items() if button.isChecked())

    def choose(self, agreement: Metric) -> None:
        """Show another agreement."""
        self._metrics[agreement].setChecked(True)

    def _arrange(self) -> None:
        choices = QHBoxLayout()
        group = QButtonGroup(self)
        for button in self._metrics.values():
            group.addButton(button)
            choices.addWidget(button)
            button.toggled.connect(self._show)
        choices.addWidget(self.hint, 1)
        choices.addWidget(self.legend)
        self._metrics[Metric.DICE].setChecked(True)
        self._metrics[Metric.DICE].toggled.connect(lambda *_: self.agreement_changed.emit())  # of two, one says it
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2, 0, 2, 0)
        layout.setSpacing(3)
        layout.addWidget(self.table, 1)  # above the rest, so that its rows stay where they are when that grows
        layout.addLayout(choices)
        layout.addWidget(self.pair_line)

    def _show(self) -> None:
        result = self._showing.seen_result
        names = () if result is None else result.request.experts.names
        self.table.show_view(self._showing.seen_view, names, self.agreement, selected=self._showing.selected)
        self._on_selection()

    def _on_selection(self) -> None:
        view, selected, expert = self._showing.seen_view, self._showing.selected, self._showing.expert
        if view is not None:
            self.table.select(selected, expert)
        has_experts = view is not None and view.comparison is not None
        is_pair = has_experts and expert is not None
        self.hint.setText(_HINT if has_experts and not is_pair else "")
        for button in self._metrics.values():
            button.setVisible(has_experts)
        self.legend.setVisible(is_pair)
        self.pair_line.setVisible(is_pair)
        if view is not None and expert is not None and is_pair:
            self.pair_line.setText(pair_told(view, selected=selected, expert=expert))

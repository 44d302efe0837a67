"""The tab with all runs: what was asked, what came of it; show one, compare several, draw again, forget."""

from collections.abc import Callable, Sequence

from qtpy.QtCore import Signal
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import (
    QButtonGroup,
    QDockWidget,
    QHBoxLayout,
    QLabel,
    QRadioButton,
    QSizePolicy,
    QStackedWidget,
    QTabWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_ambiseg.viewer.comparing import over_slices, run_again, run_list
from napari_ambiseg.viewer.comparing.comparison import Comparison
from napari_ambiseg.viewer.comparing.going import Going
from napari_ambiseg.viewer.comparing.over_slices_table import OverSlicesModel, OverSlicesTable
from napari_ambiseg.viewer.comparing.run_again import RunAgain
from napari_ambiseg.viewer.comparing.run_list import Figures, FiguresOf
from napari_ambiseg.viewer.comparing.run_table import RunsModel, RunsTable, rows_of
from napari_ambiseg.viewer.session.result import Result
from napari_ambiseg.viewer.session.showing import Showing
from napari_ambiseg.viewer.session.study import Study
from napari_ambiseg.viewer.widgets.own_window import own_window
from napari_ambiseg.viewer.widgets.shortcuts import NOTHING_YET, allow
from napari_ambiseg.viewer.widgets.when_seen import WhenSeen

_SHARE = 0.68, 0.66  # of napari's window, for the comparison
_COMPARE = "Show the ticked runs beside each other; without ticks, all of this slice"
_FORGET = "Let the run that is shown go; it can be taken back"
_COPY = "Copy the table as text, for a spreadsheet"
_HINT = "Draw readings with other steps, another sampler or another model, and compare the runs here"


class RunsTab(QWidget):
    """The runs of a session, and the areas over the slices of a lesion.

    Args:
        showing: What is shown.
        study: All results.
        going: To the slice of a run.
        is_busy: Whether a run goes on.

    Signals:
        again_wanted: A list of ``Request``, to be run.
        told: Why a run cannot be shown.
    """

    again_wanted = Signal(object)
    told = Signal(str)

    def __init__(
        self,
        showing: Showing,
        study: Study,
        going: Going,
        is_busy: Callable[[], bool],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._showing, self._study, self._going = showing, study, going
        self._tabs: QTabWidget | None = None
        self._figures = FiguresOf()
        self._forgotten: Result | None = None
        self._dock: QDockWidget | None = None
        self.model = RunsModel(self)
        self.table = RunsTable(self.model)
        self.slices_model = OverSlicesModel(self)
        self.slices = OverSlicesTable(self.slices_model)
        self.comparison = Comparison(showing, study, self._figures, self)
        self.comparison.hide()  # until it is asked for, in a window of its own
        self.runs_button, self.slices_button = QRadioButton("Runs"), QRadioButton("Areas over slices")
        self.compare = _button("Compare")
        self.again = RunAgain(showing, study, is_busy)
        self.forget = _button("Forget")
        self.undo = _button("Undo")
        self.undo.setToolTip("Take the forgotten run back")
        self.copy = _button("Copy")
        self.hint = QLabel()
        self.hint.setWordWrap(True)
        self._pages = QStackedWidget()
        self._when_seen = WhenSeen(self, self._refresh)
        self._arrange()
        self._connect()
        self._on_study()

    def add_to(self, tabs: QTabWidget) -> None:
        """Become a tab that tells how many runs there are of the slice that is shown, if there are several."""
        self._tabs = tabs
        tabs.addTab(self, "Runs")
        self._show_count()

    def show_run(self, result: Result, reading: int | None = None) -> None:
        """Show a run on its slice, with a reading that stands out; or tell why not."""
        if why_not := self._going.show(result):
            self.told.emit(why_not)
            self.table.mark(self._showing.result)
        elif reading is not None:
            self._showing.select(reading)

    def open_comparison(self) -> None:
        """Compare the runs that are ticked, or all of the slice that is shown."""
        if (obstacle := self._obstacle()) != "":
            self.hint.setText(obstacle)
            return
        self.comparison.compare(self._compared())
        if self._dock is None:
            self._dock = own_window(
                self.comparison, title="Runs beside each other", name="ambiseg-runs", beside=self, share=_SHARE
            )
            self.destroyed.connect(self._dock.deleteLater)
            self.comparison.show()
        self._dock.show()
        self._dock.raise_()

    def _compared(self) -> tuple[Result, ...]:
        return self.model.ticked_results or self._of_this_slice()

    def _of_this_slice(self) -> tuple[Result, ...]:
        shown = self._showing.result
        return () if shown is None else self._study.of(shown.request.where)

    def _obstacle(self) -> str:
        """Why there is nothing to compare; "" if there is."""
        compared = self._compared()
        if len({one.request.where for one in compared}) > 1:
            return "Runs of different slices cannot be compared: tick runs of one slice"
        return "" if len(compared) > 1 else "Two runs of one slice are needed to compare"

    # What changes

    def _on_study(self) -> None:
        self._figures.forget_all_but(self._study.results)
        self._on_result()

    def _on_result(self) -> None:
        self._show_count()
        self._when_seen.ask()

    def _show_count(self) -> None:
        if self._tabs is not None:
            count = len(self._of_this_slice())
            self._tabs.setTabText(self._tabs.indexOf(self), f"Runs ({count})" if count > 1 else "Runs")

    def _refresh(self) -> None:
        results, shown = self._study.results, self._showing.result
        self.model.show(rows_of(results, self._of(results)), shown)
        self.table.mark(shown)
        lesion = over_slices.of_one_lesion(results, shown)
        self.slices_model.show(lesion, self._of(lesion), shown)
        has_slices = len(lesion) > 1
        if not has_slices:
            self.runs_button.setChecked(True)
        self.runs_button.setVisible(has_slices)
        self.slices_button.setVisible(has_slices)
        self.slices_button.setText(f"Areas over {len(lesion)} slices")
        self._show_page()

    def _show_page(self) -> None:
        over = self.slices_button.isChecked()
        self._pages.setCurrentWidget(self.slices if over else self.table)
        for button in (self.compare, self.again, self.forget):
            button.setVisible(not over)
        self._show_buttons()

    def _show_buttons(self) -> None:
        compared, obstacle = self._compared(), self._obstacle()
        nothing = NOTHING_YET if self._showing.result is None else ""
        allow(self.compare, _COMPARE, obstacle[:1].lower() + obstacle[1:])
        self.compare.setText(f"Compare {len(compared)}" if not obstacle else "Compare")
        allow(self.forget, _FORGET, nothing)
        allow(self.again, run_again.TIP, nothing)
        allow(self.copy, _COPY, "" if self._study.results else NOTHING_YET)
        self.undo.setVisible(self._forgotten is not None)
        self.hint.setText(self._hint(obstacle))

    def _hint(self, obstacle: str) -> str:
        if self.slices_button.isChecked():
            return "Each slice is read by itself: readings of different slices make no volume"
        if not self._study.results:
            return "No readings yet"
        return obstacle if self.model.ticked_results else _HINT if obstacle else ""

    def _of(self, results: Sequence[Result]) -> list[Figures]:
        return [self._figures(one, self._showing.threshold) for one in results]

    # What the user does

    def _on_forget(self) -> None:
        shown = self._showing.result
        if shown is None:
            return
        self._forgotten = shown
        left = [one for one in self._of_this_slice() if one is not shown]
        self._study.remove(shown)
        if left:
            self._showing.show(left[-1])
        else:
            self._showing.clear()
        self._when_seen.ask()

    def _on_undo(self) -> None:
        back, self._forgotten = self._forgotten, None
        if back is not None:
            self._study.add(back)
            self.show_run(back)
            self._when_seen.ask()

    def _on_copy(self) -> None:
        over, threshold = self.slices_button.isChecked(), self._showing.threshold
        results = self.slices_model.results if over else self._study.results
        text = (over_slices if over else run_list).as_text(results, self._of(results), threshold)
        QGuiApplication.clipboard().setText(text)

    # Putting it together

    def _connect(self) -> None:
        showing = self._showing
        self._study.changed.connect(self._on_study)
        showing.result_changed.connect(self._on_result)
        showing.view_changed.connect(self._when_seen.ask)
        for table in (self.table, self.slices):
            table.chosen.connect(self.show_run)
        self.comparison.wanted.connect(self.show_run)
        self.model.ticked.connect(self._show_buttons)
        self.runs_button.toggled.connect(self._show_page)
        self.compare.clicked.connect(self.open_comparison)
        self.again.wanted.connect(self.again_wanted)
        self.forget.clicked.connect(self._on_forget)
        self.undo.clicked.connect(self._on_undo)
        self.copy.clicked.connect(self._on_copy)

    def _arrange(self) -> None:
        choices, buttons = QHBoxLayout(), QHBoxLayout()
        buttons.setSpacing(3)
        group = QButtonGroup(self)
        for button in (self.runs_button, self.slices_button):
            group.addButton(button)
            choices.addWidget(button)
        choices.addStretch(1)
        self.runs_button.setChecked(True)
        for button in (self.runs_button, self.slices_button, self.undo):
            button.hide()  # until there is something to choose, and to take back
        for page in (self.table, self.slices):
            self._pages.addWidget(page)
        for button in (self.compare, self.again, self.forget, self.undo):
            buttons.addWidget(button)
        buttons.addStretch(1)
        below = QHBoxLayout()
        below.addWidget(self.hint, 1)
        below.addWidget(self.copy)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2, 2, 2, 2)
        layout.setSpacing(3)
        layout.addLayout(choices)
        layout.addLayout(buttons)
        layout.addWidget(self._pages, 1)
        layout.addLayout(below)
        self.hint.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)


def _button(text: str) -> QToolButton:
    button = QToolButton()
    button.setText(text)
    return button

"""Run, more, cancel: the buttons, and in their place how far a run has come; and how long it will take."""

from collections.abc import Callable
from dataclasses import dataclass

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QMenu,
    QProgressBar,
    QPushButton,
    QStackedLayout,
    QToolButton,
    QWidget,
    QWidgetAction,
)

from napari_ambiseg.viewer.session.live import Progress
from napari_ambiseg.viewer.widgets import shortcuts

_LARGEST_REACH_MM = 30.0  # a lesion


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a run stands among those that were asked for together.

    Attributes:
        fulfilled: Runs that are done.
        count: All runs.
        what: What one of them is: "slice", "model" or "run".
    """

    fulfilled: int = 0
    count: int = 1
    what: str = "run"


class RunMenu(QMenu):
    """What else can be read than the slice that is shown; it asks when it opens, since slices and masks change.

    Args:
        marked: Number of slices that experts marked; None if that must not be told.
        near: Number of slices within so many millimetres.
        expected: How long so many slices take, as one says it; "" if that is not known.

    Signals:
        here_wanted: The slice that is shown is to be read.
        marked_wanted: All that experts marked are.
        near_wanted: All within so many millimetres are.
    """

    here_wanted = Signal()
    marked_wanted = Signal()
    near_wanted = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.marked: Callable[[], int | None] = lambda: 0
        self.near: Callable[[float], int] = lambda _: 0
        self.expected: Callable[[int], str] = lambda _: ""
        self.setToolTipsVisible(True)
        self.here_action = self.addAction("Run on this slice")
        self.here_action.triggered.connect(self.here_wanted)
        self.marked_action = self.addAction("")
        self.marked_action.setToolTip("Slices on which an expert marked something inside the box")
        self.marked_action.triggered.connect(self.marked_wanted)
        self.near_action = self.addAction("")
        self.near_action.triggered.connect(lambda: self.near_wanted.emit(self.reach.value()))
        self.reach = QDoubleSpinBox()
        self.reach.setRange(0.0, _LARGEST_REACH_MM)
        self.reach.setDecimals(1)
        self.reach.setPrefix("± ")
        self.reach.setSuffix(" mm")
        self.reach.valueChanged.connect(self.refresh)
        holder = QWidgetAction(self)
        holder.setDefaultWidget(self.reach)
        self.addAction(holder)
        self.aboutToShow.connect(self.refresh)

    def refresh(self) -> None:
        """Count slices anew."""
        marked, near = self.marked(), self.near(self.reach.value())
        told = "the experts are hidden" if marked is None else self._told(marked)
        self.marked_action.setText(f"Run on all slices that experts marked ({told})")
        self.marked_action.setEnabled(bool(marked))
        self.near_action.setText(f"Run on slices ± {self.reach.value():g} mm ({self._told(near)})")
        self.near_action.setEnabled(near > 0)

    def _told(self, slices: int) -> str:
        """How many slices, and how long they take."""
        expected = self.expected(slices) if slices else ""
        return f"{slices}, {expected}" if expected else f"{slices}"


class RunRow(QWidget):
    """The buttons, or the progress of a run. ``expected`` says how long one takes; the form has a place for it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.run = QPushButton("Run (Alt+R)")
        shortcuts.bind(self.run, shortcuts.RUN)
        self.menu = RunMenu(self)
        self.choose = QToolButton()
        self.choose.setToolTip("Run on other slices too")
        self.choose.setMenu(self.menu)
        self.choose.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.choose.setArrowType(Qt.ArrowType.DownArrow)
        self.choose.setStyleSheet("QToolButton::menu-indicator { image: none; }")  # the arrow says it
        self.more = QPushButton("+ more")
        shortcuts.bind(self.more, shortcuts.MORE)
        self.cancel = QPushButton("Cancel (Esc)")
        self.expected = QLabel()
        self.expected.setWordWrap(True)
        self.expected.setToolTip("Judged by runs of this model before, on this machine")
        self.progress = QProgressBar()
        self.progress.setTextVisible(True)
        self._arrange()
        self.show_idle()

    def show_expected(self, text: str) -> None:
        """How long a run would take, as one says it; "" if that is not known."""
        self.expected.setText(f"Takes {text}" if text else "How long it takes is known after the first run")

    def show_more(self, count: int, obstacle: str) -> None:
        """How many readings can be added, or why none can."""
        shortcuts.rename(self.more, f"+{count} more")
        shortcuts.allow(self.more, shortcuts.MORE.tip, obstacle)
        self.more.setEnabled(not obstacle and self.run.isEnabled())

    def show_running(self) -> None:
        """A run has started; how long it is, its first step tells."""
        for button in (self.run, self.more, self.choose):
            button.setEnabled(False)
        shortcuts.allow(self.cancel, shortcuts.CANCEL.tip)
        self.cancel.setText("Cancel (Esc)")
        self.progress.setFormat("")
        self.progress.setRange(0, 0)
        self._pages.setCurrentWidget(self.progress)

    def show_progress(self, progress: Progress, standing: Standing = Standing()) -> None:
        """How far the run has come; a model may take fewer steps than it was asked for."""
        self.progress.setRange(0, progress.total * standing.count)
        self.progress.setValue(progress.total * standing.fulfilled + progress.done)
        of_all = f"{standing.what} {standing.fulfilled + 1} of {standing.count}, " if standing.count > 1 else ""
        self.progress.setFormat(f"{of_all}{progress.finished} of {progress.count} readings")

    def show_cancelling(self) -> None:
        """The run has been asked to stop."""
        shortcuts.allow(self.cancel, shortcuts.CANCEL.tip, "the step that is being computed comes to its end")
        self.cancel.setText("Cancelling…")

    def show_idle(self) -> None:
        """No run goes on."""
        for button in (self.run, self.choose):
            button.setEnabled(True)
        shortcuts.allow(self.cancel, shortcuts.CANCEL.tip, "no run goes on")
        self.cancel.setText("Cancel (Esc)")
        if self.progress.value() < self.progress.maximum() or self.progress.maximum() == 0:
            self.progress.setRange(0, 1)  # a bar without a range would move on
            self.progress.reset()
        self._pages.setCurrentWidget(self._buttons)

    def _arrange(self) -> None:
        self._buttons = QWidget()
        self._pages = QStackedLayout()
        for page in (self._buttons, self.progress):
            self._pages.addWidget(page)
        begin = QHBoxLayout(self._buttons)
        begin.setContentsMargins(0, 0, 0, 0)
        begin.addWidget(self.run, 1)
        begin.addWidget(self.choose)
        begin.addWidget(self.more, 1)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addLayout(self._pages, 1)
        row.addWidget(self.cancel)
        for each in (begin, row):
            each.setSpacing(3)

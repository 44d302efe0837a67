"""A window beside napari that lists the slices of an LIDC file: patient, nodule, and how far the experts agree.

How they agree is counted by a thread, block by block, so that the list is there at once and can be left at any time.
"""

from collections.abc import Generator
from pathlib import Path

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QTableView,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import GeneratorWorker, create_worker

from napari_ambiseg.errors import AmbisegError
from napari_ambiseg.io.lidc_hdf5 import split_names
from napari_ambiseg.io.lidc_index import Agreements, read_agreements, read_index
from napari_ambiseg.viewer.image.origin import Origin
from napari_ambiseg.viewer.opening.slice_table import Column, SliceTable

_SIZE = (640, 480)
_WIDTHS = {Column.NUMBER: 56, Column.PATIENT: 130, Column.NODULE: 64, Column.DREW: 64, Column.AGREEMENT: 86}

_OF_EXPERTS = (Column.DREW, Column.AGREEMENT)


class SliceBrowser(QDialog):
    """The slices of one split of one file; a click, or the arrow keys, go to a slice.

    Signals:
        slice_wanted: Number of the slice, and its split.
    """

    slice_wanted = Signal(int, str)

    def __init__(self, path: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._path = path
        self._worker: GeneratorWorker[_Counted, None, None] | None = None
        self._is_following = self._is_blind = False
        self.setWindowTitle(f"Slices of {path.name}")
        self.resize(*_SIZE)
        self.split = QComboBox()
        self.split.addItems(split_names(path))
        self.filter = QLineEdit()
        self.filter.setPlaceholderText("Filter by patient or name, e.g. 0072 nodule 3")
        self.filter.setClearButtonEnabled(True)
        self.slices = SliceTable(self)
        self.table = _table(self.slices)
        self.status = QLabel()
        self.split.currentTextChanged.connect(self._list)
        self.filter.textChanged.connect(self._on_filter)
        self.table.selectionModel().currentRowChanged.connect(lambda new, old: self._on_row(new.row()))
        self._arrange()
        self._list(self.split.currentText())

    @property
    def is_counting(self) -> bool:
        """Whether agreement is still counted."""
        return self._worker is not None and self._worker.is_running

    def show_origin(self, origin: Origin) -> None:
        """Select the slice that is shown."""
        if origin.split != self.split.currentText():
            self.split.setCurrentText(origin.split)
        row = self.slices.row_of(origin.index)
        if row is not None and row != self.table.currentIndex().row():
            self._is_following = True
            self.table.setCurrentIndex(self.slices.index(row, Column.NUMBER))
            self._is_following = False

    def hide_experts(self, are_hidden: bool) -> None:
        """Leave out what the experts did, or show it again; nor may the order of the slices tell of it."""
        self._is_blind = are_hidden
        for column in _OF_EXPERTS:
            self.table.setColumnHidden(column, are_hidden)
        if are_hidden and self.table.horizontalHeader().sortIndicatorSection() in _OF_EXPERTS:
            self.table.sortByColumn(Column.NUMBER, Qt.SortOrder.AscendingOrder)
        self._show_count()

    def _list(self, split: str) -> None:
        self.stop()
        try:
            self.slices.show(read_index(self._path, split))
        except AmbisegError as error:
            self.status.setText(str(error))
            return
        self._show_count()
        self._worker = create_worker(_counted, self._path, split)
        self._worker.yielded.connect(self._on_counted)
        self._worker.finished.connect(self.slices.sort_again)
        self._worker.start()

    def stop(self) -> None:
        """Count no further."""
        if self._worker is not None:
            self._worker.yielded.disconnect(self._on_counted)
            self._worker.finished.disconnect(self.slices.sort_again)
            self._worker.quit()
            self._worker = None

    def _on_counted(self, counted: "_Counted") -> None:
        split, found = counted
        if split != self.split.currentText():
            return  # Qt still brings what was on its way when another split was chosen
        if isinstance(found, Agreements):
            self.slices.add(found)
        else:
            self.status.setText(str(found))

    def _on_filter(self, text: str) -> None:
        self.slices.filter(text)
        self._show_count()

    def _on_row(self, row: int) -> None:
        if row >= 0 and not self._is_following:
            self.slice_wanted.emit(self.slices.slice_at(row), self.split.currentText())

    def _show_count(self) -> None:
        count = self.slices.rowCount()
        told = "The experts are hidden" if self._is_blind else "Agreement: mean Dice of two experts"
        self.status.setText(f"{count} slice{'' if count == 1 else 's'}. {told}")

    def _arrange(self) -> None:
        above = QHBoxLayout()
        above.addWidget(QLabel("Split"))
        above.addWidget(self.split)
        above.addWidget(self.filter, 1)
        layout = QVBoxLayout(self)
        layout.addLayout(above)
        layout.addWidget(self.table, 1)
        layout.addWidget(self.status)


_Counted = tuple[str, Agreements | AmbisegError]
"""A split, and how the experts agree on some of its slices, or why that is not known."""


def _counted(path: Path, split: str) -> Generator[_Counted, None, None]:
    """How the experts agree; an error comes as the last answer: what a worker raises would be told twice."""
    try:
        for found in read_agreements(path, split):
            yield split, found
    except AmbisegError as error:
        yield split, error


def _table(slices: SliceTable) -> QTableView:
    table = QTableView()
    table.setModel(slices)
    table.setSortingEnabled(True)
    table.setWordWrap(False)
    table.sortByColumn(Column.NUMBER, Qt.SortOrder.AscendingOrder)
    table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    table.verticalHeader().hide()
    table.horizontalHeader().setStretchLastSection(True)
    for column, width in _WIDTHS.items():
        table.setColumnWidth(column, width)
    return table

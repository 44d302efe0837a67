"""The browser of an LIDC file: what it lists, how it sorts and filters, where a click leads."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt

from napari_ambiseg.io.lidc_hdf5 import write_lidc_hdf5
from napari_ambiseg.io.lidc_index import Agreements, SliceIndex
from napari_ambiseg.readings.collection import SliceCollection
from napari_ambiseg.viewer.image.origin import Origin
from napari_ambiseg.viewer.opening.browse_button import BrowseButton
from napari_ambiseg.viewer.opening.slice_browser import SliceBrowser
from napari_ambiseg.viewer.opening.slice_table import Column, SliceTable

LONG = 20_000
UP, DOWN = Qt.SortOrder.AscendingOrder, Qt.SortOrder.DescendingOrder
INDEX = SliceIndex(("p2", "p10", "p1"), np.array([3, -1, 0]), ("p2, z 5 mm", "p10, z 7 mm", "p1, z 9 mm"))
FOUND = Agreements(0, np.array([2, 1, 4]), np.array([4, 1, 4]), np.array([0.4, np.nan, 0.9]))


def column(table: SliceTable, which: Column) -> list[str]:
    return [table.data(table.index(row, which)) for row in range(table.rowCount())]


@pytest.fixture
def table() -> SliceTable:
    found = SliceTable()
    found.show(INDEX)
    return found


def test_names_are_there_at_once_and_agreement_when_it_is_known(table: SliceTable) -> None:
    assert column(table, Column.NUMBER) == ["1", "2", "3"]
    assert column(table, Column.PATIENT) == ["p2", "p10", "p1"]
    assert column(table, Column.NODULE) == ["3", "", "0"]
    assert column(table, Column.DREW) == ["…"] * 3
    table.add(FOUND)
    assert column(table, Column.DREW) == ["2 of 4", "1 of 1", "4 of 4"]
    assert column(table, Column.AGREEMENT) == ["0.40", "–", "0.90"]


@pytest.mark.parametrize(
    ("which", "order", "expected"),
    [
        (Column.AGREEMENT, UP, [0, 2, 1]),  # the unknown one last
        (Column.AGREEMENT, DOWN, [2, 0, 1]),
        (Column.DREW, DOWN, [2, 0, 1]),
        (Column.PATIENT, UP, [2, 1, 0]),
        (Column.NUMBER, DOWN, [2, 1, 0]),
        (Column.NODULE, UP, [1, 2, 0]),
    ],
)
def test_columns_sort(table: SliceTable, which: Column, order: Qt.SortOrder, expected: list[int]) -> None:
    table.add(FOUND)
    table.sort(which, order)
    assert [table.slice_at(row) for row in range(3)] == expected
    assert [table.row_of(number) for number in expected] == [0, 1, 2]


def test_the_filter_must_be_found_in_patient_and_name(table: SliceTable) -> None:
    table.filter("P1")
    assert column(table, Column.PATIENT) == ["p10", "p1"]
    table.filter("p1,  Z 9")
    assert column(table, Column.PATIENT) == ["p1"]
    assert table.row_of(0) is None
    table.filter("")
    assert table.rowCount() == 3


@pytest.fixture
def file(tmp_path: Path) -> Path:
    readings = np.zeros((4, 2, 8, 8), np.bool_)
    readings[0, :, 2:6, 2:6] = True
    readings[1, 0, 2:6, 2:6] = True
    readings[2, 0, :4], readings[2, 1, 2:6] = True, True
    slices = SliceCollection(
        images=np.zeros((4, 8, 8), np.uint8),
        readings=readings,
        subjects=("a", "a", "b", "b"),
        nodules=np.array([0, 0, 1, 1]),
        names=("one", "two", "three", "four"),
    )
    write_lidc_hdf5(tmp_path / "slices.h5", {"train": slices, "val": slices.subset([3, 2])})
    return tmp_path / "slices.h5"


def _origin(file: Path, split: str = "val", index: int = 0) -> Origin:
    return Origin(path=file, split=split, index=index, count=2, name="")


def test_the_browser_counts_agreement_and_leads_to_slices_and_splits(file: Path, qtbot: QtBot) -> None:
    browser = SliceBrowser(file)
    qtbot.addWidget(browser)
    wanted = list[tuple[int, str]]()
    browser.slice_wanted.connect(lambda number, split: wanted.append((number, split)))
    assert [browser.split.itemText(i) for i in range(browser.split.count())] == ["train", "val"]
    browser.show_origin(_origin(file, index=1))
    assert browser.split.currentText() == "val"
    assert browser.table.currentIndex().row() == 1
    assert wanted == []  # it only follows
    browser.split.setCurrentText("train")
    qtbot.waitUntil(lambda: "…" not in column(browser.slices, Column.AGREEMENT), timeout=LONG)
    assert column(browser.slices, Column.AGREEMENT) == ["1.00", "0.00", "0.50", "1.00"]
    assert column(browser.slices, Column.DREW) == ["2 of 2", "1 of 2", "2 of 2", "0 of 2"]
    browser.table.sortByColumn(Column.AGREEMENT, UP)
    browser.table.selectRow(1)
    assert wanted == [(2, "train")]
    browser.table.sortByColumn(Column.AGREEMENT, DOWN)  # what is selected stays so, wherever it goes
    assert browser.slices.slice_at(browser.table.currentIndex().row()) == 2
    assert wanted == [(2, "train")]
    browser.filter.setText("two")
    assert column(browser.slices, Column.NAME) == ["two"]
    assert browser.status.text().startswith("1 slice.")
    qtbot.waitUntil(lambda: not browser.is_counting, timeout=LONG)


def test_the_button_is_there_for_files_with_slices_alone(file: Path, tmp_path: Path, qtbot: QtBot) -> None:
    button = BrowseButton()
    qtbot.addWidget(button)
    for origin, expected in (
        (None, False),
        (Origin(path=None, split="bundled", index=0, count=8, name=""), False),
        (Origin(path=tmp_path, split="", index=0, count=3, name=""), False),
        (_origin(file), True),
    ):
        button.show_origin(origin)
        assert button.isHidden() != expected
    button.open()
    browser = button.browser
    assert browser is not None
    assert browser.split.currentText() == "val"
    button.show_origin(_origin(file, "train", 3))
    assert (browser.split.currentText(), browser.table.currentIndex().row()) == ("train", 3)
    with qtbot.waitSignal(button.slice_wanted) as caught:
        browser.table.selectRow(0)
    assert caught.args == [0, "train"]
    qtbot.waitUntil(lambda: not browser.is_counting, timeout=LONG)
    button.show_origin(None)
    assert button.browser is None


def test_masks_that_cannot_be_read_are_told_in_the_browser(file: Path, qtbot: QtBot) -> None:
    with h5py.File(file, "r+") as opened:
        opened["val/labels"][0, 0, 0, 0] = 7
    browser = SliceBrowser(file)
    qtbot.addWidget(browser)
    browser.split.setCurrentText("val")
    qtbot.waitUntil(lambda: "contain 7" in browser.status.text(), timeout=LONG)
    assert column(browser.slices, Column.NAME) == ["four", "three"]
    qtbot.waitUntil(lambda: not browser.is_counting, timeout=LONG)


def test_what_was_counted_of_another_split_is_left_aside(file: Path, qtbot: QtBot) -> None:
    browser = SliceBrowser(file)
    qtbot.addWidget(browser)
    qtbot.waitUntil(lambda: not browser.is_counting, timeout=LONG)
    shown = column(browser.slices, Column.AGREEMENT)
    browser._on_counted(("another", Agreements(0, np.full(99, 7), np.full(99, 7), np.zeros(99))))
    assert column(browser.slices, Column.AGREEMENT) == shown


def test_hidden_experts_are_not_given_away_by_columns_or_order(qtbot: QtBot, file: Path) -> None:
    button = BrowseButton()
    qtbot.addWidget(button)
    button.show_origin(_origin(file, "train"))
    button.hide_experts(True)
    button.open()
    browser = button.browser
    assert browser is not None
    qtbot.waitUntil(lambda: "…" not in column(browser.slices, Column.DREW), timeout=LONG)
    of_experts = (Column.DREW, Column.AGREEMENT)
    assert all(browser.table.isColumnHidden(which) for which in of_experts)
    assert browser.status.text() == "4 slices. The experts are hidden"
    button.hide_experts(False)
    assert not any(browser.table.isColumnHidden(which) for which in of_experts)
    browser.table.sortByColumn(Column.AGREEMENT, DOWN)
    assert [browser.slices.slice_at(row) for row in range(4)] != [0, 1, 2, 3]
    button.hide_experts(True)
    assert [browser.slices.slice_at(row) for row in range(4)] == [0, 1, 2, 3]
    browser.stop()

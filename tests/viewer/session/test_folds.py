"""What is folded away: as the user left it, or as the dock thinks fit until the user has said."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QPushButton, QSpinBox, QVBoxLayout, QWidget

from napari_ambiseg.viewer.session.folds import Folding, Folds
from napari_ambiseg.viewer.session.result import Result
from napari_ambiseg.viewer.session.showing import Showing
from napari_ambiseg.viewer.widgets.fold import Fold
from napari_ambiseg.viewer.widgets.shortcuts import FOLD


class Dock(QWidget):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self.field, self.player = QSpinBox(), QPushButton()
        self.player.setCheckable(True)
        inside = QWidget()
        QVBoxLayout(inside).addWidget(self.field)
        self.fold = Fold("Settings", inside, FOLD)
        layout = QVBoxLayout(self)
        layout.addWidget(self.fold)
        layout.addWidget(self.player)
        self.showing = Showing()
        self.folding = Folding(self.fold, self.player, self.showing, Folds(path), self)


@pytest.fixture
def opened(qtbot: QtBot, tmp_path: Path) -> Callable[[], Dock]:
    def open_dock() -> Dock:
        dock = Dock(tmp_path / "folds.json")
        qtbot.addWidget(dock)
        dock.show()
        return dock

    return open_dock


def test_settings_give_way_to_the_first_readings_and_to_no_others(
    opened: Callable[[], Dock], make_result: Callable[..., Result]
) -> None:
    dock = opened()
    assert not dock.fold.is_folded
    dock.showing.show(make_result())
    assert dock.fold.is_folded
    dock.fold.fold(False)
    dock.showing.show(make_result())
    assert not dock.fold.is_folded


def test_settings_do_not_vanish_while_they_are_typed_in(
    opened: Callable[[], Dock], qtbot: QtBot, make_result: Callable[..., Result]
) -> None:
    dock = opened()
    dock.activateWindow()
    dock.field.setFocus()
    qtbot.waitUntil(dock.field.hasFocus)
    dock.showing.show(make_result())
    assert not dock.fold.is_folded
    assert dock.field.hasFocus()
    dock.player.setFocus()
    dock.showing.show(make_result())
    assert dock.fold.is_folded


def test_a_dock_begins_as_the_user_left_it(
    opened: Callable[[], Dock], qtbot: QtBot, make_result: Callable[..., Result]
) -> None:
    first = opened()
    qtbot.mouseClick(first.fold.heading, Qt.MouseButton.LeftButton)
    qtbot.mouseClick(first.player, Qt.MouseButton.LeftButton)
    folded = opened()
    assert folded.fold.is_folded
    assert folded.player.isChecked() == first.player.isChecked()
    qtbot.mouseClick(folded.fold.heading, Qt.MouseButton.LeftButton)
    by_hand = opened()
    by_hand.showing.show(make_result())
    assert not by_hand.fold.is_folded


def test_options_of_the_player_give_way_to_a_low_window_unless_the_user_wants_them(
    opened: Callable[[], Dock], qtbot: QtBot
) -> None:
    dock = opened()
    for height, is_open in ((720, False), (1080, True)):
        dock.folding.fit(height)
        assert dock.player.isChecked() == is_open
    dock.folding.fit(720)
    qtbot.mouseClick(dock.player, Qt.MouseButton.LeftButton)
    again = opened()
    again.folding.fit(720)
    assert again.player.isChecked()


@pytest.mark.parametrize("content", [b"", b"[]", b'{"settings": 3.5}', b"\xff"])
def test_a_damaged_file_says_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "folds.json"
    path.write_bytes(content)
    assert Folds(path).is_folded("settings") is None


def test_a_folder_that_cannot_be_written_disturbs_nobody(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folds = Folds(tmp_path / "file" / "folds.json")
    folds.remember("settings", True)
    assert folds.is_folded("settings")

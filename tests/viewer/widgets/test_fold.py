"""A heading that folds, and sentences that fit any width."""

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLineEdit, QVBoxLayout, QWidget

from napari_ambiseg.viewer.widgets.fold import Fold
from napari_ambiseg.viewer.widgets.sentence import Sentence
from napari_ambiseg.viewer.widgets.shortcuts import FOLD

PATH = "/data/" + "a-folder-with-a-long-name/" * 8 + "masks.nii.gz"


@pytest.fixture
def fold(qtbot: QtBot) -> Fold:
    fold = Fold("Settings", QLineEdit(), FOLD)
    qtbot.addWidget(fold)
    fold.say("16 readings, 6 steps", "Sampler ddim")
    fold.show()
    qtbot.waitExposed(fold)
    return fold


@pytest.mark.parametrize("key", [Qt.Key.Key_Space, Qt.Key.Key_O])
def test_the_keyboard_folds_and_opens(qtbot: QtBot, fold: Fold, key: Qt.Key) -> None:
    told: list[bool] = []
    fold.folded_by_hand.connect(told.append)
    fold.activateWindow()
    fold.heading.setFocus()
    qtbot.waitUntil(fold.heading.hasFocus)
    by_shortcut = key == Qt.Key.Key_O
    for is_folded in (True, False):
        modifier = Qt.KeyboardModifier.AltModifier if by_shortcut else Qt.KeyboardModifier.NoModifier
        qtbot.keyClick(fold if by_shortcut else fold.heading, key, modifier)
        assert fold.is_folded == is_folded
    assert told == [True, False]


def test_the_heading_says_in_a_line_what_is_folded_away(fold: Fold) -> None:
    assert fold.heading.whole.endswith("Settings")
    fold.fold(True)
    assert fold.heading.whole.endswith("16 readings, 6 steps")
    assert fold.heading.toolTip() == f"Sampler ddim\n{FOLD.tip}"
    fold.say("4 readings")
    assert fold.heading.accessibleName().endswith("4 readings")


def test_what_has_the_keyboard_does_not_vanish_with_it(qtbot: QtBot, fold: Fold) -> None:
    fold.activateWindow()
    field = fold.findChild(QLineEdit)
    field.setFocus()
    qtbot.waitUntil(field.hasFocus)
    fold.fold(True)
    assert fold.heading.hasFocus()


def test_a_long_heading_is_cut_and_asks_for_no_width(fold: Fold) -> None:
    fold.fold(True)
    fold.say("16 readings, 6 steps, " + "a-model-with-a-long-name" * 5)
    assert fold.minimumSizeHint().width() < 50
    fold.resize(200, 40)
    assert fold.heading.text().endswith("…")


def test_a_path_is_broken_rather_than_the_dock_widened(qtbot: QtBot) -> None:
    holder = QWidget()
    qtbot.addWidget(holder)
    sentence = Sentence()
    QVBoxLayout(holder).addWidget(sentence)
    sentence.setText(f"Kept {PATH}.")
    assert sentence.text() == f"Kept {PATH}."
    assert holder.minimumSizeHint().width() < 100
    holder.resize(320, 400)
    holder.show()
    qtbot.waitExposed(holder)
    text = sentence.document().size()
    assert text.width() <= sentence.viewport().width()
    assert text.height() <= sentence.height()  # nothing is cut off below
    assert sentence.heightForWidth(150) > sentence.heightForWidth(300) > sentence.heightForWidth(2000)


def test_an_empty_sentence_takes_no_room(qtbot: QtBot) -> None:
    sentence = Sentence()
    qtbot.addWidget(sentence)
    assert sentence.isHidden()
    sentence.setText("<b>not bold</b>")
    assert sentence.text() == "<b>not bold</b>"
    assert not sentence.isHidden()

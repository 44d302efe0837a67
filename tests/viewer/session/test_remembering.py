from functools import partial

from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QWidget

from napari_ambiseg.viewer.session.remembering import Remembering


def test_the_last_of_many_choices_is_written_once(qtbot: QtBot) -> None:
    written, widget = [], QWidget()
    qtbot.addWidget(widget)
    chosen = [0]
    remembering = Remembering(widget, lambda: partial(written.append, chosen[0]))
    for number in range(5):
        chosen[0] = number
        remembering.ask()
    assert written == []
    qtbot.waitUntil(lambda: bool(written))
    widget.show()
    widget.hide()
    assert written == [4]


def test_a_widget_that_is_destroyed_loses_no_choice(qtbot: QtBot) -> None:
    written, widget = [], QWidget()
    Remembering(widget, lambda: partial(written.append, "chosen")).ask()
    widget.deleteLater()
    qtbot.waitUntil(lambda: bool(written), timeout=300)  # long before it would be written otherwise
    assert written == ["chosen"]

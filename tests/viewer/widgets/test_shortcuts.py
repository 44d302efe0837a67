from napari._app_model import get_app_model
from napari._qt._qapp_model.qactions import init_qactions
from napari.utils.key_bindings import coerce_keybinding
from napari.utils.shortcuts import default_shortcuts
from pytestqt.qtbot import QtBot

from napari_ambiseg.viewer.image.windows import WINDOWS
from napari_ambiseg.viewer.widgets import shortcuts

_MENUS = ("Alt+F", "Alt+V", "Alt+L", "Alt+P", "Alt+W", "Alt+H")  # letters that open napari's menus


def test_no_key_is_one_of_napari(qtbot: QtBot) -> None:
    init_qactions()  # what napari does when its window opens
    theirs = {str(key) for keys in default_shortcuts.values() for key in keys}
    bindings = {str(rule.keybinding) for rule in get_app_model().keybindings}
    taken = theirs | bindings | set(_MENUS)
    assert len(bindings) > 10
    ours = {str(coerce_keybinding(one.keys)) for one in shortcuts.ALL if one is not shortcuts.CANCEL}
    assert not ours & taken


def test_keys_are_different() -> None:
    keys = [one.keys for one in shortcuts.ALL] + [window.key for window in WINDOWS]
    assert len(set(keys)) == len(keys)


def test_the_help_names_every_key() -> None:
    text = shortcuts.help_html()
    for key in [one.keys for one in shortcuts.ALL] + [window.key for window in WINDOWS]:
        assert f"<b>{key}</b>" in text

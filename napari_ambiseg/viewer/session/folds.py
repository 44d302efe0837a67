"""Which parts of the dock are folded away: as the user left them, remembered between sessions.

Of a part that nobody has folded or opened by hand the dock decides: the settings of a run give way to the first
readings, and the options of the player to a low window. A file that is missing or damaged says nothing.
"""

from pathlib import Path

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QAbstractButton

from napari_ambiseg.viewer.session.remembered import read_record, write_record
from napari_ambiseg.viewer.session.showing import Showing
from napari_ambiseg.viewer.widgets.fold import Fold

_LOW = 800  # pixels: windows in which the table would otherwise show fewer than 16 readings
_SETTINGS, _PLAYER = "settings", "player"


class Folds:
    """What was folded by hand (True), and what was opened.

    Args:
        path: Where that is kept.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._folded = read_record(path, dict[str, bool]) or {}

    def is_folded(self, part: str) -> bool | None:
        """Whether the user wants a part folded; None if he or she has never said."""
        return self._folded.get(part)

    def remember(self, part: str, is_folded: bool) -> None:
        """Keep it for the next session."""
        self._folded[part] = is_folded
        write_record(self._path, self._folded, dict[str, bool])


class Folding(QObject):
    """Folds, opens, and remembers what the user does.

    Args:
        settings: The settings of a run.
        player: The button that shows the options of the player while it is down.
        showing: What is shown.
        folds: What the user has done before.
    """

    def __init__(
        self, settings: Fold, player: QAbstractButton, showing: Showing, folds: Folds, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._settings, self._player, self._showing, self._folds = settings, player, showing, folds
        settings.fold(bool(folds.is_folded(_SETTINGS)))
        player.setChecked(not folds.is_folded(_PLAYER))
        settings.folded_by_hand.connect(lambda is_folded: folds.remember(_SETTINGS, is_folded))
        player.clicked.connect(lambda is_open: folds.remember(_PLAYER, not is_open))
        self._is_due = True
        showing.result_changed.connect(self._on_result)

    def fit(self, height: int) -> None:
        """Fit a window that is so many pixels high."""
        if self._folds.is_folded(_PLAYER) is None:
            self._player.setChecked(height >= _LOW)

    def _on_result(self) -> None:
        if self._showing.result is None or not self._is_due or self._settings.has_keyboard:
            return  # whoever types in the settings keeps them until the next readings
        self._is_due = False
        if self._folds.is_folded(_SETTINGS) is None:
            self._settings.fold(True)

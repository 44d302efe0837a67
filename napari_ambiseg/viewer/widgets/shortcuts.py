"""The keys of the dock, all in one place. None is one that napari uses; most are Alt and a letter.

A key belongs to a button (``bind``), and while the button is disabled or hidden the key is left to napari. Where the
button may be folded away, it belongs to what the button lies in (``bind_within``): then it does nothing while the
button is disabled.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import QAbstractButton, QWidget

from napari_ambiseg.viewer.image.windows import WINDOWS


@dataclass(frozen=True, slots=True)
class Shortcut:
    """A key and what it is for.

    Attributes:
        keys: As Qt names them.
        does: What happens, as a tooltip and the help say it.
    """

    keys: str
    does: str

    @property
    def tip(self) -> str:
        """What a tooltip says."""
        return f"{self.does} ({self.keys})"


RUN = Shortcut("Alt+R", "Draw readings on the slice that is shown")
MORE = Shortcut("Alt+M", "Draw more readings and add them to those that are shown")
CANCEL = Shortcut("Esc", "Stop the run after its current step; before that, end placing the box")
PLACE = Shortcut("Alt+B", "Place the box, in which the model reads, on the lesion")
FOLD = Shortcut("Alt+O", "Fold the settings away, or open them")
ZOOM = Shortcut("Alt+Z", "Fill the view with the box")

ACCEPT = Shortcut("Alt+A", "Make the selected reading a mask of your own, to paint on")
KEEP = Shortcut("Alt+K", "Keep what is shown: masks, tables, pictures, a report, a session file")
HIDE_MODEL = Shortcut("Alt+1", "Blinded reading: hide the model's readings, and every figure on them")
HIDE_EXPERTS = Shortcut("Alt+2", "Blinded reading: hide the experts' masks, and every figure on them")
NOTHING_YET = "there are no readings yet"
"""The commonest reason why something cannot be done."""

ALL = (RUN, MORE, CANCEL, PLACE, ZOOM, FOLD, ACCEPT, KEEP, HIDE_MODEL, HIDE_EXPERTS)


def bind(button: QAbstractButton, shortcut: Shortcut) -> None:
    """Give a button its key and its tooltip."""
    button.setShortcut(shortcut.keys)
    button.setToolTip(shortcut.tip)


def bind_within(holder: QWidget, button: QAbstractButton, shortcut: Shortcut) -> None:
    """Give a button its key as long as ``holder`` is seen: the button itself may be folded away."""
    button.setToolTip(shortcut.tip)
    QShortcut(QKeySequence(shortcut.keys), holder).activated.connect(button.click)


def rename(button: QAbstractButton, text: str) -> None:
    """Change what a button says; Qt takes its key away with the text that it had."""
    key = button.shortcut()
    button.setText(text)
    button.setShortcut(key)


def allow(button: QAbstractButton, tip: str, obstacle: str = "") -> None:
    """Enable a button; or disable it, and let its tooltip say why, e.g. "there are no readings yet"."""
    button.setEnabled(not obstacle)
    button.setToolTip(f"{tip}; not now: {obstacle}" if obstacle else tip)


def help_html(shortcuts: Iterable[Shortcut] = ALL) -> str:
    """All keys as a table."""
    windows = (Shortcut(w.key, f"Window {w.name.lower()}, with the mouse on the image") for w in WINDOWS)
    rows = (f"<tr><td><b>{escape(s.keys)}</b>&nbsp;&nbsp;</td><td>{escape(s.does)}</td></tr>" for s in shortcuts)
    more = (f"<tr><td><b>{escape(s.keys)}</b>&nbsp;&nbsp;</td><td>{escape(s.does)}</td></tr>" for s in windows)
    return f"<table>{''.join((*rows, *more))}</table>"

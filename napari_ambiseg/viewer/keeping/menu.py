"""The menu of all that can be kept; what cannot is greyed, and says why."""

from collections.abc import Callable, Iterable

from qtpy.QtCore import Signal
from qtpy.QtGui import QAction
from qtpy.QtWidgets import QMenu, QPushButton, QWidget

from napari_ambiseg.viewer.keeping import forms
from napari_ambiseg.viewer.keeping.forms import Form
from napari_ambiseg.viewer.keeping.kept import Kept
from napari_ambiseg.viewer.widgets.shortcuts import KEEP, NOTHING_YET, bind


class KeepMenu(QPushButton):
    """A button with a menu.

    Args:
        kept: What would be kept now; None if there is nothing.

    Signals:
        wanted: The ``Form`` in which something is to be kept.
        all_wanted: Everything is to be kept.
    """

    wanted = Signal(object)
    all_wanted = Signal()

    def __init__(self, kept: Callable[[], Kept | None], parent: QWidget | None = None) -> None:
        super().__init__("Keep", parent)
        self._kept = kept
        self._actions: list[tuple[QAction, Form]] = []
        bind(self, KEEP)
        menu = QMenu(self)
        menu.setToolTipsVisible(True)
        self._add_group(menu, "Masks", forms.MASKS)
        self._add_group(menu, "Tables (CSV)", forms.TABLES)
        self.films = self._add_group(menu, "Film", (forms.GIF, forms.MP4))
        menu.addSeparator()
        self._add(menu, (forms.VIEW, forms.WHOLE))
        menu.addSeparator()
        self._add(menu, (forms.REPORT, forms.REPORT_OPENED))
        menu.addSeparator()
        self._add(menu, (forms.SESSION,))
        self.everything = menu.addAction("Everything to a folder…")
        self.everything.setToolTip("All of these files, under plain names; files of these names there are replaced")
        self.everything.triggered.connect(self.all_wanted)
        menu.aboutToShow.connect(self.refresh)
        self.setMenu(menu)

    def action(self, form: Form) -> QAction:
        """The entry of a form."""
        return next(action for action, of in self._actions if of is form)

    def refresh(self) -> None:
        """Grey what cannot be had now."""
        kept = self._kept()
        self.everything.setEnabled(kept is not None)
        for action, form in self._actions:
            why = NOTHING_YET if kept is None else form.why_not(kept)
            action.setEnabled(not why)
            action.setText(f"{form.text.rstrip('…')} ({why})" if why and kept is not None else form.text)
            action.setToolTip(f"{form.tip}. Not now: {why}" if why else form.tip)

    def _add_group(self, menu: QMenu, title: str, of: Iterable[Form]) -> QMenu:
        group = menu.addMenu(title)
        group.setToolTipsVisible(True)
        self._add(group, of)
        return group

    def _add(self, menu: QMenu, of: Iterable[Form]) -> None:
        for form in of:
            action = menu.addAction(form.text)
            action.triggered.connect(lambda _checked=False, form=form: self.wanted.emit(form))
            self._actions.append((action, form))

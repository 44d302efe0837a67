"""The foot of the results: accept a reading, keep what is shown; how far the writing is, and what became of it."""

from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.utils.notifications import show_warning
from numpy.typing import NDArray
from qtpy.QtCore import QUrl, Signal
from qtpy.QtGui import QCursor, QDesktopServices
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QProgressBar, QPushButton, QVBoxLayout, QWidget
from superqt.utils import create_worker

from napari_ambiseg.errors import AmbisegError
from napari_ambiseg.io.animation import Progress
from napari_ambiseg.io.film_frames import Shown
from napari_ambiseg.io.output import check_folder, check_target
from napari_ambiseg.io.session_record import Session
from napari_ambiseg.io.snapshot import save_snapshot
from napari_ambiseg.viewer.keeping import forms
from napari_ambiseg.viewer.keeping.accepting import Accepting
from napari_ambiseg.viewer.keeping.forms import Form
from napari_ambiseg.viewer.keeping.keeper import Keeper
from napari_ambiseg.viewer.keeping.kept import Kept, keep, suggested_name
from napari_ambiseg.viewer.keeping.memory import Habits, remember_habits, remembered_habits
from napari_ambiseg.viewer.keeping.menu import KeepMenu
from napari_ambiseg.viewer.keeping.sessions import changes
from napari_ambiseg.viewer.keeping.writing import keep_everything, keep_film
from napari_ambiseg.viewer.session.showing import Showing
from napari_ambiseg.viewer.session.study import Study
from napari_ambiseg.viewer.widgets.shortcuts import KEEP, NOTHING_YET, allow

FilmChoice = tuple[Shown, int | None, float]
"""What a film shows, of which reading (None: of all), and how fast."""


class KeepingBox(QWidget):
    """Accept and Keep.

    Args:
        showing: What is shown.
        study: All results.
        viewer: Where the layers are.
        picture: Takes a picture (H, W, 3 or 4) of the view, or of the whole slice.
        look: How things are shown, for a session file.
        film: What films are to show.
        habits_file: Where the user's habits are remembered.

    Signals:
        said: A sentence on what was kept.
        failed: The exception.
    """

    said = Signal(str)
    failed = Signal(object)

    def __init__(
        self,
        showing: Showing,
        study: Study,
        viewer: ViewerModel,
        *,
        picture: Callable[[Form], NDArray[np.uint8]],
        look: Callable[[], dict[str, Any]],
        film: Callable[[], FilmChoice],
        habits_file: Path,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._showing, self._study, self._viewer = showing, study, viewer
        self._picture, self._look, self._film, self._habits_file = picture, look, film, habits_file
        self.accepting = Accepting(showing, viewer)
        self.menu = KeepMenu(self.kept)
        self.keeper = Keeper(self)
        self._opens: Path | None = None
        self._arrange()
        self.menu.wanted.connect(self.keep)
        self.menu.all_wanted.connect(self.keep_all)
        self.cancel.clicked.connect(self.keeper.cancel)
        self.keeper.progressed.connect(self._on_progressed)
        self.keeper.done.connect(self._on_done)
        self.keeper.failed.connect(self._on_failed)
        self.keeper.cancelled.connect(self._on_cancelled)
        showing.result_changed.connect(self._show_menu)
        self.destroyed.connect(self.keeper.cancel)
        self._show_menu()

    def kept(self) -> Kept | None:
        """What would be kept now."""
        result, view = self._showing.result, self._showing.view
        if result is None or view is None:
            return None
        others = [other for other in self._study.of(result.request.where) if other is not result]
        return keep(
            result,
            view,
            self._viewer.layers,
            others=others,
            selected=self._showing.selected,
            look=self._look(),
            hidden=self._showing.hidden,
        )

    def keep(self, form: Form) -> None:
        """Ask where, and write it there."""
        kept = self.kept()
        if kept is None or self.keeper.is_busy:
            return
        name = suggested_name(kept.result.request.image_name, form.what, form.suffix, on=date.today())
        proposed = str(remembered_habits(self._habits_file).place / name)
        filters = f"{form.kind} (*{form.suffix})"
        chosen, _ = QFileDialog.getSaveFileName(self, f"Keep: {form.text.rstrip('…')}", proposed, filters)
        if chosen:
            self._write(form, kept, _with_suffix(Path(chosen), form.suffix))

    def keep_all(self) -> None:
        """Ask for a folder, and write everything there."""
        kept = self.kept()
        if kept is None or self.keeper.is_busy:
            return
        proposed = str(remembered_habits(self._habits_file).place)
        chosen = QFileDialog.getExistingDirectory(self, "Keep everything in a folder", proposed)
        if not chosen:
            return
        folder = Path(chosen)
        self._remember(folder)
        try:
            check_folder(folder)
        except AmbisegError as error:
            self.failed.emit(error)
            return
        self._start(partial(_all, kept, folder, self._picture(forms.VIEW)))

    def ask_for_film(self) -> None:
        """Offer the formats of films where the mouse is."""
        self.menu.refresh()
        self.menu.films.popup(QCursor.pos())

    def compare(self, session: Session) -> None:
        """Say what is not any more as a session has it; files are read for that, in the background."""
        worker: Any = create_worker(_changes, session, _start_thread=False)
        worker.returned.connect(self._on_changes)
        worker.start()

    def _on_changes(self, sentence: str) -> None:
        if sentence:
            self.said.emit(sentence)
            show_warning(sentence)

    def _write(self, form: Form, kept: Kept, path: Path) -> None:
        self._remember(path.parent)
        try:
            check_target(path)
        except AmbisegError as error:
            self.failed.emit(error)
            return
        self._opens = path if form.opens else None
        if form in (forms.VIEW, forms.WHOLE):
            self._start(partial(_picture, kept, path, self._picture(form)))
        else:
            self._start(partial(_one, form, kept, path, self._film()))

    def _remember(self, folder: Path) -> None:
        remember_habits(Habits(folder=str(folder)), self._habits_file)

    # What becomes of it

    def _start(self, job: Callable[[Progress], object]) -> None:
        self.bar.setRange(0, 0)
        self.progress.setVisible(True)
        self.keeper.start(job)
        self._show_menu()

    def _on_progressed(self, done: int, total: int) -> None:
        self.bar.setRange(0, total if total > 1 else 0)
        self.bar.setValue(done)

    def _on_done(self, sentence: object) -> None:
        self._rest()
        self.said.emit(str(sentence))
        if self._opens is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._opens.absolute())))
            self._opens = None

    def _on_failed(self, error: Exception) -> None:
        self._rest()
        self.failed.emit(error)

    def _on_cancelled(self) -> None:
        self._rest()
        self.said.emit("Cancelled; nothing half-written is left.")

    def _rest(self) -> None:
        self.progress.setVisible(False)
        self._show_menu()

    def _show_menu(self) -> None:
        obstacle = "files are being written" if self.keeper.is_busy else ""
        allow(self.menu, KEEP.tip, NOTHING_YET if self._showing.result is None else obstacle)

    def _arrange(self) -> None:
        self.progress = QWidget()
        self.bar = QProgressBar()
        self.bar.setMaximumHeight(14)
        self.cancel = QPushButton("Stop writing")
        progress = QHBoxLayout(self.progress)
        progress.setContentsMargins(0, 0, 0, 0)
        progress.addWidget(self.bar, 1)
        progress.addWidget(self.cancel)
        self.progress.setVisible(False)
        row = QHBoxLayout()
        row.addWidget(self.accepting.button, 1)
        row.addWidget(self.menu, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addLayout(row)
        layout.addWidget(self.accepting)
        layout.addWidget(self.progress)


def _one(form: Form, kept: Kept, path: Path, film: FilmChoice, progress: Progress) -> str:
    if form.write is not None:
        form.write(kept, path, progress)
    else:
        shown, reading, speed = film
        keep_film(kept, path, shown=shown, reading=reading, speed=speed, progress=progress)
    return f"Kept {path}."


def _picture(kept: Kept, path: Path, taken: NDArray[np.uint8], progress: Progress) -> str:
    progress(0, 1)
    save_snapshot(path, np.ascontiguousarray(taken[..., :3]), said=_said(kept))
    return f"Kept {path}."


def _all(kept: Kept, folder: Path, view: NDArray[np.uint8], progress: Progress) -> str:
    _picture(kept, folder / "view.png", view, progress)
    files = keep_everything(kept, folder, progress)
    return f"Kept {len(files) + 1} files in {folder}."


def _changes(session: Session) -> str:
    try:
        return changes(session)
    except (AmbisegError, RuntimeError, OSError) as error:
        return f"Whether the image's file is the same could not be seen ({error})."


def _said(kept: Kept) -> list[str]:
    """What stands below a picture: nothing of what is hidden on it."""
    sampled, view = kept.result.sampled, kept.view
    experts, threshold = len(kept.result.request.experts.masks), 100 * view.threshold
    rendered = " · rendered pixels, real outlines" if kept.rendered else ""
    readings = (
        f"{len(view.readings)} readings by {sampled.model_name}, {view.empty} empty (threshold {threshold:.0f} %)"
    )
    seen = [*([] if kept.hidden.model else [readings]), *([] if kept.hidden.experts else [f"{experts} experts"])]
    return [kept.result.request.image_name + rendered, " · ".join(seen) or kept.hidden.told]


def _with_suffix(path: Path, suffix: str) -> Path:
    return path if path.name.lower().endswith(suffix) else path.with_name(path.name + suffix)

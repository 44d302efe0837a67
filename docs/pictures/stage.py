"""A napari window with the dock, to be photographed as a user sees it: with menus, and with windows beside it."""

import io
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from napari.viewer import Viewer
from PIL import Image as Picture
from qtpy.QtCore import QBuffer, QEventLoop, QIODevice, QPoint, QTimer
from qtpy.QtGui import QCursor, QPixmap
from qtpy.QtWidgets import QApplication, QMenu, QWidget

from napari_ambiseg.viewer import app, panel
from napari_ambiseg.viewer.panel import ReadingsPanel
from napari_ambiseg.viewer.session.result import Request

_MOST_BYTES = 300_000
_PAGE = 820, 1080  # pixels: a sheet of A4, roughly


@dataclass(frozen=True, slots=True)
class Stage:
    """The window.

    Attributes:
        viewer: It, as napari has it.
        panel: The dock.
        scratch: A folder that is thrown away.
        out: Where pictures go.
    """

    viewer: Viewer
    panel: ReadingsPanel
    scratch: Path
    out: Path

    def run(self) -> None:
        """Draw readings, and wait for them."""
        self.until_ended(self.panel.run)

    def run_again(self, requests: Sequence[Request]) -> None:
        """Fulfil requests, and wait."""
        self.until_ended(lambda: self.panel.ask.start(requests))

    def show_slice(self, number: int) -> None:
        """Go to a slice of the file, counted from 1 as the dock does."""
        self.panel.go_to_slice(number - 1)
        wait()
        wait()  # until the canvas has the size that the docks leave it
        self.panel.zoom()

    def show_tab(self, name: str) -> None:
        """Go to a tab of the dock."""
        tabs = self.panel.results.tabs
        tabs.setCurrentIndex(next(i for i in range(tabs.count()) if tabs.tabText(i).startswith(name)))

    def photograph(self, name: str) -> None:
        """Save what is on the screen where the window is."""
        self.panel.zoom()
        window = self.panel.window()
        QCursor.setPos(window.mapToGlobal(QPoint(window.width() - 2, window.height() - 2)))  # points at nothing
        wait()
        frame, screen = window.frameGeometry(), window.screen()
        taken = screen.grabWindow(0, frame.x(), frame.y(), frame.width(), frame.height())
        save(taken, self.out / f"{name}.png")

    @contextmanager
    def open_menu(self, menu: QMenu, below: QWidget) -> Iterator[None]:
        """With a menu popped up below a button."""
        room = self.panel.window().width() - menu.sizeHint().width() - 4  # a menu is not cut off at the edge
        corner = below.mapTo(self.panel.window(), QPoint(0, below.height()))
        menu.popup(self.panel.window().mapToGlobal(QPoint(min(corner.x(), room), corner.y())))
        wait()
        yield
        menu.close()

    def until_ended(self, start: Callable[[], object]) -> None:
        """Start a run, and wait for its end."""
        ended = QEventLoop()
        self.panel.run_ended.connect(ended.quit)
        start()
        if self.panel.is_running:
            ended.exec()
        if self.panel.error is not None:
            raise self.panel.error
        wait()


@contextmanager
def stage(out: Path, files: Sequence[Path] = (), *, theme: str = "dark") -> Iterator[Stage]:
    """Open files, or the bundled sample, with settings that are nobody's.

    Args:
        out: Where pictures go.
        files: What to open.
        theme: Of napari.
    """
    torch.set_num_threads(1)  # or readings come with a remark on what else the computer does
    with TemporaryDirectory() as scratch:
        panel.settings_path = lambda: Path(scratch) / "viewer.json"
        viewer = Viewer(title="napari")
        viewer.theme = theme
        yield Stage(viewer, app.open_everything(viewer, files), Path(scratch), out)
        viewer.close()
        QApplication.processEvents()


def photograph_page(page: Path, path: Path) -> None:
    """Save what a browser shows of a page, if Chromium is installed."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        print(f"{path} stays as it is: there is no Chromium to show a page")
        return
    with TemporaryDirectory() as scratch:
        taken = Path(scratch) / "page.png"
        options = ["--headless", "--no-sandbox", "--hide-scrollbars", f"--window-size={_PAGE[0]},{_PAGE[1]}"]
        options += [f"--user-data-dir={scratch}/profile", f"--screenshot={taken}"]
        subprocess.run([browser, *options, page.as_uri()], check=True, capture_output=True)
        save(QPixmap(str(taken)), path)


def wait(milliseconds: int = 500) -> None:
    """Let the window draw."""
    waiting = QEventLoop()
    QTimer.singleShot(milliseconds, waiting.quit)
    waiting.exec()


def save(taken: QPixmap, path: Path) -> None:
    """Write a picture as PNG, and say how large it is."""
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    taken.save(buffer, "PNG")
    picture = Picture.open(io.BytesIO(bytes(buffer.data().data()))).convert("RGB")
    picture.save(path, optimize=True)
    size = path.stat().st_size
    print(f"{path}: {size // 1000} KB{', too large for a repository' if size > _MOST_BYTES else ''}")

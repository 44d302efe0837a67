"""From the command to the first preview: `python -m napari_ambiseg`, against napari without anything.

Each is a process of its own, timed from before its first import. An empty napari is there when its event loop runs and
its canvas is drawn; ours when the bundled slice is open, too, and the first picture of its readings is drawn, be it
noise or outlines. The first turn is not counted: after it, files are in memory, and shaders, fonts, units and the
converted model are where they are kept from one day to the next.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.harness import CannotRun, Figures, Found, Plan, Row, row, spread

PLAN = Plan(repetitions=6, fresh=True, screen=True)

_MOST_S = 3.0
_EMPTY, _PICTURE, _OURS = "napari alone", "napari with a picture", "napari-ambiseg"
_LONGEST_MS = 120_000


def sides(quick: bool) -> tuple[str, ...]:
    """Without anything, with what napari needs for a first picture, and with the plugin."""
    return (_EMPTY, _PICTURE, _OURS)


def prepare(side: str, quick: bool) -> Callable[[], Figures]:
    """Nothing: the measurement begins with the first import."""

    def measure() -> Figures:
        started = time.perf_counter(), time.process_time()
        seen = _preview_seen() if side == _OURS else _napari_seen(with_picture=side == _PICTURE)
        return {"seconds": seen - started[0], "cpu_seconds": time.process_time() - started[1]}

    return measure


def _napari_seen(*, with_picture: bool) -> float:
    """Open napari; the time at which it is there."""
    import napari

    viewer = napari.Viewer()
    if with_picture:
        viewer.add_image(np.eye(128, dtype=np.float32), scale=(0.5, 0.5), units=("mm", "mm"))
    seen = _drawn(viewer, lambda: True)
    viewer.close()
    return seen


def _preview_seen() -> float:
    """Open the application as its command does; the time at which a reading is seen."""
    import napari

    seen: list[float] = []

    def run_until_seen() -> None:
        """In place of the event loop that ends when the user closes the window."""
        from napari_ambiseg.viewer.image.origin import Role, role_of

        of_runs = {Role.TRAJECTORY, Role.READINGS, Role.PROBABILITY}
        viewer = napari.current_viewer()
        assert viewer is not None
        seen.append(_drawn(viewer, lambda: any(layer.visible and role_of(layer) in of_runs for layer in viewer.layers)))
        viewer.close()

    napari.run = run_until_seen
    from napari_ambiseg.__main__ import main

    code = main([])
    if not seen:
        raise CannotRun(f"the application ended with exit code {code}")
    return seen[0]


def _drawn(viewer: Any, is_there: Callable[[], bool]) -> float:
    """Let the event loop run until something is there and the canvas has been drawn with it; the time of that."""
    from qtpy.QtCore import QEventLoop, QTimer

    drawn: list[float] = []
    loop = QEventLoop()

    def note(_: object) -> None:
        """Behind whatever draws the canvas."""
        if is_there() and not drawn:
            drawn.append(time.perf_counter())
            loop.quit()

    canvas = viewer.window._qt_viewer.canvas._scene_canvas
    canvas.events.draw.connect(note, position="last")
    canvas.update()  # an empty one may have been drawn before there was a loop
    QTimer.singleShot(_LONGEST_MS, loop.quit)
    loop.exec()
    if not drawn:
        raise CannotRun(f"nothing was seen for {_LONGEST_MS / 1000:.0f} s")
    return drawn[0]


def rows(found: Found) -> list[Row]:
    """What the plugin adds."""
    return [
        row("start to first preview, beyond an empty napari", f"<= {_MOST_S:g} s", lambda: _judge(found, _EMPTY)),
        row("… beyond a napari that shows a picture in mm", "", lambda: (_judge(found, _PICTURE)[0], None)),
    ]


def _judge(found: Found, baseline: str) -> tuple[str, bool]:
    ours, empty = (found.all(side, "seconds") for side in (_OURS, baseline))
    counted = slice(1, None) if len(ours) > 1 else slice(None)
    more = [a - b for a, b in zip(ours[counted], empty[counted], strict=True)]
    cpu = found.median(_OURS, "cpu_seconds") - found.median(baseline, "cpu_seconds")
    told = (
        f"{spread(more, 's', 1)}, of processor time {cpu:.1f} s; {baseline} {statistics.median(empty[counted]):.1f} s"
    )
    return told, statistics.median(more) <= _MOST_S

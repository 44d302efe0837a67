"""Moving the threshold's slider: from the move to redrawn layers, 16 readings of 512 x 512 against four experts.

Processor time of everything that one move sets off until the layers are refreshed: readings, agreement, outlines and
table anew, napari's own work on its layers. Drawing the window afterwards is told apart: on a virtual screen a program
draws every pixel of it, elsewhere a graphics card does.
"""

import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.harness import SCRATCH, Figures, Found, Plan, Row, row, spread

PLAN = Plan(repetitions=3, screen=True, threads=1)

_MOST_MS = 33.0
_SIDE = "slider"


def sides(quick: bool) -> tuple[str, ...]:
    """One."""
    return (_SIDE,)


def prepare(side: str, quick: bool) -> Callable[[], Figures]:
    """A window that shows readings."""
    from qtpy.QtWidgets import QApplication

    from benchmarks import windows

    side_px = 64 if quick else 512
    model = windows.lesions_model(Path(os.environ[SCRATCH]), side_px)
    _, panel = windows.open_dock(model, side_px, readings=4 if quick else 16)
    windows.run_to_its_end(panel)
    panel.zoom()
    _settle(QApplication.processEvents)

    def measure() -> Figures:
        layers, window = [], []
        for position in (*range(5, 100, 5), *range(95, 0, -5)):
            started = time.process_time()
            panel.results.slider.setValue(position)
            refreshed = time.process_time()
            QApplication.processEvents()
            layers.append(1000 * (refreshed - started))
            window.append(1000 * (time.process_time() - refreshed))
        return {
            "layers_ms": statistics.median(layers),
            "layers_p95_ms": statistics.quantiles(layers, n=20)[-1],
            "window_ms": statistics.median(window),
        }

    return measure


def _settle(process_events: Callable[[], None], seconds: float = 1.0) -> None:
    """Let the window come to rest."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        process_events()
        time.sleep(0.01)


def rows(found: Found) -> list[Row]:
    """One move."""
    what = "threshold move to redrawn layers, 16 readings of 512 x 512"
    return [
        row(what, f"<= {_MOST_MS:.0f} ms", lambda: _judge(found)),
        row(
            "… the window drawn by software, in addition",
            "",
            lambda: (spread(found.all(_SIDE, "window_ms"), "ms", 1), None),
        ),
    ]


def _judge(found: Found) -> tuple[str, bool]:
    times = found.all(_SIDE, "layers_ms")
    slow = found.median(_SIDE, "layers_p95_ms")
    return f"{spread(times, 'ms', 1)} of processor time, p95 {slow:.1f} ms", statistics.median(times) <= _MOST_MS

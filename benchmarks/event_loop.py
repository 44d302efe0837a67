"""How long the window is deaf: delays of a timer of one millisecond while the dock draws readings.

Sixteen readings of ten steps with the paper's network at 128 x 128. A tick that comes late has waited for whatever the
window's thread did meanwhile, or for its turn on the processor. Where there is no graphics card, drawing a picture is
the longest of it: so the same is measured with a window that is not shown, in which all but drawing happens, and
without a run, which is what the machine costs.
"""

import os
import statistics
from collections.abc import Callable
from pathlib import Path

from benchmarks.harness import SCRATCH, CannotRun, Figures, Found, Plan, Row, row, spread

PLAN = Plan(repetitions=3, screen=True)

_MOST_MS = 10.0
_SHOWN, _HIDDEN = "shown", "not shown"


def sides(quick: bool) -> tuple[str, ...]:
    """A window that is drawn, and one that is not."""
    return (_SHOWN, _HIDDEN)


def prepare(side: str, quick: bool) -> Callable[[], Figures]:
    """A window with the dock, ready to run."""
    from qtpy.QtCore import QEventLoop, QTimer

    from benchmarks import windows

    model = windows.slow_model(Path(os.environ[SCRATCH]), *(("tiny", 32) if quick else ("paper", 128)))
    viewer, panel = windows.open_dock(model, 128, readings=2 if quick else 16, show=side == _SHOWN)
    windows.run_to_its_end(panel)  # layers are made and libraries loaded

    def wait(milliseconds: int) -> None:
        waiting = QEventLoop()
        QTimer.singleShot(milliseconds, waiting.quit)
        waiting.exec()

    def measure() -> Figures:
        wait(500)
        with windows.ticking() as idle:
            wait(100 if quick else 2000)
        with windows.ticking() as busy:
            windows.run_to_its_end(panel)
        return {"idle": _summary(idle), "readings": _summary(busy), "layers": len(viewer.layers)}

    return measure


def _summary(delays_ms: list[float]) -> dict[str, float]:
    hundredths = statistics.quantiles(delays_ms, n=100, method="inclusive")
    return {
        "ticks": len(delays_ms),
        "p50_ms": hundredths[49],
        "p95_ms": hundredths[94],
        "p99_ms": hundredths[98],
        "max_ms": max(delays_ms),
    }


def rows(found: Found) -> list[Row]:
    """While readings are drawn, and when nothing is done."""
    what, goal = "delay of the window while readings are computed", f"p99 <= {_MOST_MS:.0f} ms"
    return [
        row(f"{what}, all but drawing", goal, lambda: _judge(found, _HIDDEN)),
        row(f"{what}, its pictures drawn", goal, lambda: _judge(found, _SHOWN)),
        row("… while nothing is computed", "", lambda: (_told(found, _SHOWN, "idle"), None)),
    ]


def _judge(found: Found, side: str) -> tuple[str, bool]:
    told = _told(found, side, "readings")
    return told, statistics.median(figures["readings"]["p99_ms"] for figures in found.figures[side]) <= _MOST_MS


def _told(found: Found, side: str, when: str) -> str:
    if side in found.reasons:
        raise CannotRun(found.reasons[side])
    several = [figures[when] for figures in found.figures[side]]
    keys = ("p50", "p95", "p99", "max")
    return ", ".join(f"{key} {spread([one[f'{key}_ms'] for one in several], 'ms', 1)}" for key in keys)

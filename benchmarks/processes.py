"""The sides of a benchmark, each in a process of its own, measured in turn.

A process says that it is ready, then answers one line for each that it is sent (``worker``): what takes long to set up
is set up once. While one measures, the others wait for their line and use no processor.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from benchmarks.harness import ROOT, SCRATCH, Benchmark, CannotRun, Figures, Found, Plan
from benchmarks.worker import MARK

_LONGEST_S = 1800.0
_PATIENCE_S = 30.0  # for a process to end when it has nothing left to do


class Worker:
    """A side in a process of its own.

    Args:
        name: The benchmark's module in this package.
        side: What it is to measure.
        plan: How.
        quick: Whether small sizes will do.
        scratch: Folder that it may write to.
    """

    def __init__(self, name: str, side: str, *, plan: Plan, quick: bool, scratch: Path) -> None:
        screen = [str(ROOT / "scripts" / "with-screen")] if plan.screen else []
        threads = plan.threads or len(os.sched_getaffinity(0))
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed by end)
        self._process = subprocess.Popen(
            [*screen, sys.executable, "-m", "benchmarks.worker", name, side, "quick" if quick else "full"],
            cwd=ROOT,
            env={**os.environ, **_own_folders(scratch), "OMP_NUM_THREADS": str(threads)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            start_new_session=True,
        )

    def measure(self) -> Figures:
        """One measurement.

        Raises:
            CannotRun: If there is none.
        """
        assert self._process.stdin is not None
        with suppress(OSError):  # it is gone, which its missing answer tells
            self._process.stdin.write("measure\n")
            self._process.stdin.flush()
        return self.answer()

    def answer(self) -> Figures:
        """What it says next; errors as ``measure``."""
        assert self._process.stdout is not None
        watch = threading.Timer(_LONGEST_S, self._kill)
        watch.start()
        try:
            told = next((line for line in self._process.stdout if line.startswith(MARK)), None)
        finally:
            watch.cancel()
        if told is None:
            raise CannotRun(f"it ended without an answer: {self._last_words()}")
        answer = json.loads(told.removeprefix(MARK))
        if "cannot" in answer:
            raise CannotRun(answer["cannot"])
        return answer

    def end(self) -> None:
        """There are no more lines, so the process ends; otherwise it is ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(OSError):
            self._process.stdin.close()
        self._exit_code()
        self._process.stdout.close()
        self._errors.close()

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # with the virtual screen that it may have

    def _exit_code(self) -> int | None:
        """Of the process, which is ended if it does not end by itself; None if it cannot be ended either."""
        for _ in range(2):
            with suppress(subprocess.TimeoutExpired):
                return self._process.wait(_PATIENCE_S)
            self._kill()
        return None

    def _last_words(self) -> str:
        code = self._exit_code()
        self._errors.seek(0)
        lines = [line.strip() for line in self._errors if line.strip()]
        return lines[-1][:200] if lines else f"exit code {code}"


def _own_folders(scratch: Path) -> dict[str, str]:
    """The user's settings and converted models neither change what is measured nor are changed by it."""
    caches = {"SCREEN_CACHE": str(scratch), "AMBISEG_CACHE": str(scratch)}
    return {SCRATCH: str(scratch), "XDG_CONFIG_HOME": str(scratch), **caches}


class Sides:
    """The processes of a benchmark's sides, started when they are first asked."""

    def __init__(self, name: str, plan: Plan, *, quick: bool, scratch: Path) -> None:
        self._name, self._plan, self._quick, self._scratch = name, plan, quick, scratch
        self._workers: dict[str, Worker] = {}

    def measure(self, side: str) -> Figures:
        """One measurement; errors as ``Worker.measure``."""
        if side not in self._workers:
            worker = Worker(self._name, side, plan=self._plan, quick=self._quick, scratch=self._scratch)
            self._workers[side] = worker
            worker.answer()
        figures = self._workers[side].measure()
        if self._plan.fresh:
            self._workers.pop(side).end()
        return figures

    def end(self) -> None:
        """End all processes."""
        for worker in self._workers.values():
            worker.end()


def measure(
    name: str, benchmark: Benchmark, *, plan: Plan, quick: bool, scratch: Path, tell: Callable[[str], None]
) -> Found:
    """All measurements of a benchmark, the sides in turn.

    Args:
        name: Its module in this package.
        benchmark: The module.
        plan: How it is run: its own plan, or another.
        quick: Whether small sizes are enough, to see that it works.
        scratch: Folder that the sides may write to.
        tell: Takes a line about what happens now.
    """
    found = Found({}, {}, scratch)
    sides = Sides(name, plan, quick=quick, scratch=scratch)
    times = plan.repetitions
    try:
        for turn in range(times):
            for side in benchmark.sides(quick):
                if side in found.reasons:
                    continue
                tell(f"{name}: {side}, {turn + 1} of {times}")
                try:
                    found.figures.setdefault(side, []).append(sides.measure(side))
                except CannotRun as reason:
                    found.reasons[side] = str(reason)
                    del found.figures[side]
                    tell(f"{name}: {side} cannot be measured: {reason}")
    finally:
        sides.end()
    return found

"""What all benchmarks share: sides that are measured in turn, each in a process of its own, and rows of a table.

A benchmark is a module with

- ``sides(quick)``: what is measured against what;
- ``prepare(side, quick)``: called in a process of its own; returns a function that measures once;
- ``rows(found)``: what the measurements say, against the goals; pictures in the scratch folder go beside the table;

and a ``PLAN``. The sides take turns, A B C A B C, because a machine is never quite alone: what disturbs it then
disturbs all alike, and ratios hold where times do not. A side that cannot run (no GPU, a package that is not
installed) says so in its row; no other side suffers.
"""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

ROOT = Path(__file__).parents[1]
SCRATCH = "BENCHMARK_SCRATCH"  # environment variable: a folder for what is too large for an answer

Figures = dict[str, Any]
"""One measurement: numbers by name, as JSON holds them."""


class CannotRun(Exception):
    """A side that this machine cannot measure; the reason is told."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a benchmark is run.

    Attributes:
        repetitions: Times that every side is measured.
        fresh: Whether every measurement has a new process.
        screen: Whether windows are opened.
        threads: Of each process; 0 is one for each processor.
    """

    repetitions: int
    fresh: bool = False
    screen: bool = False
    threads: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """All measurements of a benchmark.

    Attributes:
        figures: Of every side that ran, one for each repetition.
        reasons: Why the others did not.
        scratch: Where sides have put what is too large for an answer.
    """

    figures: dict[str, list[Figures]]
    reasons: dict[str, str]
    scratch: Path

    def median(self, side: str, key: str) -> float:
        """Median over the repetitions.

        Raises:
            CannotRun: If the side did not run.
        """
        return statistics.median(self.all(side, key))

    def all(self, side: str, key: str) -> list[float]:
        """The figure at every repetition; errors as ``median``."""
        if side not in self.figures:
            raise CannotRun(f"{side}: {self.reasons.get(side, 'not measured')}")
        return [figures[key] for figures in self.figures[side]]

    def ratios(self, side: str, other: str, key: str) -> list[float]:
        """The figure as a multiple of the other side's at every repetition; errors as ``median``."""
        return [a / b for a, b in zip(self.all(side, key), self.all(other, key), strict=True)]


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table.

    Attributes:
        what: What was measured.
        goal: What it should be; "" if it is told for comparison only.
        measured: What it was, or why it was not measured.
        met: Whether it is as it should be; None if nobody knows, or there is no goal.
    """

    what: str
    goal: str
    measured: str
    met: bool | None = None


def row(what: str, goal: str, judge: Callable[[], tuple[str, bool | None]]) -> Row:
    """A row from a function that tells what was measured and whether that is enough; it may be that it cannot."""
    try:
        measured, met = judge()
    except CannotRun as reason:
        return Row(what, goal, f"not measured ({reason})", None)
    return Row(what, goal, measured, met)


def spread(values: Sequence[float], unit: str = "", digits: int = 2) -> str:
    """Median and range, e.g. "0.53 (0.51 to 0.55)"."""
    middle, low, high = (f"{v:.{digits}f}" for v in (statistics.median(values), min(values), max(values)))
    unit = f" {unit}" if unit else ""
    return f"{middle}{unit}" if low == high else f"{middle}{unit} ({low} to {high})"


class Benchmark(Protocol):
    """See the module's docstring."""

    PLAN: Plan

    def sides(self, quick: bool) -> Sequence[str]:
        """Names of what is measured in turn."""
        ...

    def prepare(self, side: str, quick: bool) -> Callable[[], Figures]:
        """Everything up to the measurement; raises ``CannotRun`` or ``ImportError`` if there is none."""
        ...

    def rows(self, found: Found) -> list[Row]:
        """What the measurements say."""
        ...

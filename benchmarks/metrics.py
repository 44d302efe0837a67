"""GED, Dice and areas of readings against experts: this package against medpy's functions, pair by pair.

Lesions are large here, about half of the picture across. Ours is ``compare``, which also tells the unbiased GED, mean
IoU and the Hungarian-matched IoU; medpy has no such functions, so its loop is spared them.
"""

import statistics
import time
from collections.abc import Callable
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import CannotRun, Figures, Found, Plan, Row, row, spread
from benchmarks.shapes import lesions
from napari_ambiseg.readings.agreement import compare

PLAN = Plan(repetitions=5)

_MOST_MS = {"16 x 4 masks of 128 x 128": 0.5, "100 x 4 masks of 512 x 512": 50.0}
_RADIUS, _EXPERTS = 0.25, 4

Masks = NDArray[np.bool_]


def sides(quick: bool) -> tuple[str, ...]:
    """Ours and medpy's of each size."""
    return tuple(f"{who}, {size}" for size in _MOST_MS for who in ("ours", "medpy"))


def prepare(side: str, quick: bool) -> Callable[[], Figures]:
    """The masks, and the function that is timed."""
    who, size = side.split(", ")
    words = size.split()
    count, pixels = (3, 32) if quick else (int(words[0]), int(words[-1]))
    samples = lesions(count, pixels, radius=_RADIUS, seed=0)
    experts = lesions(_EXPERTS, pixels, radius=_RADIUS, seed=1)
    function = _ours if who == "ours" else _medpy()
    return lambda: {"ms": _median_ms(lambda: function(samples, experts)), "ged": function(samples, experts)}


def _ours(samples: Masks, experts: Masks) -> float:
    return compare(samples=samples, experts=experts).ged


def _medpy() -> Callable[[Masks, Masks], float]:
    """The same figures from its functions of two masks, each pair once."""
    from medpy.metric.binary import dc, jc

    def spread_of(masks: Masks) -> float:
        return 2 * sum(1 - jc(a, b) for a, b in combinations(masks, 2)) / len(masks) ** 2

    def figures(samples: Masks, experts: Masks) -> float:
        pairs = list(product(samples, experts))
        np.mean([dc(a, b) for a, b in pairs])
        [int(np.count_nonzero(mask)) for mask in (*samples, *experts)]
        return float(2 * np.mean([1 - jc(a, b) for a, b in pairs]) - spread_of(samples) - spread_of(experts))

    return figures


def _median_ms(function: Callable[[], object], seconds: float = 0.3) -> float:
    """Median time of calls, three at least, that take about so long together; the first call is not counted."""
    function()
    times: list[float] = []
    while len(times) < 3 or sum(times) < seconds:
        since = time.perf_counter()
        function()
        times.append(time.perf_counter() - since)
    return 1000 * statistics.median(times)


def rows(found: Found) -> list[Row]:
    """Ours against the goals, and against medpy's."""
    table: list[Row] = []
    for size, most in _MOST_MS.items():
        table += [
            row(
                f"GED, Dice, areas (and HM-IoU), {size}",
                f"<= {most:g} ms",
                lambda size=size, most=most: _time(found, size, most),
            ),
            row("… medpy's time, as a multiple of ours", ">= 10", lambda size=size: _ratio(found, size)),
        ]
    return table


def _time(found: Found, size: str, most: float) -> tuple[str, bool]:
    times = found.all(f"ours, {size}", "ms")
    return spread(times, "ms"), statistics.median(times) <= most


def _ratio(found: Found, size: str) -> tuple[str, bool]:
    ratios = found.ratios(f"medpy, {size}", f"ours, {size}", "ms")
    if not np.allclose(found.all(f"medpy, {size}", "ged"), found.all(f"ours, {size}", "ged")):
        raise CannotRun("the two tell different GEDs, so their times say nothing")
    return spread(ratios, digits=0), statistics.median(ratios) >= 10

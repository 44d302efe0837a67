"""Which readings are drawn together, in which order, and by how many threads.

A large batch falls out of the processor's cache (a batch of 16 of the paper's network at 128 x 128 takes 1.7 times as
long as four of 4), and threads that share a convolution wait for each other hundreds of times a step. Readings are
therefore drawn in small chunks by workers with one thread each. Two things ask for all threads in one chunk:

- the first reading, which somebody waits for. A worker alone would need the ``workers / S``-th part of the whole time;
- readings left over when the others are shared out evenly: with two workers, the sixteenth would keep one waiting.

So there are up to three phases: the first reading on all threads; equal shares of chunks for all workers; what is left,
one by one on all threads. A GPU takes many readings at a time, and a model that asks its network only once would ask it
again for each chunk: both get chunks as large as they may be.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

Chunk = range
"""Numbers of the readings that are drawn together."""

SMALL_PX = 64 * 64
"""Pixels of a grid on which a step takes so little time that no thread should wait for another, nor be tried out."""

_GAIN = 0.7  # how much of a thread is left when all share one chunk (measured: benchmarks/sampling.py)


@dataclass(frozen=True, slots=True)
class Phase:
    """Chunks that may be drawn side by side.

    Attributes:
        workers: How many at a time.
        threads: For each of them.
        chunks: In order of their start.
    """

    workers: int
    threads: int
    chunks: tuple[Chunk, ...]


def plan_iterated(count: int, *, workers: int, largest: int, together: bool) -> tuple[Phase, ...]:
    """The phases of ``count`` readings of a model that asks its network at every step, on a CPU.

    Args:
        count: Readings, at least 1.
        workers: Threads of the machine, at least 1.
        largest: Readings of the largest chunk.
        together: Whether several threads are quicker on one reading than one; not so on a busy machine.
    """
    if not together:
        singles = tuple(range(i, i + 1) for i in range(min(count, workers)))
        return (Phase(workers, 1, singles + _shares(len(singles), count, workers=workers, largest=largest)),)
    left_over = (count - 1) % workers
    if left_over > _GAIN * workers:  # one more round for all workers is shorter than so many one by one
        left_over = 0
    shared = _shares(1, count - left_over, workers=workers, largest=largest)
    last = tuple(range(i, i + 1) for i in range(count - left_over, count))
    phases = (Phase(1, workers, (range(1),)), Phase(workers, 1, shared), Phase(1, workers, last))
    return tuple(phase for phase in phases if phase.chunks)


def plan_large(numbers: Sequence[int], *, workers: int, largest: int) -> tuple[Phase, ...]:
    """One phase of chunks as large as may be, one at least for each worker.

    Args:
        numbers: Of the readings, ascending; with gaps if some are there already.
        workers: How many chunks at a time.
        largest: Readings of the largest chunk.
    """
    size = min(largest, -(-len(numbers) // workers))
    chunks = tuple(part for run in _runs(numbers) for part in _split(run, size))
    return (Phase(workers, 1, chunks),)


def _shares(first: int, stop: int, *, workers: int, largest: int) -> tuple[Chunk, ...]:
    """The readings from number ``first`` to before ``stop``, such that workers of equal speed end together."""
    share = -(-(stop - first) // workers)
    rounds = -(-share // largest)
    sizes = [share // rounds + (i < share % rounds) for i in range(rounds) for _ in range(workers)]
    for i in range(sum(sizes) - (stop - first)):
        sizes[-1 - i] -= 1
    starts = itertools.accumulate(sizes, initial=first)
    return tuple(range(start, start + size) for start, size in zip(starts, sizes, strict=False) if size)


def _runs(numbers: Sequence[int]) -> list[Chunk]:
    """Ascending numbers as runs without gaps."""
    groups = itertools.groupby(enumerate(numbers), key=lambda one: one[1] - one[0])
    runs = [[number for _, number in group] for _, group in groups]
    return [range(run[0], run[-1] + 1) for run in runs]


def _split(chunk: Chunk, size: int) -> list[Chunk]:
    return [chunk[i : i + size] for i in range(0, len(chunk), size)]

"""Batches that are drawn while the model computes.

``BatchSource.batch`` is a pure function of the step, so that drawing ahead, in other threads, changes nothing. numpy
and torch let go of the interpreter while they work.
"""

import time
from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from trainer.data.batches import Batch, BatchSource

THREADS = 2
AHEAD = 3  # batches: enough to even out the times that batches take


@dataclass(frozen=True, slots=True)
class Drawn:
    """A batch that is ready.

    Attributes:
        step: Its step, counted from 0.
        batch: What it shows, on the CPU.
        waited: Seconds that the caller waited for it.
    """

    step: int
    batch: Batch
    waited: float


def prefetch(source: BatchSource, steps: range) -> Generator[Drawn]:
    """The batches of ``steps``, in order. Closing the generator ends its threads.

    Raises:
        Exception: Whatever drawing a batch raises, when that batch's turn comes.
    """
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="batches")
    waiting: deque[Future[Batch]] = deque(pool.submit(source.batch, step) for step in steps[:AHEAD])
    try:
        for step in steps:
            since = time.perf_counter()
            batch = waiting.popleft().result()
            waited = time.perf_counter() - since
            if step + AHEAD < steps.stop:
                waiting.append(pool.submit(source.batch, step + AHEAD))
            yield Drawn(step, batch, waited)
    finally:
        pool.shutdown(cancel_futures=True)

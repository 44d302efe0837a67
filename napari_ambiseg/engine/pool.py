"""Draws chunks of readings side by side, and tells of every step as soon as it is done.

Each chunk is a generator of states (``Segmenter.sample``), driven by one worker thread from its first step to its last.
Each reading has noise of its own, so neither the chunks nor their order change anything but rounding. Between two steps
a worker looks whether the run goes on: closing the stream stops every worker after the step that it is in.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import Full, Queue

import torch

from napari_ambiseg.engine.plan import Chunk, Phase
from napari_ambiseg.models.segmenter import State

_LOOK_UP_SECONDS = 0.1  # how often a worker that waits for its listener looks whether it is wanted at all

Draw = Callable[[Chunk], Iterator[State]]
"""Starts to draw a chunk's readings: their states after each step."""


@dataclass(frozen=True, slots=True)
class Stepped:
    """A chunk has done a step."""

    chunk: Chunk
    state: State


def stream(phase: Phase, draw: Draw) -> Iterator[Stepped]:
    """All steps of a phase's chunks, in the order in which they are done.

    Close it to stop: it then waits for the steps that are being computed. What a chunk raises ends the others too, and
    is raised here.
    """
    told: Queue[Stepped | Exception | None] = Queue(maxsize=2 * phase.workers)  # workers wait for a slow listener
    stop = threading.Event()

    def tell(news: Stepped | Exception | None) -> None:
        while not stop.is_set():
            with contextlib.suppress(Full):
                told.put(news, timeout=_LOOK_UP_SECONDS)
                return

    def work(chunk: Chunk) -> None:
        try:
            for state in _states(draw(chunk), stop):
                tell(Stepped(chunk, state))
        except Exception as error:  # noqa: BLE001 (whatever it is, its place is the thread that drives the run)
            tell(error)
        tell(None)

    threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(phase.workers, "reading", initializer=torch.set_num_threads, initargs=(phase.threads,))
    try:
        for chunk in phase.chunks:
            pool.submit(work, chunk)
        yield from _until_ended(told, len(phase.chunks))
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)  # torch gives every new thread the number that was set last, by whomever


def _until_ended(told: Queue[Stepped | Exception | None], chunks: int) -> Iterator[Stepped]:
    """What the workers tell, until all have said that they are done."""
    while chunks:
        match told.get():
            case None:
                chunks -= 1
            case Stepped() as stepped:
                yield stepped
            case error:
                raise error


@torch.no_grad()  # the grad mode is each thread's own; torch sets it whenever a generator goes on
def _states(states: Iterator[State], stop: threading.Event) -> Iterator[State]:
    while not stop.is_set() and (state := next(states, None)) is not None:
        yield state

"""Draws chunks of readings side by side, and tells of every step as soon as it is done.

Each chunk is a generator of states (``Segmenter.sample``), driven by one worker thread from its first step to its last.
Each reading has noise of its own, so neither the chunks nor their order change anything but rounding. Between two steps
a worker looks whether the run goes on: closing the stream stops every worker after the step that it is in. So does the
end of the program, should somebody have left a stream where it was: Python waits for threads before it ends.
"""

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from queue import Empty, Full, Queue

import torch

from napari_ambiseg.engine.plan import Chunk, Phase
from napari_ambiseg.errors import ComputeError
from napari_ambiseg.models.segmenter import State

_LOOK_UP_SECONDS = 0.1  # how often a worker that waits for its listener looks whether it is wanted at all

Draw = Callable[[Chunk], Iterator[State]]
"""Starts to draw a chunk's readings: their states after each step."""


@dataclass(frozen=True, slots=True)
class Stepped:
    """A chunk has done a step."""

    chunk: Chunk
    state: State


def stream(phase: Phase, draw: Draw) -> Generator[Stepped]:
    """All steps of a phase's chunks, in the order in which they are done.

    Close it to stop: it then waits for the steps that are being computed. What a chunk raises ends the others too, and
    is raised here.
    """
    told: Queue[Stepped | BaseException | None] = Queue(maxsize=2 * phase.workers)  # workers wait for a slow listener
    stop = threading.Event()
    left = deque(phase.chunks)
    listener = threading.current_thread()

    def is_over() -> bool:
        forsaken = listener.daemon or not listener.is_alive()
        return stop.is_set() or (forsaken and not threading.main_thread().is_alive())

    def tell(news: Stepped | BaseException | None) -> None:
        while not is_over():
            with contextlib.suppress(Full):
                told.put(news, timeout=_LOOK_UP_SECONDS)
                return

    def work_on(chunk: Chunk) -> None:
        try:
            for state in _states(draw(chunk), is_over):
                tell(Stepped(chunk, state))
        except BaseException as error:  # noqa: BLE001 (whatever it is, the thread that drives the run waits for word)
            left.clear()
            tell(error)
        tell(None)

    def work() -> None:
        torch.set_num_threads(phase.threads)
        while not is_over():
            try:
                chunk = left.popleft()
            except IndexError:
                return
            work_on(chunk)

    threads = torch.get_num_threads()
    workers: list[threading.Thread] = []
    try:
        for number in range(min(phase.workers, len(phase.chunks))):
            worker = threading.Thread(target=work, name=f"reading_{number}", daemon=False)
            worker.start()
            workers.append(worker)
        for stepped in _until_ended(told, len(phase.chunks), workers):
            yield stepped
            listener = threading.current_thread()
    finally:
        stop.set()
        for worker in workers:
            worker.join()
        torch.set_num_threads(threads)  # torch gives every new thread the number that was set last, by whomever


def _until_ended(
    told: Queue[Stepped | BaseException | None], chunks: int, workers: Sequence[threading.Thread]
) -> Iterator[Stepped]:
    """What the workers tell, until all have said that they are done.

    Raises:
        ComputeError: If they have left because the program ends; a thread of Qt, which Python does not wait for, would
            otherwise wait for them for ever, and Qt for it.
    """
    while chunks:
        try:
            news = told.get(timeout=_LOOK_UP_SECONDS)
        except Empty:
            if any(worker.is_alive() for worker in workers) or not told.empty():
                continue
            raise ComputeError("the run was given up, because the program is ending") from None
        match news:
            case None:
                chunks -= 1
            case Stepped() as stepped:
                yield stepped
            case error:
                raise error


@torch.no_grad()  # the grad mode is each thread's own; torch sets it whenever a generator goes on
def _states(states: Iterator[State], is_over: Callable[[], bool]) -> Iterator[State]:
    while not is_over() and (state := next(states, None)) is not None:
        yield state

import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
import torch

from napari_ambiseg.engine.plan import Chunk, Phase
from napari_ambiseg.engine.pool import stream
from napari_ambiseg.models.segmenter import State

STEPS = 3
FOUR = tuple(range(i, i + 1) for i in range(4))


def states(chunk: Chunk) -> Iterator[State]:
    for step in range(1, STEPS + 1):
        x = torch.full((len(chunk), 1, 2, 2), float(chunk.start))
        yield State(step=step, total=STEPS, log_snr=0.0, x_t=x, x_hat=x)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_every_step_of_every_chunk_is_told_in_the_chunks_order(workers: int) -> None:
    told = list(stream(Phase(workers, 1, FOUR), states))
    for chunk in FOUR:
        assert [one.state.step for one in told if one.chunk == chunk] == [1, 2, 3]
    assert len(told) == STEPS * len(FOUR)


def test_a_finished_chunk_is_told_while_another_has_not_begun() -> None:
    first = next(one for one in stream(Phase(1, 1, FOUR), states) if one.state.step == STEPS)
    assert first.chunk == range(1)


def test_chunks_are_drawn_side_by_side() -> None:
    together = threading.Barrier(2, timeout=20)  # breaks unless two chunks are inside a step at the same time

    def draw(chunk: Chunk) -> Iterator[State]:
        for state in states(chunk):
            together.wait()
            yield state

    assert len(list(stream(Phase(2, 1, FOUR[:2]), draw))) == 2 * STEPS


def test_a_closed_stream_computes_no_further_step() -> None:
    begun: list[int] = []
    may_go_on = threading.Event()

    def draw(chunk: Chunk) -> Iterator[State]:
        for state in states(chunk):
            begun.append(chunk.start)
            yield state
            may_go_on.wait(20)

    running = stream(Phase(2, 1, FOUR), draw)
    next(running)
    threading.Timer(0.05, may_go_on.set).start()
    running.close()
    assert set(begun) <= {0, 1}
    assert len(begun) <= 4  # the step of each worker that was told, and one that may have begun before it heard


def test_what_a_chunk_raises_is_raised_to_the_caller_and_ends_the_others() -> None:
    def draw(chunk: Chunk) -> Iterator[State]:
        if chunk.start == 1:
            raise MemoryError
        yield from states(chunk)

    with pytest.raises(MemoryError):
        list(stream(Phase(1, 1, FOUR), draw))


def test_after_an_error_no_chunk_is_begun() -> None:
    begun: list[int] = []

    def draw(chunk: Chunk) -> Iterator[State]:
        begun.append(chunk.start)
        yield next(states(chunk))
        raise MemoryError

    running = stream(Phase(1, 1, FOUR), draw)
    next(running)
    time.sleep(0.1)  # the worker has raised, and nobody has asked yet
    with pytest.raises(MemoryError):
        next(running)
    assert begun == [0]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_is_no_exception_is_raised_to_the_caller_too(error: type[BaseException]) -> None:
    def draw(chunk: Chunk) -> Iterator[State]:
        raise error

    with pytest.raises(error):
        list(stream(Phase(2, 1, FOUR), draw))


def test_gradients_are_off_for_the_workers_only() -> None:
    modes: list[bool] = []

    def draw(chunk: Chunk) -> Iterator[State]:
        for state in states(chunk):
            modes.append(torch.is_grad_enabled())
            yield state

    for _ in stream(Phase(2, 1, FOUR), draw):
        assert torch.is_grad_enabled()
    assert modes == [False] * (STEPS * len(FOUR))


def test_workers_have_the_threads_of_their_phase_and_the_caller_keeps_its_own() -> None:
    seen: list[int] = []

    def draw(chunk: Chunk) -> Iterator[State]:
        seen.append(torch.get_num_threads())
        yield from states(chunk)

    before = torch.get_num_threads()
    for threads in (1, 2):
        for _ in stream(Phase(1, threads, FOUR[:1]), draw):
            assert torch.get_num_threads() == before
    assert seen == [1, 2]
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("leave", ["", "raise KeyboardInterrupt"])
def test_a_stream_that_is_left_where_it_was_does_not_keep_the_program_alive(leave: str) -> None:
    program = f"""
import torch
from napari_ambiseg.engine.plan import Phase
from napari_ambiseg.engine.pool import stream
from napari_ambiseg.models.segmenter import State

def draw(chunk):
    for step in range(1, 100):
        yield State(step=step, total=100, log_snr=0.0, x_t=torch.zeros(1), x_hat=torch.zeros(1))

running = stream(Phase(2, 1, (range(1), range(1, 2), range(2, 3))), draw)
next(running)
{leave}
"""
    subprocess.run([sys.executable, "-c", program], timeout=60, check=not leave, capture_output=True)


def test_a_stream_goes_on_in_a_thread_that_outlives_the_main_one() -> None:
    program = """
import threading, time, torch
from napari_ambiseg.engine.plan import Phase
from napari_ambiseg.engine.pool import stream
from napari_ambiseg.models.segmenter import State

def draw(chunk):
    for step in range(1, 6):
        time.sleep(0.05)
        yield State(step=step, total=5, log_snr=0.0, x_t=torch.zeros(1), x_hat=torch.zeros(1))

def listen():
    print(len(list(stream(Phase(2, 1, (range(1), range(1, 2), range(2, 3))), draw))))

threading.Thread(target=listen).start()
"""
    ended = subprocess.run([sys.executable, "-c", program], timeout=60, check=True, capture_output=True, text=True)
    assert ended.stdout.split() == ["15"]

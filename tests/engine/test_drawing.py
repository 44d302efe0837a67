"""Engines that fail in known ways, and what becomes of the readings."""

import itertools
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from napari_ambiseg.engine.choice import Candidate
from napari_ambiseg.engine.drawing import Drawing
from napari_ambiseg.engine.plan import Phase
from napari_ambiseg.engine.pool import Draw, Stepped, stream
from napari_ambiseg.errors import ComputeError, EngineError
from napari_ambiseg.models.segmenter import SamplingOptions, Segmenter, State

CPU = torch.device("cpu")
OPTIONS = SamplingOptions(steps=3)
LOST = RuntimeError("CUDA error: unspecified launch failure")
FULL = torch.OutOfMemoryError("CUDA out of memory.")


class Numbered:
    """Reading with seed s is s everywhere; a hook sees (seeds, step) before each step and may raise."""

    kind: ClassVar[str] = "numbered"

    def __init__(self, hook: Callable[[Sequence[int], int], None]) -> None:
        self._hook = hook

    def sample(self, image: Tensor, *, seeds: Sequence[int], options: SamplingOptions) -> Iterator[State]:
        for step in range(1, options.steps + 1):
            self._hook(seeds, step)
            x = torch.tensor(seeds, dtype=torch.float32)[:, None, None, None].expand(-1, 1, 2, 2)
            yield State(step=step, total=options.steps, log_snr=0.0, x_t=x, x_hat=x)


@dataclass
class Fake:
    """An engine that draws with ``Numbered``."""

    name: str
    hook: Callable[[Sequence[int], int], None] = lambda seeds, step: None
    device: torch.device = CPU
    drawn: list[tuple[int, ...]] = field(default_factory=list)

    def segmenter(self, threads: int) -> Segmenter:
        def hook(seeds: Sequence[int], step: int) -> None:
            self.hook(seeds, step)
            if step == OPTIONS.steps:
                self.drawn.append(tuple(seeds))

        return Numbered(hook)


def drawing(*engines: Fake | Exception, count: int = 8, largest: int = 4) -> Drawing:
    def opener(engine: Fake | Exception) -> Callable[[], Fake]:
        def open_it() -> Fake:
            if isinstance(engine, Exception):
                raise engine
            return engine

        return open_it

    named = [
        Candidate(getattr(engine, "name", "broken"), CPU, largest, opener(engine))  # pyright: ignore[reportArgumentType]
        for engine in engines
    ]
    return Drawing(np.zeros((1, 2, 2), np.float32), seeds=range(count), options=OPTIONS, candidates=named, chunk=None)


def finished(run: Drawing) -> list[int]:
    """The readings in the order in which they were finished; each is what its seed says."""
    numbers: list[int] = []
    for stepped in run.steps():
        if stepped.state.step == stepped.state.total:
            assert stepped.state.x_hat[:, 0, 0, 0].tolist() == list(stepped.chunk)
            numbers += stepped.chunk
    return numbers


def test_where_memory_runs_out_the_rest_is_drawn_in_halves_and_what_is_there_stays() -> None:
    def hook(seeds: Sequence[int], step: int) -> None:
        if len(seeds) > 2 and 6 in seeds:
            raise FULL

    engine = Fake("torch", hook)
    run = drawing(engine)
    assert sorted(finished(run)) == list(range(8))
    assert sorted(engine.drawn) == [(0, 1, 2, 3), (4, 5), (6, 7)]
    assert run.notes == ["Memory ran out with 4 readings at a time; the rest was drawn 2 at a time."]


def test_where_two_workers_are_too_much_for_memory_one_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    inside: list[int] = []

    def hook(seeds: Sequence[int], step: int) -> None:
        inside.append(1)
        time.sleep(0.01)
        too_much = len(inside) > 1
        inside.pop()
        if too_much:
            raise MemoryError

    run = drawing(Fake("torch", hook), largest=1)
    assert sorted(finished(run)) == list(range(8))
    assert run.notes == ["Memory ran out with 2 readings at a time; the rest was drawn one by one."]


def test_where_even_one_reading_is_too_much_the_next_engine_takes_over() -> None:
    def hook(seeds: Sequence[int], step: int) -> None:
        raise FULL

    run = drawing(Fake("graphs", hook), Fake("torch"))
    assert sorted(finished(run)) == list(range(8))
    assert run.engine == "torch"
    assert run.notes[-1] == "The engine graphs failed (memory ran out), so torch on cpu took over."


def test_when_a_device_vanishes_only_unfinished_readings_are_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)  # of two workers, one may not have told of its last step

    def hook(seeds: Sequence[int], step: int) -> None:
        if 4 in seeds and step == 3:
            raise LOST

    first, second = Fake("graphs", hook), Fake("torch")
    run = drawing(first, second)
    assert sorted(finished(run)) == list(range(8))
    assert sorted(itertools.chain(*first.drawn, *second.drawn)) == list(range(8))  # each of them once
    assert not {4, 5, 6, 7} & set(itertools.chain(*first.drawn))
    assert "the device is gone" in run.notes[0]


def test_an_engine_that_cannot_be_opened_gives_way_and_says_why() -> None:
    run = drawing(EngineError("onnxruntime is not installed"), Fake("torch"))
    assert sorted(finished(run)) == list(range(8))
    assert run.notes == ["The engine broken failed (onnxruntime is not installed), so torch on cpu took over."]


def test_a_reading_that_is_not_a_number_is_drawn_again_by_the_next_engine() -> None:
    class Sick(Fake):
        def segmenter(self, threads: int) -> Segmenter:
            class Nan(Numbered):
                def sample(self, image: Tensor, *, seeds: Sequence[int], options: SamplingOptions) -> Iterator[State]:
                    for state in super().sample(image, seeds=seeds, options=options):
                        x = state.x_hat * torch.nan
                        yield State(step=state.step, total=state.total, log_snr=0.0, x_t=x, x_hat=x)

            return Nan(self.hook)

    run = drawing(Sick("onnx"), Fake("torch"))
    assert sorted(finished(run)) == list(range(8))
    assert "NaN at step 1" in run.notes[0]


def test_when_the_last_engine_fails_the_run_ends_with_a_remedy() -> None:
    def hook(seeds: Sequence[int], step: int) -> None:
        raise FULL

    with pytest.raises(ComputeError, match="while 8 readings were drawn; ask for fewer"):
        finished(drawing(Fake("torch", hook)))


def test_a_closed_run_stops_its_workers_at_once_whoever_still_holds_their_stream(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held: list[Generator[Stepped]] = []
    closed: list[Phase] = []

    def held_stream(phase: Phase, draw: Draw) -> Generator[Stepped]:
        def noted() -> Generator[Stepped]:
            try:
                yield from stream(phase, draw)
            finally:
                closed.append(phase)

        held.append(noted())
        return held[-1]

    monkeypatch.setattr("napari_ambiseg.engine.drawing.stream", held_stream)
    running = drawing(Fake("torch")).steps()
    next(running)
    running.close()
    assert len(held) == len(closed) == 1


def test_a_mistake_in_the_program_is_not_hidden_by_another_engine() -> None:
    def hook(seeds: Sequence[int], step: int) -> None:
        raise TypeError("a mistake")

    with pytest.raises(TypeError, match="a mistake"):
        finished(drawing(Fake("onnx", hook), Fake("torch")))

"""A run's readings, drawn whatever happens on the way: memory that runs out, an engine or a device that fails.

Where memory runs out, the readings that are not finished are drawn in chunks of half the size. If that does not help,
or if anything else goes wrong, the next engine of the list takes over. A reading depends on its seed alone, so that
nothing changes but the time, and readings that are finished stay. Everything that went another way than planned becomes
a sentence in ``notes``.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing

import numpy as np
import torch
from numpy.typing import NDArray

from napari_ambiseg.devices import is_device_lost, is_out_of_memory
from napari_ambiseg.engine.backends import Backend
from napari_ambiseg.engine.busy import threads_help
from napari_ambiseg.engine.choice import Candidate
from napari_ambiseg.engine.plan import SMALL_PX, Chunk, Phase, plan_iterated, plan_large
from napari_ambiseg.engine.pool import Draw, Stepped, stream
from napari_ambiseg.errors import ComputeError, EngineError
from napari_ambiseg.models.segmenter import IteratedSegmenter, SamplingOptions, State

_MACHINE_ERRORS = (RuntimeError, MemoryError, OSError, EngineError)


class Drawing:
    """Draws one reading per seed.

    Args:
        image: Normalised slice (C, h, w).
        seeds: One per reading, at least one.
        options: Steps and sampler.
        candidates: Engines, best first, at least one.
        chunk: Readings that are drawn together at most; None leaves it to the engine.

    Attributes:
        engine: Name of what computes now.
        device: Where.
        notes: Sentences on everything that went another way than planned.
    """

    def __init__(
        self,
        image: NDArray[np.float32],
        *,
        seeds: Sequence[int],
        options: SamplingOptions,
        candidates: Sequence[Candidate],
        chunk: int | None,
    ) -> None:
        self._image, self._seeds, self._options = image, tuple(seeds), options
        self._candidates, self._chunk = candidates, chunk
        self._left: set[int] = set(range(len(self._seeds)))
        self.engine = self.device = ""
        self.notes: list[str] = []

    def steps(self) -> Generator[Stepped]:
        """Every step of every chunk, in the order in which they are done; tensors are on the engine's device.

        Close it to stop, as ``stream``.

        Raises:
            ComputeError: If no engine could draw all.
        """
        for i, candidate in enumerate(self._candidates):
            try:
                backend = candidate.open()
                self.engine, self.device = backend.name, str(backend.device)
                yield from self._draw(backend, self._chunk or candidate.largest)
                return
            except _MACHINE_ERRORS as error:
                if i == len(self._candidates) - 1:
                    raise compute_error(error, len(self._seeds)) from error
                self._note_failure(candidate, self._candidates[i + 1], error)

    def _draw(self, backend: Backend, largest: int) -> Generator[Stepped]:
        """All that is left; with smaller and smaller chunks if memory runs out."""
        phases = self._plan(backend, largest)
        while True:
            try:
                for phase in phases:
                    yield from self._finish(backend, phase)
                return
            except _MACHINE_ERRORS as error:
                together = max(_together(phase, self._left) for phase in phases)
                if together == 1 or not is_out_of_memory(error):
                    raise
                fewer = together // 2
                self._note(f"Memory ran out with {together} readings at a time; the rest was drawn {_counted(fewer)}.")
            phases = plan_large(sorted(self._left), workers=1, largest=fewer)

    def _plan(self, backend: Backend, largest: int) -> tuple[Phase, ...]:
        """What to do first: as if nothing could go wrong, or with what is left after something did."""
        on_cpu = backend.device.type == "cpu"
        workers = torch.get_num_threads() if on_cpu else 1
        everything = len(self._left) == len(self._seeds)
        if not (everything and on_cpu and isinstance(backend.segmenter(1), IteratedSegmenter)):
            return plan_large(sorted(self._left), workers=workers, largest=largest)
        is_small = self._image[0].size <= SMALL_PX
        together = None if is_small else threads_help(workers)
        if together is False and workers > 1:
            self._note("Several threads were no quicker than one just now; is the computer busy with other programs?")
        return plan_iterated(len(self._seeds), workers=workers, largest=largest, together=bool(together))

    def _finish(self, backend: Backend, phase: Phase) -> Generator[Stepped]:
        """All steps of a phase."""
        with closing(stream(phase, self._drawer(backend, phase.threads))) as running:
            for stepped in running:
                state = stepped.state
                if not bool(torch.isfinite(state.x_hat).all()):
                    raise EngineError(f"the model answered with NaN at step {state.step}; choose another model")
                if state.step == state.total:
                    self._left.difference_update(stepped.chunk)
                yield stepped

    def _drawer(self, backend: Backend, threads: int) -> Draw:
        segmenter = backend.segmenter(threads)
        image = torch.from_numpy(self._image).to(backend.device)

        def draw(chunk: Chunk) -> Iterator[State]:
            seeds = self._seeds[chunk.start : chunk.stop]
            return segmenter.sample(image, seeds=seeds, options=self._options)

        return draw

    def _note(self, sentence: str) -> None:
        if sentence not in self.notes:
            self.notes.append(sentence)

    def _note_failure(self, failed: Candidate, following: Candidate, error: Exception) -> None:
        if is_out_of_memory(error):
            reason = "memory ran out"
        elif is_device_lost(error):
            reason = "the device is gone"
        else:
            reason = _first_line(error)
        named = failed.name if failed.name != following.name else f"{failed.name} on {failed.device}"
        self._note(f"The engine {named} failed ({reason}), so {following.name} on {following.device} took over.")


def _together(phase: Phase, left: set[int]) -> int:
    """How many of the readings that are left a phase would draw at a time."""
    sizes = sorted((len(chunk) for chunk in phase.chunks if not left.isdisjoint(chunk)), reverse=True)
    return sum(sizes[: phase.workers])


def _counted(readings: int) -> str:
    return "one by one" if readings == 1 else f"{readings} at a time"


def compute_error(error: Exception, count: int) -> ComputeError:
    """What to tell the user of a failure that nothing is left to take over from."""
    if isinstance(error, ComputeError):
        return error
    if is_out_of_memory(error):
        return ComputeError(
            f"memory ran out while {count} readings were drawn; ask for fewer readings, or close other programs"
        )
    return ComputeError(f"torch could not finish the run ({_first_line(error)}); try another model")


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)

"""Lets a model read slices and judges what it drew, in this process or in several."""

import multiprocessing
import signal
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray

from napari_ambiseg import engine
from napari_ambiseg.errors import AmbisegError, ComputeError
from napari_ambiseg.models.checkpoint import Model
from trainer.evaluation.data import Task
from trainer.evaluation.metrics import judge
from trainer.evaluation.protocol import Protocol, slice_seed
from trainer.evaluation.rows import Row


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a model drew on one slice.

    Attributes:
        seed: What it was read with; see ``slice_seed``.
        seeds: Of each reading (S,).
        readings: Masks (S, H, W), as many as the largest number that is judged.
        seconds: Time that it took.
    """

    seed: int
    seeds: tuple[int, ...]
    readings: NDArray[np.bool_]
    seconds: float


def read_slice(model: Model, task: Task, protocol: Protocol, *, device: str = "auto") -> Row:
    """Draw the largest number of readings once, and judge every number of them.

    Raises:
        AmbisegError: If the slice cannot be read; the message names it.
    """
    drawn = draw(model, task, protocol, device=device)
    judged = judge(
        samples=drawn.readings,
        experts=task.experts,
        counts=protocol.readings,
        threshold=protocol.threshold,
        seeds=drawn.seeds,
    )
    return Row(id=task.id, patient=task.slice.subject, seed=drawn.seed, seconds=drawn.seconds, judged=judged)


def draw(model: Model, task: Task, protocol: Protocol, *, device: str = "auto") -> Drawn:
    """Draw the largest number of readings of a slice that is judged; the same again whenever it is asked for.

    Raises:
        AmbisegError: If the slice cannot be read; the message names it.
    """
    sampled = drawn_from(model, task, protocol, device=device)
    return Drawn(slice_seed(task.id, seed=protocol.seed), sampled.seeds, sampled.readings, sampled.seconds)


def drawn_from(model: Model, task: Task, protocol: Protocol, *, device: str = "auto") -> engine.Sampled:
    """The same with all that the engine tells of it."""
    source = engine.SliceInput(
        pixels=task.slice.image[0], spacing_mm=task.slice.spacing_mm, grey=engine.GreyScale.NORMALISED
    )
    seed = slice_seed(task.id, seed=protocol.seed)
    seeds = engine.reading_seeds(seed, protocol.readings[-1], antithetic=protocol.antithetic)
    try:
        return engine.sample(
            model,
            source,
            seeds=seeds,
            options=engine.SamplingOptions(
                steps=protocol.steps,
                sampler=protocol.sampler,
                eta=protocol.eta,
                guidance=protocol.guidance,
                last_time=protocol.last_time,
                smallest_px=protocol.smallest_px,
            ),
            device=device,
            engine="torch",  # the figures of a table come from one and the same arithmetic, whatever is installed
        )
    except AmbisegError as error:
        raise type(error)(f"slice {task.id}: {error}") from error


def read_slices(weights: str, tasks: Iterable[Task], protocol: Protocol, *, device: str, workers: int) -> Iterator[Row]:
    """Read slices one after the other, or with several processes of one thread each.

    Args:
        weights: Path of a model file, or name of a bundled model.
        tasks: The slices.
        protocol: How to read them.
        device: "auto", or a name of torch's.
        workers: Number of processes; 1 reads in this one.

    Yields:
        Rows as they are done; with several workers in no particular order.

    Raises:
        AmbisegError: If a slice cannot be read, or a worker was killed.
    """
    if workers == 1:
        model = engine.load_model(weights)
        yield from (read_slice(model, task, protocol, device=device) for task in tasks)
    else:
        yield from _read_in_parallel(weights, iter(tasks), protocol, device=device, workers=workers)


def _read_in_parallel(
    weights: str, tasks: Iterator[Task], protocol: Protocol, *, device: str, workers: int
) -> Iterator[Row]:
    pool = ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),  # torch's threads do not survive a fork
        initializer=_start_worker,
        initargs=(weights, protocol, device),
    )
    try:
        # A few tasks ahead keep the workers busy; all at once would hold every slice in memory as float32.
        waiting = {pool.submit(_work, task) for task in islice(tasks, 2 * workers)}
        while waiting:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            waiting |= {pool.submit(_work, task) for task in islice(tasks, len(done))}
            yield from map(Future.result, done)
    except BrokenProcessPool as error:
        raise ComputeError("a worker process died, perhaps for want of memory; use fewer --workers") from error
    finally:
        pool.shutdown(cancel_futures=True)


_worker: tuple[Model, Protocol, str] | None = None
"""What a worker process keeps between slices; None in the main process."""


def _start_worker(weights: str, protocol: Protocol, device: str) -> None:
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the main process's to handle
    torch.set_num_threads(1)
    _worker = (engine.load_model(weights), protocol, device)


def _work(task: Task) -> Row:
    assert _worker is not None
    model, protocol, device = _worker
    return read_slice(model, task, protocol, device=device)

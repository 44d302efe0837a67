"""All readings advance together: chunks of seeds, one step of each at a time.

A large batch falls out of the processor's cache or the device's memory, so readings are drawn in chunks. Every chunk
is a generator of states; they advance in lockstep, because a frame shows all readings after the same step. Each reading
has noise of its own (one generator per seed), so the chunks change nothing but rounding.

On a CPU the chunks of a step are computed side by side by workers with one thread each. Threads that share one
convolution wait for each other hundreds of times a step: where other programs want the processor too, each wait may
last a time slice, and a run was seen to take thirty times as long.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from napari_ambiseg.models.segmenter import SamplingOptions, Segmenter, State

CPU_CHUNK = 4  # with 16 the paper's network at 128 x 128 takes 1.7 times as long
DEVICE_CHUNK = 16


def lockstep(
    segmenter: Segmenter, image: Tensor, *, seeds: Sequence[int], options: SamplingOptions
) -> Iterator[tuple[State, ...]]:
    """The states of all chunks after each step, in the order of the seeds.

    Args:
        segmenter: The model.
        image: Normalised slice (C, h, w) on the model's device.
        seeds: One per reading, at least one.
        options: Steps and sampler.
    """
    workers = torch.get_num_threads() if image.device.type == "cpu" else 1
    chunks = _chunks(seeds, CPU_CHUNK if image.device.type == "cpu" else DEVICE_CHUNK, workers)
    trajectories = [segmenter.sample(image, seeds=chunk, options=options) for chunk in chunks]
    if workers == 1:
        return zip(*trajectories, strict=True)
    return _side_by_side(trajectories, min(workers, len(chunks)))


def _chunks(seeds: Sequence[int], largest: int, workers: int) -> list[Sequence[int]]:
    """The seeds in order, in chunks of equal size but for the last, such that every worker has one if possible."""
    size = min(largest, -(-len(seeds) // workers))
    return [seeds[i : i + size] for i in range(0, len(seeds), size)]


def _side_by_side(trajectories: Sequence[Iterator[State]], workers: int) -> Iterator[tuple[State, ...]]:
    with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        while states := _next_states(pool, trajectories):
            yield states


def _next_states(pool: ThreadPoolExecutor, trajectories: Sequence[Iterator[State]]) -> tuple[State, ...]:
    """One step of every trajectory; empty at their end."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # here too, for the time of the step: a part of torch's libraries knows only one number
    try:
        return tuple(state for state in pool.map(_next_state, trajectories) if state is not None)
    finally:
        torch.set_num_threads(threads)


@torch.no_grad()  # the grad mode is each thread's own
def _next_state(trajectory: Iterator[State]) -> State | None:
    return next(trajectory, None)

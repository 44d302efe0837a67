"""Whether the machine is too busy for threads that share one convolution.

Such threads meet after every convolution, hundreds of times a step. Where another program wants the processor too, one
of them is taken off it now and then and the others wait: a run was seen to take thirty times as long. Workers with one
thread each never wait for each other. Nothing but trying tells which is the case, and it takes some 30 ms.
"""

import time
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor
from torch.nn import functional

_WORTHWHILE = 0.85  # of one thread's time; beyond, sharing saves less than it risks
_TRIES = 3


def threads_help(threads: int) -> bool:
    """Whether ``threads`` threads are quicker together than one alone, right now; False for one thread."""
    if threads < 2:
        return False
    before = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(1) as pool:  # a thread of its own: the caller's number of threads is the caller's
            return pool.submit(_together_is_quicker, threads).result()
    finally:
        torch.set_num_threads(before)


@torch.no_grad()
def _together_is_quicker(threads: int) -> bool:
    """Whether none of a few tries was too slow; the first one that is settles it."""
    x, weight = torch.ones(1, 64, 48, 48), torch.ones(64, 64, 3, 3)
    for number in (threads, 1):
        _seconds(x, weight, threads=number)  # torch's threads are made and its code is loaded
    alone = min(_seconds(x, weight, threads=1) for _ in range(_TRIES))
    return all(_seconds(x, weight, threads=threads) < _WORTHWHILE * alone for _ in range(_TRIES))


def _seconds(x: Tensor, weight: Tensor, *, threads: int) -> float:
    """Time of two convolutions of the size that a network of ours has inside."""
    torch.set_num_threads(threads)
    since = time.perf_counter()
    for _ in range(2):
        functional.conv2d(x, weight, padding=1)
    return time.perf_counter() - since

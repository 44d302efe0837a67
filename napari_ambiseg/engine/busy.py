"""Whether the machine is too busy for threads that share one convolution.

Such threads meet after every convolution, hundreds of times a step. Where another program wants the processor too, one
of them is taken off it now and then and the others wait: a run was seen to take thirty times as long. Workers with one
thread each never wait for each other. Nothing but trying tells which is the case, and it takes some 30 ms.

While a window of the same program opens, it holds Python's lock, and each try waits for it again and again. A trial
that is not over by ``_MOST_S`` has no answer.

Threads that have slept may wake on one processor and only be spread over several some milliseconds later, though nobody
else wants any. So there are a second and a third round if the first speaks against sharing, after some work together.

What is tried is an exponential of many numbers, one after the other: as with convolutions, the time goes into sums and
products, and all threads meet after each. Convolutions themselves would load 7 MB more of torch's code, which not every
engine has a use for.
"""

import time
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

_WORTHWHILE = 0.85  # of one thread's time; beyond, sharing saves less than it risks
_TRIES, _ROUNDS = 3, 3
_SPREAD = 10  # tries' time that threads work together before another round
_MOST_S = 0.4
_CALLS, _NUMBERS = 8, 2**19  # torch gives each thread 2^15 numbers at least


def threads_help(threads: int) -> bool | None:
    """Whether ``threads`` threads are quicker together than one alone, right now; None if that could not be found out.

    One thread helps nobody.
    """
    if threads < 2:
        return False
    before = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(1) as pool:  # a thread of its own: the caller's number of threads is the caller's
            return pool.submit(_together_is_quicker, threads).result()
    finally:
        torch.set_num_threads(before)


@torch.no_grad()
def _together_is_quicker(threads: int) -> bool | None:
    """Whether in one of the rounds none of a few tries was too slow; the first one that is ends a round."""
    latest, x = time.perf_counter() + _MOST_S, torch.ones(_NUMBERS)

    def seconds(number: int) -> float:
        if time.perf_counter() > latest:
            raise TimeoutError
        return _seconds(x, threads=number)

    try:
        for number in (threads, 1):
            seconds(number)  # torch's threads are made and its code is loaded
        alone = min(seconds(1) for _ in range(_TRIES))
        for number in range(_ROUNDS):
            for _ in range(_SPREAD if number else 0):
                seconds(threads)
            if all(seconds(threads) < _WORTHWHILE * alone for _ in range(_TRIES)):
                return True
    except TimeoutError:
        return None
    return False


def _seconds(x: Tensor, *, threads: int) -> float:
    """Time of a few exponentials; they overwrite ``x``."""
    torch.set_num_threads(threads)
    since = time.perf_counter()
    for _ in range(_CALLS):
        torch.exp(x, out=x).neg_()  # stays between -3 and 1
    return time.perf_counter() - since

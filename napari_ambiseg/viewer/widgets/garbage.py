"""Keeps Python's garbage collector from stopping the window."""

import gc
from functools import cache


@cache
def spare_what_is_there() -> None:
    """Never look through what exists now, once a process.

    What napari and the libraries have imported, half a million objects, stays anyway. To look through all of it takes a
    fifth of a second, in whichever thread it comes due, and the window waits. What is made later is collected as ever.
    """
    gc.freeze()

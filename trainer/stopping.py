"""SIGINT and SIGTERM ask a run to stop; it then finishes what cannot be cut short, saves and ends well.

A command that another one started is asked so too when that one is gone, however it went.
"""

import os
import signal
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM)

TIED_TO_STDIN = "NAPARI_AMBISEG_TIED_TO_STDIN"
"""Set for a process that shall end when its standard input does: nobody writes there, its starter only holds it."""


@contextmanager
def stop_requests(
    stop: threading.Event | None = None, *, signals: Sequence[signal.Signals] = SIGNALS
) -> Generator[threading.Event]:
    """An event that ``signals`` set: ``stop``, or a new one. Outside the main thread, where none arrive, none does."""
    event = stop or threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return
    previous = {number: signal.signal(number, lambda *_: event.set()) for number in signals}
    try:
        yield event
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def stop_with_starter() -> None:
    """Be asked to stop once the process that started this one is gone, if it wants so (``TIED_TO_STDIN``)."""
    if os.environ.pop(TIED_TO_STDIN, None):  # not for the processes that this one starts
        threading.Thread(target=_wait_for_starter, daemon=True).start()


def _wait_for_starter() -> None:
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)  # to the process: the main thread may be waiting


def works_alone(devices: int | None) -> bool:
    """Whether this process neither starts others for ``--devices`` nor was started by torchrun as one of several.

    Those two leave signals alone until they train: whoever starts them may have to end them while they wait.
    """
    return (devices or 1) == 1 and "TORCHELASTIC_RUN_ID" not in os.environ

"""SIGINT and SIGTERM ask a run to stop; it then finishes what cannot be cut short, saves and ends well."""

import os
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def stop_requests() -> Generator[threading.Event]:
    """An event that SIGINT and SIGTERM set. Outside the main thread, where no signal arrives, nothing sets it."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    previous = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def works_alone(devices: int | None) -> bool:
    """Whether this process neither starts others for ``--devices`` nor was started by torchrun as one of several.

    Those two leave signals alone until they train: whoever starts them may have to end them while they wait.
    """
    return (devices or 1) == 1 and "TORCHELASTIC_RUN_ID" not in os.environ

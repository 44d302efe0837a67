"""SIGINT and SIGTERM ask a run to stop; it then finishes what cannot be cut short, saves and ends well."""

import os
import signal
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM)


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


def works_alone(devices: int | None) -> bool:
    """Whether this process neither starts others for ``--devices`` nor was started by torchrun as one of several.

    Those two leave signals alone until they train: whoever starts them may have to end them while they wait.
    """
    return (devices or 1) == 1 and "TORCHELASTIC_RUN_ID" not in os.environ

"""SIGINT and SIGTERM ask a run to stop; it then finishes what cannot be cut short, saves and ends well."""

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

"""One command of the trainer in a process of its own: its memory is given back, and its failure is its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from types import FrameType

from trainer.stopping import TIED_TO_STDIN


class Stopped(KeyboardInterrupt):
    """Somebody asked to stop; the command under way has saved what it did."""


def trainer(words: Sequence[str], *, processes: int = 1) -> int:
    """Run ``python -m trainer WORDS`` to its end, with its output shown here.

    SIGINT and SIGTERM are passed on, so that the command saves and ends before this returns. If this process is
    killed, the command is asked to stop as well.

    Args:
        words: The command.
        processes: How often to run it, at the same time.

    Returns:
        Its exit code; of several the largest.

    Raises:
        Stopped: If a signal came.
    """
    # A session of its own: Ctrl-C then reaches the command once, through us, and not from the terminal as well.
    command = [sys.executable, "-m", "trainer", *words]
    tied = {**os.environ, TIED_TO_STDIN: "1"}
    children = [
        subprocess.Popen(command, start_new_session=True, stdin=subprocess.PIPE, env=tied) for _ in range(processes)
    ]
    came: list[int] = []

    def pass_on(number: int, _: FrameType | None) -> None:
        came.append(number)
        for child in children:
            child.send_signal(number)

    previous = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        code = max(child.wait() for child in children)
    finally:
        for child in children:
            if child.stdin:
                child.stdin.close()
        for number, handler in previous.items():
            signal.signal(number, handler)
    if came:
        raise Stopped
    return code

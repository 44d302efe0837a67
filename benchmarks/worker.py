"""The process of one side: says that it is ready, then measures once for each line that it is sent.

python -m benchmarks.worker BENCHMARK SIDE quick|full
"""

import importlib
import json
import sys
from typing import Any

MARK = "@benchmark "
"""Begins each answer: what libraries print is not taken for one."""


def say(answer: dict[str, Any]) -> None:
    """Send one line."""
    print(MARK + json.dumps(answer), flush=True)


def main() -> None:
    """Serve the side that the command line names."""
    from benchmarks.harness import CannotRun

    name, side, size = sys.argv[1:]
    try:
        measure = importlib.import_module(f"benchmarks.{name}").prepare(side, quick=size == "quick")
        say({"ready": True})
        for _ in sys.stdin:
            say(measure())
    except CannotRun as reason:
        say({"cannot": str(reason)})
    except ImportError as error:
        say({"cannot": f"{error.name} is not installed"})


if __name__ == "__main__":
    main()

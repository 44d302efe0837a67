"""Measures what is claimed of speed and memory, and says of each goal whether it is met: `make bench`.

python -m benchmarks                      all of them; results in benchmarks/results, table in docs/performance
python -m benchmarks sampling memory      only these
python -m benchmarks --quick --out /tmp/b small sizes, one repetition: do they work?
"""

import argparse
import importlib
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks import report
from benchmarks.harness import ROOT, Plan
from benchmarks.processes import measure

NAMES = ("sampling", "metrics", "slider", "event_loop", "memory", "growth", "start", "gpu")


def main() -> int:
    """Run what the command line names; returns the exit code, which says nothing of goals."""
    words = _parser().parse_args()
    if words.quick and words.out is None:
        words.out = Path(tempfile.mkdtemp(prefix="benchmarks-"))
    results = words.out or ROOT / "benchmarks" / "results"
    pages = words.out or ROOT / "docs" / "performance"
    for folder in (results, pages):
        folder.mkdir(parents=True, exist_ok=True)
    known = report.facts()
    for name in words.names or NAMES:
        benchmark = importlib.import_module(f"benchmarks.{name}")
        with tempfile.TemporaryDirectory() as scratch:
            found = measure(
                name,
                benchmark,
                plan=_plan(benchmark.PLAN, words),
                quick=words.quick,
                scratch=Path(scratch),
                tell=lambda line: print(line, file=sys.stderr, flush=True),
            )
            rows = benchmark.rows(found)
            for picture in Path(scratch).glob("*.png"):
                shutil.copy(picture, pages)
        report.save(results, name, known=known, found=found, rows=rows)
    (pages / "table.md").write_text(report.table(results, NAMES))
    print((pages / "table.md").read_text())
    return 0


def _plan(planned: Plan, words: argparse.Namespace) -> Plan:
    """As planned, but for what the command line asks."""
    repetitions, threads = (1, 1) if words.quick else (planned.repetitions, planned.threads)
    return replace(planned, repetitions=words.repetitions or repetitions, threads=words.threads or threads)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[[], *NAMES], help=", ".join(NAMES))
    parser.add_argument("--quick", action="store_true", help="small sizes, one repetition; the figures mean nothing")
    parser.add_argument("--repetitions", type=int, help="of every measurement, other than planned")
    parser.add_argument("--threads", type=int, help="of every process; otherwise as planned, usually all processors")
    parser.add_argument("--out", type=Path, help="folder for results and table")
    return parser


if __name__ == "__main__":
    sys.exit(main())

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
    words = _words()
    results = words.out or ROOT / "benchmarks" / "results"
    pages = words.out or ROOT / "docs" / "performance"
    for folder in (results, pages):
        folder.mkdir(parents=True, exist_ok=True)
    for name in words.names:
        _run(name, words, results=results, pages=pages)
    table = report.table(results, NAMES)
    (pages / "table.md").write_text(table)
    print(table)
    return 0


def _run(name: str, words: argparse.Namespace, *, results: Path, pages: Path) -> None:
    """Measure one benchmark, and save what it found."""
    benchmark = importlib.import_module(f"benchmarks.{name}")
    plan = _plan(benchmark.PLAN, words)
    known = report.facts(plan)
    with tempfile.TemporaryDirectory() as scratch:
        found = measure(name, benchmark, plan=plan, quick=words.quick, scratch=Path(scratch), tell=_tell)
        rows = benchmark.rows(found)
        for picture in Path(scratch).glob("*.png"):
            shutil.copy(picture, pages)
    report.save(results, name, known=known, found=found, rows=rows)


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _plan(planned: Plan, words: argparse.Namespace) -> Plan:
    """As planned, but for what the command line asks."""
    repetitions, threads = (1, 1) if words.quick else (planned.repetitions, planned.threads)
    return replace(planned, repetitions=words.repetitions or repetitions, threads=words.threads or threads)


def _words() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", default=NAMES, help=", ".join(NAMES))
    parser.add_argument("--quick", action="store_true", help="small sizes, one repetition; the figures mean nothing")
    parser.add_argument("--repetitions", type=int, help="of every measurement, other than planned")
    parser.add_argument("--threads", type=int, help="of every process; otherwise as planned, usually all processors")
    parser.add_argument("--out", type=Path, help="folder for results and table")
    words = parser.parse_args()
    if unknown := [name for name in words.names if name not in NAMES]:
        parser.error(f"there is no benchmark {', '.join(unknown)}; choose from {', '.join(NAMES)}")
    if words.quick and words.out is None:
        words.out = Path(tempfile.mkdtemp(prefix="benchmarks-"))
    return words


if __name__ == "__main__":
    sys.exit(main())

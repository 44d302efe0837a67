"""What was measured, as JSON beside this file and as the table that the handbook includes."""

import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.harness import ROOT, Found, Plan, Row

_PACKAGES = ("torch", "onnxruntime", "numpy", "napari", "PySide6-Essentials", "monai", "diffusers", "medpy")
_VERDICT = {True: "met", False: "**not met**", None: ""}


def facts(plan: Plan) -> dict[str, Any]:
    """What the figures depend on: machine, its load, versions, state of the source."""
    processors = len(os.sched_getaffinity(0))
    return {
        "cpu": _cpu_name(),
        "processors": processors,
        "threads": plan.threads or processors,
        "load_before": round(os.getloadavg()[0], 2),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: version for name in _PACKAGES if (version := _version(name))},
        "source": _described(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }


def save(folder: Path, name: str, *, known: dict[str, Any], found: Found, rows: Sequence[Row]) -> None:
    """Write a benchmark's rows, with everything they were made from."""
    everything = {
        "benchmark": name,
        "facts": known,
        "rows": [asdict(one) for one in rows],
        "figures": found.figures,
        "not_measured": found.reasons,
    }
    (folder / f"{name}.json").write_text(json.dumps(everything, indent=2) + "\n")


def table(folder: Path, names: Sequence[str]) -> str:
    """The saved rows of all benchmarks as one Markdown table, and below it what they were measured on."""
    saved = [json.loads((folder / f"{n}.json").read_text()) for n in names if (folder / f"{n}.json").is_file()]
    lines = ["| what | goal | measured | |", "|---|---|---|---|"]
    for one in saved:
        for line in (Row(**fields) for fields in one["rows"]):
            lines.append(f"| {line.what} | {line.goal} | {line.measured} | {_VERDICT[line.met]} |")
    lines += ["", "Medians, with the range of the repetitions in brackets. Measured on:", ""]
    machines: dict[str, list[str]] = {}
    for one in saved:
        at_load = f"{one['benchmark']} at a load of {one['facts']['load_before']:.1f}"
        machines.setdefault(_machine(one["facts"]), []).append(at_load)
    lines += [f"- {machine} ({', '.join(which)})" for machine, which in machines.items()]
    return "\n".join(lines) + "\n"


def _machine(known: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in known["packages"].items())
    return (
        f"{known['cpu']}, {known['threads']} of {known['processors']} processors; "
        f"Python {known['python']}, {versions}; source {known['source']}, {known['date']}"
    )


def _cpu_name() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    fields = dict(line.split("\t", 1)[::1] for line in text.split("\n\n")[0].splitlines() if "\t" in line)
    told = {key.strip(): value.strip(": \t") for key, value in fields.items()}
    return f"{told.get('model name', platform.machine())} (model {told.get('model', '?')})"


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


@cache
def _described() -> str:
    """The state of the source before the first results are written into it."""
    command = ["git", "describe", "--always", "--dirty"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return answer.stdout.strip() or "unknown"

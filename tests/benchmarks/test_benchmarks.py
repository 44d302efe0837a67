"""The benchmarks do not rot: each measures everything once at small sizes. What they find is not looked at."""

import importlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from benchmarks import models, processes, report, sampling
from benchmarks.__main__ import NAMES
from benchmarks.harness import SCRATCH, CannotRun, Figures, Found, Plan, Row, row, spread
from napari_ambiseg.models.diffusion_segmenter import DiffusionConfig, DiffusionSegmenter
from napari_ambiseg.models.unet_config import named_size

ROOT = Path(__file__).resolve().parents[2]
WINDOWS = ("slider", "event_loop")
SLOW = ("start",)  # a minute even at its smallest; the application itself is tested in tests/viewer/test_window.py
EXPECTED = ("is not installed", "no GPU", "took over", "There is neither a screen nor a virtual one")
"""Why a side may not run here: what it needs is not there."""


def measured(benchmark: ModuleType, side: str) -> Figures:
    return benchmark.prepare(side, quick=True)()


@pytest.mark.parametrize("name", [name for name in NAMES if name not in (*WINDOWS, *SLOW)])
def test_every_side_measures_and_every_row_is_told(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (SCRATCH, "AMBISEG_CACHE"):
        monkeypatch.setenv(variable, str(tmp_path))
    benchmark = importlib.import_module(f"benchmarks.{name}")
    found = Found({}, {}, tmp_path)
    for side in benchmark.sides(quick=True):
        try:
            found.figures[side] = [measured(benchmark, side)]
        except (CannotRun, ModuleNotFoundError) as reason:
            found.reasons[side] = str(reason)
    assert json.loads(json.dumps(found.figures)) == found.figures
    rows = benchmark.rows(found)
    assert rows
    assert all(one.met is None for one in rows if one.measured.startswith("not measured"))
    if name != "gpu":
        assert any(one.met is not None for one in rows)


def test_the_command_measures_in_processes_of_their_own(tmp_path: Path) -> None:
    saved = run("metrics", tmp_path)
    assert set(saved["figures"]) | set(saved["not_measured"]) == set(
        importlib.import_module("benchmarks.metrics").sides(True)
    )
    assert any(side.startswith("ours") for side in saved["figures"])
    table = (tmp_path / "table.md").read_text()
    assert all(line["measured"] in table for line in saved["rows"])
    assert saved["facts"]["processors"] >= 1


@pytest.mark.window
@pytest.mark.parametrize("name", WINDOWS)
def test_windows_are_measured(name: str, tmp_path: Path) -> None:
    saved = run(name, tmp_path)
    reasons = list(saved["not_measured"].values())
    assert all(any(expected in reason for expected in EXPECTED) for reason in reasons), reasons
    if not reasons:
        assert not [line for line in saved["rows"] if line["measured"].startswith("not measured")]


def run(name: str, out: Path) -> dict:
    """Measure with the command; what it saved."""
    command = [sys.executable, "-m", "benchmarks", name, "--quick", "--out", str(out)]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=170, check=False)
    assert answer.returncode == 0, answer.stderr
    return json.loads((out / f"{name}.json").read_text())


class Toy:
    """A benchmark whose processes are this test's to choose."""

    PLAN = Plan(repetitions=1)

    def sides(self, quick: bool) -> tuple[str, ...]:
        return ("a", "b")

    def prepare(self, side: str, quick: bool) -> Callable[[], Figures]:
        raise NotImplementedError

    def rows(self, found: Found) -> list[Row]:
        return []


def test_sides_take_turns_and_one_that_fails_stops_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def measure(_: object, side: str) -> Figures:
        asked.append(side)
        if side == "b" and asked.count("b") == 2:
            raise CannotRun("it is broken")
        return {"seconds": len(asked)}

    monkeypatch.setattr(processes.Sides, "measure", measure)
    found = processes.measure("toy", Toy(), plan=Plan(3), quick=False, scratch=tmp_path, tell=lambda line: None)
    assert asked == ["a", "b", "a", "b", "a"]
    assert found.figures == {"a": [{"seconds": 1}, {"seconds": 3}, {"seconds": 5}]}
    assert found.reasons == {"b": "it is broken"}


def test_a_process_that_dies_says_its_last_words(tmp_path: Path) -> None:
    worker = processes.Worker("no_such_benchmark", "a", plan=Plan(1), quick=True, scratch=tmp_path)
    try:
        with pytest.raises(CannotRun, match=r"benchmarks\.no_such_benchmark is not installed"):
            worker.answer()
    finally:
        worker.end()


def test_a_process_that_says_nothing_more_and_does_not_end_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_PATIENCE_S", 0.5)
    monkeypatch.setattr(processes.sys, "executable", str(tmp_path / "silent"))
    (tmp_path / "silent").write_text("#!/bin/sh\nexec 1>&-\nsleep 60\n")
    (tmp_path / "silent").chmod(0o700)
    worker = processes.Worker("metrics", "a", plan=Plan(1), quick=True, scratch=tmp_path)
    try:
        with pytest.raises(CannotRun, match="exit code -9"):
            worker.answer()
    finally:
        worker.end()


@pytest.mark.parametrize(
    ("seconds", "met", "told"), [(2.0, False, "50 %"), (1.1, True, "91 %"), (0.5, None, "not judged: 200 %")]
)
def test_a_share_of_the_limit_beyond_all_of_it_is_not_judged(seconds: float, met: bool | None, told: str) -> None:
    engine = {"seconds": seconds, "done_flop": 1e9}
    found = Found({"onnx": [engine], sampling.LIMIT: [{"flop_per_s": 9e8}, {"flop_per_s": 1e9}]}, {}, Path())
    measured, judged = sampling._share(found, "onnx")
    assert measured.startswith(told)
    assert judged is met


def test_operations_of_a_graph_are_those_of_its_network_where_both_do_the_same() -> None:
    pytest.importorskip("onnx")
    from napari_ambiseg.engine.backends.onnx_networks import network_model

    unet = named_size("tiny", attention=False, channels=(16,), blocks=(1,))  # nothing that the graph does otherwise
    segmenter = DiffusionSegmenter(DiffusionConfig(unet=unet))
    counted = models.graph_flop(network_model(segmenter.network, (16, 16)))
    assert counted == models.step_flop(segmenter, 16)


def test_a_row_without_figures_says_why_and_is_neither_met_nor_missed() -> None:
    found = Found({"a": [{"s": 2.0}, {"s": 1.0}, {"s": 3.0}]}, {"b": "no GPU"}, Path())
    assert row("a", "<= 2", lambda: (spread(found.all("a", "s"), "s", 1), True)) == Row(
        "a", "<= 2", "2.0 s (1.0 to 3.0)", True
    )
    assert row("b", "<= 2", lambda: (spread(found.all("b", "s")), True)) == Row(
        "b", "<= 2", "not measured (b: no GPU)", None
    )
    assert found.median("a", "s") == 2.0


def test_the_table_says_what_is_met_and_on_which_machines(tmp_path: Path) -> None:
    known = report.facts(Plan(1))
    rows = [
        Row("speed", "<= 1 s", "0.5 s", True),
        Row("size", "<= 1 MB", "2 MB", False),
        Row("gpu", ">= 2", "no", None),
    ]
    report.save(tmp_path, "start", known=known, found=Found({}, {}, tmp_path), rows=rows)
    table = report.table(tmp_path, ("metrics", "start"))  # of the first nothing is saved
    assert "| speed | <= 1 s | 0.5 s | met |" in table
    assert "| size | <= 1 MB | 2 MB | **not met** |" in table
    assert "| gpu | >= 2 | no |  |" in table
    assert known["cpu"] in table

"""A study from the command line: a table with a line for every cell, stopped and resumed, nothing done twice."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from napari_ambiseg.models.checkpoint import read_header
from trainer.__main__ import main
from trainer.run_folder import is_training

STUDY = [
    "ablate", "tiny", "--grid", "input_scale=1,0.1", "--set", "steps=8", "batch_size=2", "checkpoint_steps=1",
    "grid_px=32", "--data", "phantom:12", "--judge-on", "phantom:4", "--readings", "2", "--steps", "2",
]  # fmt: skip
HERE = ["--device", "cpu", "--threads", "1"]


def _start(*words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "trainer", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _wait_for(folder: Path, pattern: str) -> None:
    until = time.monotonic() + 120
    while not list(folder.glob(pattern)):
        assert time.monotonic() < until, f"nothing like {pattern} appeared"
        time.sleep(0.05)


def test_a_stopped_study_goes_on_where_it_was_and_says_what_came_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "study"
    first = _start(*STUDY, *HERE, "--out", str(folder))
    _wait_for(folder, "runs/*/state.safetensors")
    first.send_signal(signal.SIGTERM)
    _, said = first.communicate(timeout=120)
    assert first.returncode == 130
    assert f"go on with `python -m trainer ablate --resume {folder}`" in said
    assert not (folder / "table.md").exists()

    second = _start("ablate", "--resume", str(folder), *HERE)
    shown, said = second.communicate(timeout=170)
    assert second.returncode == 0, said
    assert "2 of 2 lines" in shown
    table = (folder / "table.md").read_text()
    assert re.search(r"^\| tiny,input_scale=1 \| [01]\.\d+ \[", table, re.MULTILINE)
    assert re.search(r"^\| tiny,input_scale=0.1 \| [\d,]+ \| 8 \| [\d.]+ \| \d", table, re.MULTILINE)
    lines = (folder / "slices.csv").read_text().splitlines()
    assert len(lines) == 1 + 2 * 4
    assert lines[0] == (
        "model,slice,patient,seed,area,sampler,steps,readings,smallest_px,seconds,"
        "ged_2,ged_2_pp,dice_2,dice_2_pp,ged_unbiased_2,hm_iou_2,empty_readings_2,notice"
    )
    assert main(["compare", str(folder / "slices.csv")]) == 0
    again = re.findall(r"^\| tiny.*", capsys.readouterr().out, re.MULTILINE)
    assert again[:2] == re.findall(r"^\| tiny.*", table, re.MULTILINE)[:2]
    assert "not for diagnosis" in table
    assert (folder / "plot.png").exists() == (find_spec("matplotlib") is not None)
    found = json.loads((folder / "table.json").read_text())
    assert len(found["models"]) == 2
    assert list(found["differences"]) == ["to", "tiny,input_scale=0.1"]

    before = {path: path.stat().st_mtime_ns for path in folder.glob("runs/**/*.safetensors")}
    figures = {name: (folder / name).read_bytes() for name in ("table.md", "table.csv", "slices.csv", "table.json")}
    assert main(["ablate", "--resume", str(folder), *HERE]) == 0
    assert before == {path: path.stat().st_mtime_ns for path in before}
    assert figures == {name: (folder / name).read_bytes() for name in figures}

    shutil.rmtree(folder / "runs")  # the kept figures of slices are enough
    assert main(["ablate", "--resume", str(folder), *HERE]) == 0
    assert figures == {name: (folder / name).read_bytes() for name in figures}
    assert not list(folder.glob("runs/*/*"))

    study = folder / "study.json"
    study.write_text(study.read_text().replace("phantom:4", "phantom:5"))
    assert main(["ablate", "--resume", str(folder), *HERE]) == 2
    assert "holds figures of other slices than phantom:5 has now" in capsys.readouterr().err


def test_what_a_killed_study_was_doing_stops_too(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    study = _start(*(word.replace("steps=8", "steps=100000") for word in STUDY), *HERE, "--out", str(folder))
    _wait_for(folder, "runs/*/state.safetensors")
    (run,) = folder.glob("runs/*/")
    assert is_training(run)
    study.kill()
    study.communicate(timeout=60)
    until = time.monotonic() + 60
    while is_training(run):
        assert time.monotonic() < until, "the run goes on although nobody waits for it"
        time.sleep(0.05)
    assert int(read_header(run / "model.safetensors").training["step"]) < 100_000


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["ablate"], "no study was named; choose table1"),
        (["ablate", "tiny"], "no data was given"),
        (["ablate", "tiny", "--data", "phantom", "--grid", "colour=red"], "colour"),
        (["ablate", "tiny", "--data", "nowhere.h5"], "nowhere.h5"),
        (["ablate", "--resume", "nowhere"], "there is no study in nowhere"),
        (["ablate", "table1", "--scale", "huge", "--data", "phantom"], "unknown scale 'huge'"),
    ],
)
def test_what_cannot_be_studied_is_one_line_and_exit_code_2(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    error = capsys.readouterr().err.strip()
    assert said in error
    assert len(error.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_nobody_judges_on_what_they_train_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["ablate", "tiny", "--data", "a.h5", "--judge-split", "train", "--out", str(tmp_path / "x")]
    assert main(words) == 2
    assert "would be trained and judged on" in capsys.readouterr().err

"""Several processes train as one does, stop together, end when one is lost, and tell an error of the user once."""

import json
import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from napari_ambiseg.errors import AmbisegError, DataFileError, SettingsError
from napari_ambiseg.models.segmenter import SamplingOptions
from trainer import distributed
from trainer.__main__ import main
from trainer.distributed import check_devices, must_launch, together
from trainer.evaluation.session import Outcome, Request, carry_out
from trainer.group import ALONE
from trainer.kinds import KINDS
from trainer.state import read_state

ROOT = Path(__file__).parents[2]
GRADIENTS = Path(__file__).parent / "programs" / "gradients.py"
STEPS = 20
RUN = [
    *("fit", "tiny", "--data", "phantom:24", "--steps", str(STEPS), "--device", "cpu", "--set"),
    *("grid_px=16", "batch_size=4", "weighting=uniform", "learning_rate=5e-4", "warmup_steps=2", "decay_steps=5"),
    *("checkpoint_steps=5", "log_steps=1"),
]
TOLERANCE = {"rtol": 1e-5, "atol": 1e-6}
BOUND_S = 60
"""Within which a job that lost a process ends, even on a busy machine; it takes a second or two."""


def _start(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", *words],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _in_two(*words: str) -> tuple[int, str]:
    """Exit code and stderr of a command in two processes."""
    process = _start("trainer", *words, "--devices", "2")
    return process.wait(timeout=120), process.communicate()[1]


def _state(folder: Path) -> dict[str, torch.Tensor]:
    return read_state(folder).tensors


def _log(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def _wait_for_step(folder: Path, step: int, process: subprocess.Popen[str]) -> None:
    log = folder / "log.jsonl"
    while not (log.exists() and f'"step": {step},' in log.read_text()):
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)


def _worker_pids(launcher: int) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()]


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("one")
    assert main([*RUN, "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("two")
    code, errors = _in_two(*RUN, "--out", str(folder))
    assert code == 0, errors
    return folder


def test_two_processes_give_the_weights_average_and_moments_of_one(one: Path, two: Path) -> None:
    alone, shared = _state(one), _state(two)
    assert alone.keys() == shared.keys()
    for name in alone:
        torch.testing.assert_close(shared[name], alone[name], **TOLERANCE)


def test_two_processes_log_the_losses_and_gradients_of_the_whole_batch(one: Path, two: Path) -> None:
    alone, shared = _log(one), _log(two)
    assert [line["step"] for line in shared] == list(range(1, STEPS + 1))  # each once, by one process
    for key in ("loss", "grad_norm", "learning_rate"):
        assert [line[key] for line in shared] == pytest.approx([line[key] for line in alone], rel=1e-4)
    assert shared[-1]["validation_loss"] == pytest.approx(alone[-1]["validation_loss"], rel=1e-4)


def test_sigterm_saves_one_agreed_step_and_one_process_finishes_what_two_began(one: Path, tmp_path: Path) -> None:
    process = _start("trainer", *RUN, "--out", str(tmp_path), "--devices", "2")
    _wait_for_step(tmp_path, 3, process)
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=BOUND_S)
    assert process.returncode == 0, errors
    stopped = read_state(tmp_path).step
    assert 3 <= stopped < STEPS
    assert f"stopped after step {stopped}" in output + errors
    assert _log(tmp_path)[-1]["step"] == stopped
    assert main(["fit", "--resume", str(tmp_path), "--device", "cpu"]) == 0
    whole, parts = _state(one), _state(tmp_path)
    for name in whole:
        torch.testing.assert_close(parts[name], whole[name], **TOLERANCE)


@pytest.mark.skipif(sys.platform != "linux", reason="finds the processes in /proc")
def test_a_killed_process_ends_the_job_in_one_line_and_leaves_a_whole_state(two: Path, tmp_path: Path) -> None:
    process = _start("trainer", *RUN, "--out", str(tmp_path), "--devices", "2")
    _wait_for_step(tmp_path, 7, process)
    first, second = _worker_pids(process.pid)
    os.kill(second, signal.SIGKILL)
    _, errors = process.communicate(timeout=BOUND_S)
    assert process.returncode == 2, errors
    assert len(_told(errors)) == 1
    assert "another process of this run has ended" in errors
    assert "fit --resume" in errors
    assert not Path(f"/proc/{first}").exists()
    saved = read_state(tmp_path)
    assert saved.step in {5, 10, 15}
    assert saved.fallback is None
    assert saved.tensors.keys() == _state(two).keys()


def _told(errors: str) -> list[str]:
    """The lines on stderr, without progress bars."""
    lines = [line.strip() for line in errors.replace("\r", "\n").splitlines()]
    return [line for line in lines if line and not line.startswith("tiny:")]


def test_an_error_of_the_user_is_one_line_from_all_processes(tmp_path: Path) -> None:
    code, errors = _in_two("fit", "tiny", "--data", str(tmp_path / "missing.h5"), "--out", str(tmp_path / "run"))
    assert code == 2
    assert len(errors.splitlines()) == 1
    assert errors.startswith("error: ")
    assert "missing.h5" in errors


@pytest.fixture(scope="module")
def gradients_of_two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two processes of torchrun left the gradients of every kind of model."""
    folder = tmp_path_factory.mktemp("gradients")
    process = _start("torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(GRADIENTS), str(folder))
    assert process.wait(timeout=120) == 0, process.communicate()[1]
    return folder


@pytest.mark.parametrize("kind", [*KINDS, "energy"])
def test_two_processes_have_the_gradient_of_the_whole_batch_for_every_kind(kind: str, gradients_of_two: Path) -> None:
    alone = runpy.run_path(str(GRADIENTS))["gradients"](kind, ALONE, torch.device("cpu"))
    shared = load_file(gradients_of_two / f"{kind}.safetensors")
    for step in range(2):
        loss, gradient = alone[f"loss {step}"], alone[f"gradient {step}"]
        torch.testing.assert_close(shared[f"loss {step}"], loss, rtol=1e-5, atol=0)
        # PHiSeg's lowest batch norms see as few numbers as the batch has examples, and enlarge rounding by thousands.
        bound = 1e-3 if kind == "phiseg" else 1e-4
        assert (shared[f"gradient {step}"] - gradient).norm() <= bound * gradient.norm()


class _Threads:
    """One of two threads that stand for two processes."""

    count = 2

    def __init__(self, index: int, places: list[object], barrier: threading.Barrier) -> None:
        self.index, self._places, self._barrier = index, places, barrier

    def gather(self, value: object) -> list[object]:
        self._places[self.index] = value
        self._barrier.wait(30)
        values = list(self._places)
        self._barrier.wait(30)
        return values

    def agree(self, flag: bool) -> bool:
        return any(self.gather(flag))


def test_two_processes_evaluate_as_one_and_the_first_keeps_all_rows(one: Path, tmp_path: Path) -> None:
    request = Request(
        weights=(str(one / "model.safetensors"),),
        data=("phantom:5",),
        readings=(2,),
        options=SamplingOptions(steps=2),
        crop="central",
        device="cpu",
    )
    places, barrier = [None, None], threading.Barrier(2)
    kept = [replace(request, keep=tmp_path / f"{index}.jsonl") for index in range(2)]
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(carry_out, kept[i], _Threads(i, places, barrier)) for i in range(2)]  # type: ignore[arg-type]
        shared = [one.result() for one in both]
    alone = _figures(carry_out(request))
    assert [_figures(one) for one in shared] == [alone, alone]
    assert len((tmp_path / "0.jsonl").read_text().splitlines()) == 1 + 5
    assert not (tmp_path / "1.jsonl").exists()


def _figures(outcome: Outcome) -> list[tuple[str, int, object]]:
    return [(row.id, row.seed, row.judged) for row in outcome.models[0].rows]


def test_a_batch_that_does_not_divide_is_refused_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*RUN, "--out", str(tmp_path / "run"), "--devices", "3"]) == 2
    assert capsys.readouterr().err == (
        "error: a batch of 4 does not split evenly over 3 processes; give a batch size that is a multiple of their "
        "number\n"
    )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("count", "name", "cards", "message"),
    [
        (3, "auto", 2, "need a card each and this machine has 2; give --devices 2"),
        (2, "cuda", 0, "this machine has 0; give --device cpu"),
        (2, "cuda:1", 4, "cannot share the device 'cuda:1'"),
        (2, "mps", 0, "cannot share the device 'mps'"),
    ],
)
def test_processes_that_cannot_have_a_card_each_are_refused(
    count: int, name: str, cards: int, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cards)
    with pytest.raises(SettingsError, match=message):
        check_devices(count, name)


@pytest.mark.parametrize(("count", "name", "cards"), [(4, "cpu", 1), (4, "auto", 0), (2, "auto", 2), (1, "mps", 0)])
def test_processes_share_the_cpu_or_have_a_card_each(
    count: int, name: str, cards: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cards)
    check_devices(count, name)


def test_only_a_process_that_torchrun_did_not_start_launches_others(monkeypatch: pytest.MonkeyPatch) -> None:
    assert must_launch(2)
    assert not must_launch(1)
    assert not must_launch(None)
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "7")
    assert not must_launch(2)


class _Reporting:
    """A group of which this process is the first, and in which the other one met ``theirs``."""

    index, count = 0, 2

    def __init__(self, theirs: AmbisegError | None) -> None:
        self.theirs = theirs

    def gather(self, value: object) -> list[object]:
        return [value, self.theirs]


def test_an_error_in_another_process_is_raised_here_too() -> None:
    error = DataFileError("there is no file on the other machine")
    with pytest.raises(DataFileError, match="on the other machine"), together(_Reporting(error)):  # type: ignore[arg-type]
        pass
    with together(_Reporting(None)):  # type: ignore[arg-type]
        pass
    with pytest.raises(SettingsError, match="mine"), together(_Reporting(error)):  # type: ignore[arg-type]
        raise SettingsError("mine")


def test_without_torchrun_there_is_no_process_group() -> None:
    with distributed.joined("cpu") as (group, device):
        assert (group.index, group.count, device.type) == (0, 1, "cpu")
        assert not torch.distributed.is_initialized()

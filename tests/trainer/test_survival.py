"""A run that is killed, stopped, or finds the disk full or its state damaged ends as one that was left alone."""

import errno
import io
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any

import pytest
import torch

from napari_ambiseg.errors import CheckpointError, ComputeError
from napari_ambiseg.models.checkpoint import load_checkpoint, read_tensors, write_tensors
from napari_ambiseg.readings.collection import SliceCollection
from trainer import loop
from trainer.__main__ import main
from trainer.config import DataSource, FitConfig, ValidationConfig
from trainer.data.batches import Batch, BatchSource
from trainer.fit import fit, resume
from trainer.loop import Run
from trainer.state import PREVIOUS_FILE, STATE_FILE, has_state, read_state
from trainer.validation import Validator

CPU = torch.device("cpu")
DISCS = DataSource(names=("discs",))
CONFIG = FitConfig(
    recipe="test", size="tiny", grid_px=16, steps=18, batch_size=4, learning_rate=2e-3, warmup_steps=4, decay_steps=8,
    ema_decay=0.9, holdout=0.3, checkpoint_steps=3, log_steps=2,
    validation=ValidationConfig(every=6, slices=3, readings=2, steps=2),
)  # fmt: skip
TIMES = {"examples_per_second", "data_fraction"}
KILLS = 12


def start_or_go_on(data: SliceCollection, out: Path) -> Run:
    return (resume if has_state(out) else fit)(CONFIG, data, out, device=CPU, source=DISCS)


def weights(path: Path) -> dict[str, torch.Tensor]:
    segmenter = load_checkpoint(path).segmenter
    assert isinstance(segmenter, torch.nn.Module)
    return segmenter.state_dict()


def logged(folder: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name not in TIMES} for line in lines]


def assert_same_end(folder: Path, whole: Path) -> None:
    """The last and the best model, the figures of every judgement, and what a next resume would start from."""
    for name in ("model.safetensors", "best.safetensors"):
        ours, theirs = weights(folder / name), weights(whole / name)
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    state, other = read_state(folder), read_state(whole)
    assert (state.step, state.judged, state.best, state.fallback) == (other.step, other.judged, other.best, None)
    assert all(torch.equal(value, other.tensors[name]) for name, value in state.tensors.items())
    assert [line for line in logged(folder) if "validation_ged" in line] == [
        line for line in logged(whole) if "validation_ged" in line
    ]
    assert not list(folder.glob(".*.part"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, shared_discs: SliceCollection) -> Path:
    """The run that nothing happens to."""
    out = tmp_path_factory.mktemp("whole")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the copies that are killed: sums by several threads round otherwise
    try:
        fit(CONFIG, shared_discs, out, device=CPU, source=DISCS)
    finally:
        torch.set_num_threads(threads)
    return out


def in_child(work: Callable[[], object]) -> int:
    """Process id of a copy of this process that does the work and ends with exit code 0, or 1 if that raised."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forks with threads about; this one joins none of them
        pid = os.fork()
    if pid:
        return pid
    torch.set_num_threads(1)  # renews torch's pool, which does not survive a fork, before two threads do so at once
    code = 1
    with suppress(BaseException), redirect_stderr(io.StringIO()), redirect_stdout(io.StringIO()):
        work()
        code = 0
    os._exit(code)


def die_at_flush(number: int) -> None:
    """Make this process kill itself while it writes its n-th file: half of it is on the disk, under another name."""
    flush, count = os.fsync, iter(range(1, 10**6))

    def half_then_die(descriptor: int) -> None:
        if next(count) == number:
            os.truncate(descriptor, os.fstat(descriptor).st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        flush(descriptor)

    os.fsync = half_then_die


def die_at_rename(number: int) -> None:
    """Make this process kill itself before it renames its n-th file."""
    rename, count = Path.replace, iter(range(1, 10**6))

    def die_instead(self: Path, target: Any) -> Path:
        if next(count) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return rename(self, target)

    setattr(Path, "replace", die_instead)  # noqa: B010 (an assignment would have to repeat pathlib's annotations)


def die_in(seconds: float) -> None:
    """Make this process be killed soon, whatever it does then."""
    threading.Timer(seconds, lambda: os.kill(os.getpid(), signal.SIGKILL)).start()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a killed process is a fork of this one")
def test_a_run_killed_a_dozen_times_ends_bit_identical(
    whole: Path, shared_discs: SliceCollection, tmp_path: Path
) -> None:
    rng, out, killed = random.Random(0), tmp_path / "run", 0
    for attempt in itertools.count():
        arm = [die_at_flush, die_at_rename, lambda _: die_in(rng.uniform(0.02, 0.3))][attempt % 3]
        number = rng.randint(1, 7)

        def work(arm: Callable[[int], None] = arm, number: int = number, out: Path = out) -> None:
            arm(number)
            start_or_go_on(shared_discs, out)

        _, status = os.waitpid(in_child(work), 0)
        if os.WIFSIGNALED(status):
            killed += 1
        else:
            assert os.WEXITSTATUS(status) == 0, "the run failed, and was not killed"
            assert_same_end(out, whole)
            out = tmp_path / f"run {attempt}"  # done before its kill came; another one takes the rest
        if killed == KILLS:
            break
    start_or_go_on(shared_discs, out)
    assert_same_end(out, whole)


def raise_signal_in(owner: object, name: str, at_call: int) -> Callable[[pytest.MonkeyPatch], None]:
    """Patches a function so that SIGTERM arrives at its n-th call."""

    def arm(patch: pytest.MonkeyPatch) -> None:
        original, count = getattr(owner, name), iter(range(1, 10**6))

        def signalled(*arguments: Any, **named: Any) -> Any:
            if next(count) == at_call:
                os.kill(os.getpid(), signal.SIGTERM)
            return original(*arguments, **named)

        patch.setattr(owner, name, signalled)

    return arm


PHASES = {
    "warm-up": raise_signal_in(loop, "_update", 2),
    "training": raise_signal_in(loop, "_update", 11),
    "a step after which the run is judged": raise_signal_in(loop, "_update", 6),
    "validation": raise_signal_in(Validator, "_judge_slice", 5),
    "the last validation": raise_signal_in(Validator, "_judge_slice", 8),
    "checkpoint": raise_signal_in(os, "fsync", 9),
    "the first checkpoint": raise_signal_in(os, "fsync", 3),
}


@pytest.mark.parametrize("phase", PHASES)
def test_a_stopped_run_ends_well_and_goes_on_as_if_it_had_not(
    phase: str, whole: Path, discs: SliceCollection, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        PHASES[phase](patch)
        run = fit(CONFIG, discs, tmp_path, device=CPU, source=DISCS)
    assert read_state(tmp_path).step == run.step
    assert f"stopped after step {run.step}" in capsys.readouterr().out
    resume(CONFIG, discs, tmp_path, device=CPU, source=DISCS)
    assert_same_end(tmp_path, whole)


def test_a_stop_while_data_are_read_leaves_a_run_to_go_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from trainer.data import sources

    words = ["tiny", "--data", "phantom:20", "--steps", "2"]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert main(["fit", *words, "--out", str(whole)]) == 0
    with monkeypatch.context() as patch:
        raise_signal_in(sources, "load_data", 1)(patch)
        raise_signal_in(sources, "_load_one", 1)(patch)
        assert main(["fit", *words, "--out", str(parts)]) == 0
    assert "stopped after step 0" in capsys.readouterr().out
    assert main(["fit", "--resume", str(parts)]) == 0
    ours, theirs = weights(parts / "model.safetensors"), weights(whole / "model.safetensors")
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def fail_at_byte(patch: pytest.MonkeyPatch, *, file: int, share: float) -> None:
    """Make the disk full when the n-th file has been written to the given share of its bytes."""
    original, count = Path.open, iter(range(1, 10**6))

    class Filling(io.FileIO):
        def write(self, payload: Any) -> int:
            super().write(payload[: int(len(payload) * share)])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def opened(self: Path, mode: str = "r", *arguments: Any, **named: Any) -> Any:
        if mode == "xb" and next(count) == file:
            return Filling(self, "xb")
        return original(self, mode, *arguments, **named)

    patch.setattr(Path, "open", opened)


@pytest.mark.parametrize(("file", "share"), [(5, 0.0), (6, 0.4), (7, 0.999), (8, 0.5)])
def test_a_full_disk_ends_the_run_and_leaves_the_last_checkpoint_whole(
    file: int, share: float, whole: Path, discs: SliceCollection, tmp_path: Path
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        fail_at_byte(patch, file=file, share=share)
        with pytest.raises(CheckpointError, match=r"No space left on device.*make room.*--resume"):
            fit(CONFIG, discs, tmp_path, device=CPU, source=DISCS)
    assert read_state(tmp_path).fallback is None
    load_checkpoint(tmp_path / "model.safetensors")
    assert not list(tmp_path.glob(".*.part"))
    resume(CONFIG, discs, tmp_path, device=CPU, source=DISCS)
    assert_same_end(tmp_path, whole)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own that a few checkpoints fill."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=14m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("mounting a small file system is not allowed here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_on_a_real_full_disk_the_command_says_so_in_one_line(
    small_disk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["tiny", "--data", "phantom:20", "--steps", "9", "--set", "checkpoint_steps=3"]
    out = small_disk / "run"
    filler = small_disk / "filler"
    assert main(["fit", *words, "--steps", "3", "--out", str(out)]) == 0
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while file.write(bytes(1000)):
            pass
    capsys.readouterr()
    assert main(["fit", "--resume", str(out), "--steps", "9"]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("error: ")
    assert "No space left on device" in last
    filler.unlink()
    assert read_state(out).step == 3
    assert main(["fit", "--resume", str(out), "--steps", "9"]) == 0


def test_a_damaged_state_is_never_used_and_the_one_before_takes_its_place(
    whole: Path, discs: SliceCollection, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng, good = random.Random(1), (whole / STATE_FILE).read_bytes()
    for name in (STATE_FILE, PREVIOUS_FILE):
        shutil.copy(whole / name, tmp_path / name)
    for _ in range(40):
        damaged = bytearray(good)
        damaged[rng.randrange(len(good))] ^= 1 << rng.randrange(8)
        (tmp_path / STATE_FILE).write_bytes(damaged)
        assert read_state(tmp_path).step == CONFIG.steps - CONFIG.checkpoint_steps
    (tmp_path / "log.jsonl").write_text((whole / "log.jsonl").read_text())
    (tmp_path / "best.safetensors").write_bytes((whole / "best.safetensors").read_bytes())
    resume(CONFIG, discs, tmp_path, device=CPU, source=DISCS)
    assert "warning: the latest state cannot be used" in capsys.readouterr().err
    assert_same_end(tmp_path, whole)


def test_a_state_that_is_cut_short_or_lost_is_replaced_by_the_one_before(whole: Path, tmp_path: Path) -> None:
    previous = (whole / PREVIOUS_FILE).read_bytes()
    (tmp_path / PREVIOUS_FILE).write_bytes(previous)
    assert read_state(tmp_path).step == CONFIG.steps - CONFIG.checkpoint_steps
    (tmp_path / STATE_FILE).write_bytes((whole / STATE_FILE).read_bytes()[:-1000])
    assert read_state(tmp_path).fallback is not None
    (tmp_path / PREVIOUS_FILE).write_bytes(previous[:1000])
    with pytest.raises(CheckpointError):
        read_state(tmp_path)


def test_what_a_killed_run_left_half_written_is_swept_away(discs: SliceCollection, tmp_path: Path) -> None:
    (tmp_path / "samples").mkdir()
    leftovers = [tmp_path / ".state.safetensors.0a1b2c3d.part", tmp_path / "samples" / ".step-000005.png.00ff00ff.part"]
    for leftover in leftovers:
        leftover.write_bytes(b"half of it")
    fit(CONFIG.model_copy(update={"steps": 1}), discs, tmp_path, device=CPU, source=DISCS)
    assert not any(leftover.exists() for leftover in leftovers)


def test_a_run_that_has_not_begun_may_be_started_again(discs: SliceCollection, tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    assert fit(CONFIG, discs, tmp_path, device=CPU, source=DISCS, stop=stop).step == 0
    other = CONFIG.model_copy(update={"seed": 5, "steps": 1})
    assert fit(other, discs, tmp_path, device=CPU, source=DISCS).config.seed == 5


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_names_the_step_and_the_slices_of_its_batch(
    bad: float, discs: SliceCollection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = BatchSource.batch

    def poisoned(self: BatchSource, step: int) -> Batch:
        batch = original(self, step)
        if step == 8:
            batch.image[0, 0, 0, 0] = bad
        return batch

    monkeypatch.setattr(BatchSource, "batch", poisoned)
    with pytest.raises(ComputeError, match="step 9: the loss is") as caught:
        fit(CONFIG.model_copy(update={"validation": ValidationConfig()}), discs, tmp_path, device=CPU, source=DISCS)
    named = str(caught.value).split("the batch showed ")[1].split(". The last")[0].split(", ")
    assert len(named) == CONFIG.batch_size
    assert set(named) <= set(discs.names)
    assert read_state(tmp_path).step == 6
    assert all(value.isfinite().all() for value in read_tensors(tmp_path / "model.safetensors")[0].values())


def test_a_run_of_an_older_version_goes_on(whole: Path, discs: SliceCollection, tmp_path: Path) -> None:
    """Its state named the model's tensors without the objective, and its configuration knew fewer fields."""
    config = CONFIG.model_copy(update={"validation": ValidationConfig()})
    fit(config.model_copy(update={"steps": 9, "decay_steps": 0}), discs, tmp_path, device=CPU, source=DISCS)
    tensors, header = read_tensors(tmp_path / STATE_FILE)
    older = {
        name.replace("objective/model.", "model/").replace("ema/module.model.", "ema/module."): value
        for name, value in tensors.items()
    }
    for name in ("optimizer", "precision", "validation", "experts", "latent", "result"):
        del header["config"]["fit"][name]
    (tmp_path / PREVIOUS_FILE).unlink()
    write_tensors(tmp_path / STATE_FILE, older, {key: header[key] for key in ("version", "kind", "step", "config")})
    saved = read_state(tmp_path)
    assert FitConfig.model_validate(saved.config["fit"]) == config.model_copy(update={"steps": 9, "decay_steps": 0})
    resume(config, discs, tmp_path, device=CPU, source=DISCS)
    ours, theirs = weights(tmp_path / "model.safetensors"), weights(whole / "model.safetensors")
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)

"""A run learns, survives being killed, and stops on a loss that is not finite."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from napari_ambiseg.errors import CheckpointError, ComputeError, SettingsError
from napari_ambiseg.models.checkpoint import load_checkpoint
from napari_ambiseg.models.segmenter import SamplingOptions
from napari_ambiseg.readings.collection import SliceCollection
from tests.trainer.conftest import run_weights, same_weights
from trainer.__main__ import main
from trainer.config import DataSource, FitConfig, ValidationConfig, changed_for_resume, with_overrides
from trainer.data.batches import BatchSource
from trainer.fit import fit, resume
from trainer.group import Alone
from trainer.loop import start_run, train
from trainer.optimizer import learning_rate
from trainer.report import Reporter
from trainer.run_folder import RunFolder, nobody_else

CPU = torch.device("cpu")
DISCS = DataSource(names=("discs",))
CONFIG = FitConfig(
    recipe="test", size="tiny", grid_px=16, steps=12, batch_size=4, learning_rate=2e-3, warmup_steps=2, decay_steps=4,
    ema_decay=0.9, holdout=0.2, checkpoint_steps=4, log_steps=2,
)  # fmt: skip


@pytest.mark.parametrize("kind", ["diffusion", "deterministic", "mc-dropout", "phiseg", "prob-unet"])
def test_a_resumed_run_is_bit_identical_to_an_uninterrupted_one(
    kind: str, discs: SliceCollection, tmp_path: Path
) -> None:
    config = with_overrides(CONFIG, {"kind": kind})
    fit(config, discs, tmp_path / "whole", device=CPU, source=DISCS)
    half = with_overrides(config, {"checkpoint_steps": 1})
    _fit_until(half, discs, tmp_path / "parts", stop_at=7)
    resume(config, discs, tmp_path / "parts", device=CPU, source=DISCS)
    assert same_weights(run_weights(tmp_path / "whole"), run_weights(tmp_path / "parts"))


def _fit_until(config: FitConfig, data: SliceCollection, out: Path, *, stop_at: int) -> None:
    """Run as ``fit`` does and stop as a kill between two checkpoints would."""
    from trainer import fit as fit_module

    class Killed(Exception):
        pass

    def train_then_die(run, source, **more):  # type: ignore[no-untyped-def]
        for record in train(run, source, **more):
            yield record
            if record.step == stop_at:
                raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit_module, "train", train_then_die)
        with pytest.raises(Killed):
            fit(config, data, out, device=CPU, source=DISCS)


def test_training_lowers_the_loss(discs: SliceCollection) -> None:
    config = with_overrides(CONFIG, {"steps": 80, "batch_size": 8, "weighting": "uniform"})
    losses = [record.loss for record in train(start_run(config, CPU), BatchSource(discs, config))]
    assert losses[0] == pytest.approx(1.0, abs=0.02)  # the network starts at x_hat = 0
    assert sum(losses[-10:]) / 10 < 0.5  # a third of the readings are empty, which the image does not tell


def test_the_written_model_says_what_it_is_and_can_be_sampled(discs: SliceCollection, tmp_path: Path) -> None:
    fit(CONFIG, discs, tmp_path, device=CPU, source=DISCS)
    model = load_checkpoint(tmp_path / "model.safetensors")
    assert model.header.grid.size == (16, 16)
    assert model.header.training["step"] == 12
    assert model.header.training["data"] == {"names": ["discs"], "split": "train"}
    image = torch.from_numpy(discs.normalised(0)[:, 8:24, 8:24])
    *_, last = model.segmenter.sample(image, seeds=[0, 1], options=SamplingOptions(steps=3))
    assert last.x_hat.shape == (2, 1, 16, 16)


def test_the_log_has_a_line_at_every_interval(discs: SliceCollection, tmp_path: Path) -> None:
    fit(CONFIG, discs, tmp_path, device=CPU, source=DISCS)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4, 6, 8, 10, 12]
    assert all("validation_loss" in line for line in lines if line["step"] % 4 == 0)


def test_the_others_wait_patiently_while_the_first_process_writes(
    discs: SliceCollection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Gradients are given up after a minute, and a slow disk may take longer: what is written must be followed by a
    # question to all of them before the next step.
    said: list[str] = []

    class Listener(Alone):
        def agree(self, flag: bool) -> bool:
            said.append("agree")
            return flag

    def listen(run, source, **more):  # type: ignore[no-untyped-def]
        for record in train(run, source, **more):
            said.append("step")
            yield record

    monkeypatch.setattr("trainer.fit.train", listen)
    for owner, name in ((RunFolder, "save"), (Reporter, "picture")):
        monkeypatch.setattr(owner, name, lambda *_: said.append("write"))
    judging = ValidationConfig(every=3, slices=2, readings=1, steps=1)
    fit(CONFIG.model_copy(update={"validation": judging}), discs, tmp_path, device=CPU, source=DISCS, group=Listener())
    assert said.count("write") == 1 + 3 + 4  # before the first step, at checkpoints, after judgements
    turns = " ".join(said).split("step")  # what is said between two steps
    assert all(turn.split()[-1] == "agree" for turn in turns if "write" in turn)


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_state(
    discs: SliceCollection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = BatchSource.batch

    def poisoned(self: BatchSource, step: int):  # type: ignore[no-untyped-def]
        batch = original(self, step)
        if step == 9:
            batch.image[0, 0, 0, 0] = float("nan")
        return batch

    monkeypatch.setattr(BatchSource, "batch", poisoned)
    with pytest.raises(ComputeError, match="step 10"):
        fit(CONFIG, discs, tmp_path, device=CPU, source=DISCS)
    assert load_checkpoint(tmp_path / "model.safetensors").header.training["step"] == 8
    assert all(t.isfinite().all() for t in run_weights(tmp_path).values())


def test_two_processes_do_not_train_in_one_folder(discs: SliceCollection, tmp_path: Path) -> None:
    with nobody_else(tmp_path), pytest.raises(SettingsError, match="another process is training in"):
        fit(CONFIG, discs, tmp_path, device=CPU, source=DISCS)
    fit(CONFIG, discs, tmp_path, device=CPU, source=DISCS)


def test_a_folder_with_a_run_is_not_overwritten(discs: SliceCollection, tmp_path: Path) -> None:
    fit(CONFIG, discs, tmp_path, device=CPU, source=DISCS)
    with pytest.raises(SettingsError, match="--resume"):
        fit(CONFIG, discs, tmp_path, device=CPU, source=DISCS)


def test_resuming_an_empty_folder_says_so(discs: SliceCollection, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no run to resume"):
        resume(CONFIG, discs, tmp_path, device=CPU, source=DISCS)


def test_other_slices_do_not_go_on_with_a_run(discs: SliceCollection, tmp_path: Path) -> None:
    fit(CONFIG, discs, tmp_path, device=CPU, source=DISCS)
    more = with_overrides(CONFIG, {"steps": 14})
    with pytest.raises(SettingsError, match="not the slices"):
        resume(more, discs.subset(range(12)), tmp_path, device=CPU, source=DISCS)


def test_a_run_is_not_resumed_to_fewer_steps(discs: SliceCollection, tmp_path: Path) -> None:
    fit(CONFIG, discs, tmp_path, device=CPU, source=DISCS)
    with pytest.raises(SettingsError, match="has done 12 steps"):
        resume(with_overrides(CONFIG, {"steps": 3}), discs, tmp_path, device=CPU, source=DISCS)


def test_what_a_run_is_cannot_change_on_the_way() -> None:
    assert changed_for_resume(CONFIG, {"steps": 20, "seed": CONFIG.seed}).steps == 20
    assert changed_for_resume(CONFIG, {"validation.every": 5}).validation.every == 5
    with pytest.raises(SettingsError, match="seed, input_scale cannot change"):
        changed_for_resume(CONFIG, {"seed": 9, "input_scale": 0.5})


def test_steps_that_are_done_again_are_logged_once(discs: SliceCollection, tmp_path: Path) -> None:
    _fit_until(CONFIG, discs, tmp_path, stop_at=7)
    resume(CONFIG, discs, tmp_path, device=CPU, source=DISCS)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4, 6, 8, 10, 12]


def test_the_learning_rate_warms_up_holds_and_decays_to_zero() -> None:
    config = with_overrides(CONFIG, {"steps": 100, "warmup_steps": 10, "decay_steps": 40, "learning_rate": 1.0})
    rates = [learning_rate(config, step) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9:61] == [1.0] * 52
    assert rates[80] == pytest.approx(0.5)
    assert rates[100] == pytest.approx(0.0, abs=1e-12)
    assert rates[60:] == sorted(rates[60:], reverse=True)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"stpes": 3}, "stpes"),
        ({"steps": 0}, "steps"),
        ({"augment.flip": 2}, "augment.flip"),
        ({"augmnt.flip": 0.5}, "augmnt.flip"),
        ({"kind": "gan"}, "kind"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(overrides: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        with_overrides(CONFIG, overrides)


def _trainer(*words: str) -> list[str]:
    return [sys.executable, "-m", "trainer", *words]


def test_a_terminated_run_saves_and_can_be_resumed(tmp_path: Path) -> None:
    out = tmp_path / "run"
    words = ["fit", "tiny", "--data", "phantom:12", "--steps", "100000", "--out", str(out), "--threads", "1"]
    words += ["--set", "checkpoint_steps=2", "log_steps=1"]
    process = subprocess.Popen(_trainer(*words), stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (out / "state.safetensors").exists():
        assert process.poll() is None, "the run ended before its first checkpoint"
        assert time.monotonic() < deadline, "the run did not reach its first checkpoint"
        time.sleep(0.1)
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(timeout=60) == 0
    done = load_checkpoint(out / "model.safetensors").header.training["step"]
    more = str(done + 2)
    subprocess.run(_trainer("fit", "--resume", str(out), "--steps", more), check=True, capture_output=True, timeout=120)
    assert load_checkpoint(out / "model.safetensors").header.training["step"] == done + 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fit", "nothing", "--data", "phantom"], "unknown recipe 'nothing'"),
        (["fit", "tiny"], "no data was given"),
        (["fit"], "no recipe was given"),
        (["fit", "tiny", "--data", "missing.h5"], "missing.h5"),
        (["fit", "tiny", "--data", "phantom", "--set", "steps"], "FIELD=VALUE"),
        (["fit", "tiny", "--data", "phantom", "--device", "gpu9"], "gpu9"),
        (["fit", "tiny", "--data", "phantom", "--set", "batch_size=["], "batch_size="),
        (["fit", "tiny", "--data", "phantom", "--threads", "-1"], "--threads"),
        (["fit", "tiny", "--data", "phantom:12", "--out", "a-file"], "cannot be written"),
        (["fit", "tiny", "--speed", "11"], "--speed"),
    ],
)
def test_wrong_words_end_in_one_line_and_exit_code_2(
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a-file").write_text("no folder")
    assert main(words) == 2
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 1
    assert error[0].startswith("error: ")
    assert message in error[0]


@pytest.mark.parametrize(
    ("setting", "message"), [("weighting=snrr", "unknown weighting"), ("result=best", "not judged")]
)
def test_a_check_refuses_settings_that_no_run_could_begin_with(
    setting: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["fit", "tiny", "--data", "phantom:12", "--check", "--set"]
    assert main([*words, "seed=1"]) == 0
    assert main([*words, setting]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_models_lists_the_papers_parameter_count(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["diffusion-paper"] == 6_891_905

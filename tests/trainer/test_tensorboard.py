"""Curves are those of the log, go on after a resume without a step twice, and are not needed."""

import errno
import json
import sys
import time
from pathlib import Path

import pytest
import torch

from napari_ambiseg.readings.collection import SliceCollection
from trainer import fit as fit_module
from trainer.config import DataSource, FitConfig, ValidationConfig, with_overrides
from trainer.fit import fit, resume
from trainer.tensorboard import BOARD_FOLDER, Board

events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")

CPU = torch.device("cpu")
DISCS = DataSource(names=("discs",))
CONFIG = FitConfig(
    recipe="test", size="tiny", grid_px=16, steps=8, batch_size=4, learning_rate=2e-3, warmup_steps=2, decay_steps=0,
    holdout=0.3, checkpoint_steps=4, log_steps=1, validation=ValidationConfig(every=4, slices=2, readings=2, steps=2),
)  # fmt: skip


def test_curves_are_those_of_the_log_and_a_resumed_one_has_no_step_twice(
    discs: SliceCollection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = fit_module._Session.after

    def die_after_6(self: object, record: object) -> bool:
        going = original(self, record)  # pyright: ignore[reportArgumentType]
        if record.step == 6:  # pyright: ignore[reportAttributeAccessIssue]
            raise KeyboardInterrupt
        return going

    with monkeypatch.context() as patch:
        patch.setattr(fit_module._Session, "after", die_after_6)
        with pytest.raises(KeyboardInterrupt):
            fit(CONFIG, discs, tmp_path, device=CPU, source=DISCS)
    time.sleep(1.1)  # files of one process are read in the order of their seconds
    resume(CONFIG, discs, tmp_path, device=CPU, source=DISCS)
    board = events.EventAccumulator(str(tmp_path / BOARD_FOLDER)).Reload()
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, 9))
    for name in ("loss", "grad_norm", "learning_rate", "validation_ged", "validation_dice", "validation_loss"):
        points = [(point.step, point.value) for point in board.Scalars(name)]
        assert points == [(line["step"], pytest.approx(line[name], rel=1e-6)) for line in lines if name in line]
    pictures = board.Images("held-out slices")
    assert [picture.step for picture in pictures] == [4, 8]
    assert pictures[1].encoded_image_string[:4] == b"\x89PNG"


def test_without_tensorboard_a_run_says_so_once_and_works(
    discs: SliceCollection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard.writer", None)
    assert fit(CONFIG, discs, tmp_path, device=CPU, source=DISCS).step == 8
    assert capsys.readouterr().err.count("TensorBoard is not installed") == 1
    assert not (tmp_path / BOARD_FOLDER).exists()
    assert len(list((tmp_path / "samples").iterdir())) == 2


def test_a_board_that_cannot_be_written_says_so_once_and_is_quiet(tmp_path: Path) -> None:
    said: list[str] = []
    board = Board(tmp_path, step=0, warn=said.append)

    class Full:
        def add_scalar(self, *arguments: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    board._writer = Full()  # pyright: ignore[reportAttributeAccessIssue]
    board.scalars(1, {"loss": 1.0})
    board.scalars(2, {"loss": 1.0})
    board.close()
    assert len(said) == 1
    assert "No space left on device" in said[0]


def test_the_log_says_how_fast_it_goes_and_how_long_it_waits_for_data(discs: SliceCollection, tmp_path: Path) -> None:
    config = with_overrides(CONFIG, {"log_steps": 2, "validation.every": 0})
    fit(config, discs, tmp_path, device=CPU, source=DISCS)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert all(line["examples_per_second"] > 0 and 0 <= line["data_fraction"] <= 1 for line in lines)

"""16 bits change the speed and the last digits; what overflows is left out and does not end the run."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from napari_ambiseg.errors import ComputeError
from napari_ambiseg.models.checkpoint import load_checkpoint
from napari_ambiseg.readings.collection import SliceCollection
from trainer.config import DataSource, FitConfig, with_overrides
from trainer.data.batches import Batch, BatchSource
from trainer.fit import fit, resume
from trainer.loop import Run, start_run, train
from trainer.objectives.objective import Objective
from trainer.optimizer import make_optimizer
from trainer.precision import Precision

CPU = torch.device("cpu")
CONFIG = FitConfig(
    recipe="test", size="tiny", grid_px=16, steps=12, batch_size=4, learning_rate=1e-3, warmup_steps=0, decay_steps=0,
    holdout=0.0, checkpoint_steps=4, weighting="uniform",
)  # fmt: skip


def records_of(discs: SliceCollection, **changes: object) -> list[tuple[float, float]]:
    config = with_overrides(CONFIG, changes)
    records = train(start_run(config, CPU), BatchSource(discs, config))
    return [(record.loss, record.grad_norm) for record in records]


@pytest.mark.parametrize(("precision", "tolerance"), [("bf16", 0.03), ("fp16", 0.005)])
def test_a_run_in_16_bits_follows_the_one_in_32(precision: str, tolerance: float, discs: SliceCollection) -> None:
    short, full = records_of(discs, precision=precision), records_of(discs)
    assert short != full
    for (loss, norm), (true_loss, true_norm) in zip(short[:4], full[:4], strict=True):
        assert loss == pytest.approx(true_loss, rel=tolerance)
        assert norm == pytest.approx(true_norm, rel=5 * tolerance)  # of the gradient without the loss scale


class Probe(Objective):
    """Notes what it sees while the loss is computed."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(1, 1, 1))
        self.seen: dict[str, torch.dtype] = {}

    def forward(self, batch: Batch) -> Tensor:
        answer = self.model(batch.image)
        self.seen["answer"] = answer.dtype
        self.seen["inside"] = nn.functional.conv2d(batch.image, torch.ones(1, 1, 1, 1)).dtype
        loss = answer.square().mean()
        self.seen["loss"] = loss.dtype
        return loss


@pytest.mark.parametrize(("name", "short"), [("bf16", torch.bfloat16), ("fp16", torch.float16)])
def test_networks_compute_in_16_bits_and_losses_in_32(name: str, short: torch.dtype, discs: SliceCollection) -> None:
    probe, precision = Probe(), Precision(name, CPU)
    precision.prepare(probe)
    with precision.autocast():
        probe(BatchSource(discs, CONFIG).batch(0))
    assert probe.seen == {"answer": torch.float32, "inside": short, "loss": torch.float32}
    assert next(probe.parameters()).dtype == torch.float32


def fp16_run(scale: float) -> tuple[Run, FitConfig]:
    config = with_overrides(CONFIG, {"precision": "fp16"})
    run = start_run(config, CPU)
    state = run.precision.scaler.state_dict()
    run.precision.scaler.load_state_dict(state | {"scale": scale})
    return run, config


def test_a_scaled_gradient_that_overflows_leaves_the_step_out_and_halves_the_scale(discs: SliceCollection) -> None:
    run, config = fp16_run(2.0**100)
    before = [parameter.clone() for parameter in run.objective.parameters()]
    records = train(run, BatchSource(discs, config))
    first = next(records)
    assert (first.step, math.isinf(first.grad_norm) or math.isnan(first.grad_norm)) == (1, True)
    assert math.isfinite(first.loss)
    assert all(map(torch.equal, run.objective.parameters(), before))
    assert run.precision.scaler.get_scale() == 2.0**99
    records.close()


def test_a_gradient_that_overflows_without_a_scale_ends_the_run(discs: SliceCollection) -> None:
    run, config = fp16_run(1.0)
    for parameter in run.objective.parameters():
        parameter.register_hook(lambda gradient: gradient * math.inf)
    with pytest.raises(ComputeError, match="step 1"):
        next(train(run, BatchSource(discs, config)))


def test_a_loss_that_is_not_finite_ends_a_run_in_16_bits_too(
    discs: SliceCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, config = fp16_run(2.0**10)
    monkeypatch.setattr(run.objective, "forward", lambda batch: next(run.objective.parameters()).sum() * math.nan)
    with pytest.raises(ComputeError, match="the loss is nan"):
        next(train(run, BatchSource(discs, config)))


def test_the_loss_scale_is_resumed(discs: SliceCollection, tmp_path: Path) -> None:
    config, source = with_overrides(CONFIG, {"precision": "fp16"}), DataSource(names=("discs",))
    fit(config, discs, tmp_path / "whole", device=CPU, source=source)
    fit(with_overrides(config, {"steps": 5}), discs, tmp_path / "parts", device=CPU, source=source)
    run = resume(config, discs, tmp_path / "parts", device=CPU, source=source)
    assert run.precision.scaler.state_dict()["_growth_tracker"] == 12
    ours, theirs = (load_checkpoint(tmp_path / name / "model.safetensors").segmenter for name in ("parts", "whole"))
    assert isinstance(ours, nn.Module)
    assert isinstance(theirs, nn.Module)
    assert all(map(torch.equal, ours.parameters(), theirs.parameters()))


@pytest.mark.parametrize(("name", "expected"), [("adamw", 2.0 - 0.1 * 0.5 * 2.0), ("adam", 2.0 - 0.1)])
def test_weight_decay_is_apart_from_the_gradient_in_adamw_and_a_part_of_it_in_adam(name: str, expected: float) -> None:
    """With a gradient of 0, AdamW takes rate x decay x weight off; Adam's first step is the rate, whatever the size."""
    weight = nn.Parameter(torch.tensor([2.0]))
    config = with_overrides(CONFIG, {"optimizer": name, "weight_decay": 0.5, "learning_rate": 0.1})
    optimizer = make_optimizer(config, [weight])
    weight.grad = torch.zeros(1)
    optimizer.step()
    assert weight.item() == pytest.approx(expected, rel=1e-6)


def test_a_clip_norm_of_0_leaves_the_gradient_as_it_is(discs: SliceCollection) -> None:
    """Plain descent makes the clipping visible: the first step is rate x gradient, or rate x clip norm."""

    def length_of_first_step(clip_norm: float) -> tuple[float, float]:
        config = with_overrides(CONFIG, {"clip_norm": clip_norm, "learning_rate": 1.0})
        run = start_run(config, CPU)
        run.optimizer = torch.optim.SGD(run.objective.parameters(), lr=1.0)
        before = [parameter.detach().clone() for parameter in run.objective.parameters()]
        records = train(run, BatchSource(discs, config))
        norm = next(records).grad_norm
        records.close()
        moved = [(p - b).square().sum() for p, b in zip(run.objective.parameters(), before, strict=True)]
        return math.sqrt(sum(value.item() for value in moved)), norm

    length, norm = length_of_first_step(0.0)
    assert length == pytest.approx(norm, rel=1e-4)
    assert length_of_first_step(norm / 10)[0] == pytest.approx(norm / 10, rel=1e-4)

"""A judgement is what an evaluation by hand would say, disturbs nothing, and decides which weights are kept."""

import json
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_ambiseg.diffusion.sampling import State
from napari_ambiseg.errors import SettingsError
from napari_ambiseg.models.checkpoint import load_checkpoint
from napari_ambiseg.models.segmenter import SamplingOptions
from napari_ambiseg.readings.agreement import ged, mean_dice
from napari_ambiseg.readings.collection import SliceCollection
from trainer.config import DataSource, FitConfig, ValidationConfig, with_overrides
from trainer.data.batches import Batch, BatchSource, split_by_patient
from trainer.data.holdout import Holdout
from trainer.fit import fit, resume
from trainer.group import ALONE, Alone
from trainer.loop import Best, evaluating, start_run, validation_loss
from trainer.objectives.objective import Objective
from trainer.samples_picture import draw_samples
from trainer.state import read_state
from trainer.validation import Judgement, Shown, Validator

T = TypeVar("T")
CPU = torch.device("cpu")
DISCS = DataSource(names=("discs",))
CONFIG = FitConfig(
    recipe="test", size="tiny", grid_px=16, steps=8, batch_size=4, learning_rate=2e-3, warmup_steps=2, decay_steps=0,
    ema_decay=0.9, holdout=0.4, checkpoint_steps=4, log_steps=1,
    validation=ValidationConfig(every=3, slices=5, readings=4, steps=2),
)  # fmt: skip
NEVER = threading.Event()


class Bright(nn.Module):
    """Reading i is empty where its seed is even; otherwise it is where the image is bright."""

    kind = "bright"

    def sample(self, image: Tensor, *, seeds: Sequence[int], options: SamplingOptions) -> Iterator[State]:
        assert not self.training
        answers = [torch.where(image > 0.5, 1.0, -1.0) if seed % 2 else -torch.ones_like(image) for seed in seeds]
        yield State(step=1, total=1, log_snr=0.0, x_t=torch.stack(answers), x_hat=torch.stack(answers))


class BrightObjective(Objective):
    def __init__(self) -> None:
        super().__init__(Bright())
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, batch: Batch) -> Tensor:
        return self.weight.sum()


@pytest.fixture
def judged(discs: SliceCollection, monkeypatch: pytest.MonkeyPatch) -> tuple[Validator, Any]:
    monkeypatch.setattr("trainer.loop.make_objective", lambda config: BrightObjective())
    return Validator(discs, CONFIG), start_run(CONFIG, CPU)


def test_the_figures_are_means_over_evenly_spaced_slices_cropped_as_the_model_sees_them(
    judged: tuple[Validator, Any], discs: SliceCollection
) -> None:
    validator, run = judged
    found = validator.judge(run, ALONE, NEVER)
    assert found is not None
    chosen = [name for name, _ in validator._slices]
    gaps = np.diff([discs.names.index(name) for name in chosen])
    assert len(chosen) == 5
    assert gaps.max() - gaps.min() <= 1
    figures: list[tuple[float, float, float]] = []
    for name, seeds in zip(chosen, validator._seeds, strict=True):
        index = discs.names.index(name)
        middle = np.s_[..., 8:24, 8:24]
        bright = discs.normalised(index)[0][middle] > 0.5
        samples = np.stack([bright if seed % 2 else np.zeros_like(bright) for seed in seeds])
        experts = np.ascontiguousarray(discs.readings[index][middle])
        empty = float(np.mean(~samples.any(axis=(1, 2))))
        figures.append((ged(samples=samples, experts=experts), mean_dice(samples=samples, experts=experts), empty))
    assert (found.ged, found.dice, found.empty) == pytest.approx(tuple(np.mean(figures, axis=0)))


def test_crops_that_lie_anywhere_lie_there_at_every_judgement(discs: SliceCollection) -> None:
    config = with_overrides(CONFIG, {"crop": "uniform"})
    first, again = (Validator(discs, config)._slices for _ in range(2))
    central = Validator(discs, CONFIG)._slices
    assert all(np.array_equal(a.image, b.image) for (_, a), (_, b) in zip(first, again, strict=True))
    assert not all(np.array_equal(a.image, b.image) for (_, a), (_, b) in zip(first, central, strict=True))
    assert {one.image.shape for _, one in first} == {(1, 16, 16)}


class Part(Alone):
    """One of two processes; what the other one gathered is known beforehand."""

    def __init__(self, index: int, others: list[Any]) -> None:
        self.index, self.count, self.others = index, 2, others
        self.gathered: Any = None

    def gather(self, value: T) -> list[T]:
        self.gathered = value
        return [value, *self.others] if self.index == 0 else [*self.others, value]


def test_two_processes_that_share_the_slices_find_what_one_finds(judged: tuple[Validator, Any]) -> None:
    validator, run = judged
    alone = validator.judge(run, ALONE, NEVER)
    second = Part(1, [])
    validator.judge(run, second, NEVER)
    together = validator.judge(run, Part(0, [second.gathered]), NEVER)
    assert alone is not None
    assert together is not None
    assert together.figures() == alone.figures()
    assert len(second.gathered) == 2
    pairs = zip(together.shown, alone.shown, strict=True)
    assert all(np.array_equal(a.readings, b.readings) for a, b in pairs)


def test_a_judgement_draws_from_no_global_generator_and_is_the_same_twice(discs: SliceCollection) -> None:
    run, validator = start_run(CONFIG, CPU), Validator(discs, CONFIG)
    with torch.no_grad():
        for parameter in run.averaged.parameters():  # the last layers start at zero, and would say nothing
            parameter.add_(0.05)
    before, numpys = torch.get_rng_state(), np.random.get_state()[1]  # noqa: NPY002 (this one must not move)
    first, again = (validator.judge(run, ALONE, NEVER) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], numpys)  # noqa: NPY002
    assert first is not None
    assert again is not None
    assert first.figures() == again.figures()


def test_a_run_that_judges_itself_trains_as_one_that_does_not(discs: SliceCollection, tmp_path: Path) -> None:
    fit(CONFIG, discs, tmp_path / "judged", device=CPU, source=DISCS)
    fit(with_overrides(CONFIG, {"validation.every": 0}), discs, tmp_path / "not", device=CPU, source=DISCS)
    ours, theirs = (read_state(tmp_path / name).tensors for name in ("judged", "not"))
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


class Normed(Objective):
    """Batch norm and dropout: what differs between training and judging."""

    def __init__(self) -> None:
        super().__init__(nn.Sequential(nn.Conv2d(1, 4, 1), nn.BatchNorm2d(4), nn.Dropout(0.5)))

    def forward(self, batch: Batch) -> Tensor:
        return self.model(batch.image).square().mean()


def test_the_validation_loss_uses_running_statistics_and_leaves_them_alone(
    discs: SliceCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.loop.make_objective", lambda config: Normed())
    config = with_overrides(CONFIG, {"ema_decay": 0.0})
    run, source = start_run(config, CPU), BatchSource(discs, config, augment=False)
    kept = {name: value.clone() for name, value in run.objective.state_dict().items()}
    losses = [validation_loss(run, source, 3) for _ in range(2)]
    assert losses[0] == losses[1]  # no dropout
    assert run.objective.training
    assert all(torch.equal(value, kept[name]) for name, value in run.objective.state_dict().items())
    with evaluating(run.objective) as objective:
        by_hand = np.mean([objective(source.batch(i)).item() for i in range(3)])
    assert losses[0] == pytest.approx(by_hand, rel=1e-6)


def test_the_best_judged_weights_are_kept_and_known_after_a_resume(
    discs: SliceCollection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = {3: 0.8, 6: 0.3, 8: 0.5, 9: 0.4, 10: 0.2}

    def judge(self: Validator, run: Any, group: object, stop: object) -> Judgement:
        blank: NDArray[np.bool_] = np.zeros((2, 16, 16), bool)
        return Judgement(figures[run.step], 0.5, 0.0, (Shown(np.zeros((16, 16), np.float32), blank, blank),))

    monkeypatch.setattr(Validator, "judge", judge)
    fit(CONFIG, discs, tmp_path, device=CPU, source=DISCS)
    assert read_state(tmp_path).best == Best(step=6, ged=0.3)
    assert load_checkpoint(tmp_path / "best.safetensors").header.training["step"] == 6
    assert load_checkpoint(tmp_path / "model.safetensors").header.training["best"] == {"step": 6, "ged": 0.3}
    resume(with_overrides(CONFIG, {"steps": 9}), discs, tmp_path, device=CPU, source=DISCS)
    assert load_checkpoint(tmp_path / "best.safetensors").header.training["step"] == 6
    resume(with_overrides(CONFIG, {"steps": 10}), discs, tmp_path, device=CPU, source=DISCS)
    assert load_checkpoint(tmp_path / "best.safetensors").header.training["step"] == 10
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert {line["step"]: line["validation_ged"] for line in lines if "validation_ged" in line} == figures
    assert [path.name for path in sorted((tmp_path / "samples").iterdir())] == [
        f"step-{step:06}.png" for step in figures
    ]


def test_only_the_latest_pictures_are_kept(discs: SliceCollection, tmp_path: Path) -> None:
    config = with_overrides(CONFIG, {"validation.every": 1, "validation.slices": 1, "validation.readings": 1})
    fit(config, discs, tmp_path, device=CPU, source=DISCS)
    assert [path.name for path in sorted((tmp_path / "samples").iterdir())] == [
        f"step-{step:06}.png" for step in range(4, 9)
    ]


def test_held_out_patients_are_judged_and_not_trained_on(discs: SliceCollection) -> None:
    training, held_out = split_by_patient(discs, Holdout.of(CONFIG))
    judged = {name for name, _ in Validator(held_out, CONFIG)._slices}
    assert judged.isdisjoint(training.names)
    assert judged <= set(held_out.names)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"holdout": 0.0}, "larger holdout"),
        ({"validation.sampler": "euler"}, "unknown sampler"),
        ({"validation.every": 0, "result": "best"}, "validation.every"),
    ],
)
def test_what_cannot_be_judged_is_refused_before_the_first_step(
    changes: dict[str, object], message: str, discs: SliceCollection, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=message):
        fit(with_overrides(CONFIG, changes), discs, tmp_path / "run", device=CPU, source=DISCS)
    assert not (tmp_path / "run").exists()


def test_a_picture_shows_each_mask_by_its_outline_in_its_place() -> None:
    """One slice, two experts, one sample: tiles of 160 pixels, ten to a pixel of the grid, below a line of text."""
    square, other = np.zeros((16, 16), bool), np.zeros((16, 16), bool)
    square[4:8, 4:8], other[10:12, 10:12] = True, True
    picture = draw_samples([Shown(np.zeros((16, 16), np.float32), np.stack([square, other]), square[None])], "")
    tile, text = 160, 16

    def coloured(column: int) -> NDArray[np.bool_]:
        left = column * (tile + 4)
        found = picture[text : text + tile, left : left + tile]
        return (found.max(axis=2) != found.min(axis=2)) | (found.max(axis=2) > 0)

    def outline(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        large = np.kron(mask, np.ones((10, 10), bool))
        inner = large & np.roll(large, 1, 0) & np.roll(large, -1, 0) & np.roll(large, 1, 1) & np.roll(large, -1, 1)
        return large & ~inner

    assert picture.shape == (tile + 4 + 2 * text, 3 * (tile + 4), 3)
    assert not coloured(0).any()
    assert np.array_equal(coloured(1), outline(square) | outline(other))
    assert np.array_equal(coloured(2), outline(square))


def test_a_picture_says_which_masks_are_empty() -> None:
    blank = np.zeros((4, 16, 16), bool)
    none = draw_samples([Shown(np.zeros((16, 16), np.float32), ~blank, ~blank)], "")
    all_empty = draw_samples([Shown(np.zeros((16, 16), np.float32), blank, blank)], "")
    words = np.s_[16 + 160 - 16 : 16 + 160, 164 : 164 + 100]
    assert (all_empty[words] == 255).all(axis=2).any()
    assert not (none[words] == 255).all(axis=2).any()

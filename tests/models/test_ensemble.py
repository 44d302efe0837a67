"""An ensemble reads as its members do, each reading as one of them, and its GED is the one that follows from theirs."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from napari_ambiseg.errors import CheckpointError, SettingsError
from napari_ambiseg.models.checkpoint import Grid, Header, load_checkpoint, save_checkpoint
from napari_ambiseg.models.diffusion_segmenter import DiffusionConfig, DiffusionSegmenter
from napari_ambiseg.models.ensemble import (
    DiffusionEnsemble,
    Ensemble,
    EnsembleConfig,
    iterates,
    member_models,
    members_of,
)
from napari_ambiseg.models.segmenter import IteratedSegmenter, SamplingOptions, Segmenter, build
from napari_ambiseg.models.unet_config import named_size
from napari_ambiseg.readings.agreement import compare
from napari_ambiseg.seeds import ANTITHETIC, reading_seeds

IMAGE = torch.linspace(-0.5, 2, 256).view(1, 16, 16)
OPTIONS = SamplingOptions(steps=3)
MEMBER = DiffusionConfig(named_size("tiny"))


@pytest.fixture(scope="module")
def ensemble() -> DiffusionEnsemble:
    """Three tiny models with random weights, their zero convolutions filled."""
    torch.manual_seed(0)
    made = DiffusionEnsemble(EnsembleConfig((MEMBER, MEMBER, MEMBER)))
    with torch.no_grad():
        for parameter in made.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    return made.eval()


def readings(segmenter: Segmenter, seeds: list[int]) -> list[Tensor]:
    """x_hat after every step."""
    return [state.x_hat for state in segmenter.sample(IMAGE, seeds=seeds, options=OPTIONS)]


def member(ensemble: DiffusionEnsemble, number: int) -> DiffusionSegmenter:
    found = ensemble.members[number]
    assert isinstance(found, DiffusionSegmenter)
    return found


def test_every_step_of_a_reading_is_that_of_the_member_that_its_seed_asks(ensemble: DiffusionEnsemble) -> None:
    seeds = [7, 3, 2, 6, 5, 10]
    assert members_of(seeds, 3) == (1, 0, 2, 0, 2, 1)
    together = readings(ensemble, seeds)
    assert len(together) == OPTIONS.steps
    for place, (seed, asked) in enumerate(zip(seeds, members_of(seeds, 3), strict=True)):
        alone = readings(member(ensemble, asked), [seed])
        other = readings(member(ensemble, (asked + 1) % 3), [seed])
        for step in range(OPTIONS.steps):
            torch.testing.assert_close(together[step][place], alone[step][0], rtol=1e-3, atol=1e-4)
        assert (together[-1][place] - other[-1][0]).abs().max() > 1e-2


def test_readings_that_all_ask_one_member_leave_the_others_alone(ensemble: DiffusionEnsemble) -> None:
    class Forbidden:
        kind = "forbidden"

        def sample(self, image: Tensor, **_: object) -> None:
            raise AssertionError("nobody asked it")

    first = Ensemble([member(ensemble, 0), Forbidden()])  # type: ignore[list-item]
    assert len(readings(first, [0, 2, 4])) == OPTIONS.steps


def test_members_are_asked_equally_often_and_by_both_of_a_pair() -> None:
    asked = members_of(reading_seeds(0, 6000), 3)
    assert np.abs(np.bincount(asked, minlength=3) - 2000).max() < 150  # 4 standard deviations
    pairs = members_of(reading_seeds(5, 40, antithetic=True), 3)
    assert pairs[::2] == pairs[1::2]
    assert members_of([4, 4 | ANTITHETIC], 3) == (1, 1)


def test_its_ged_is_the_members_mean_less_a_quarter_of_their_squared_distance() -> None:
    """The energy distance is a squared distance: |(a + b) / 2 - y|^2 = (|a - y|^2 + |b - y|^2) / 2 - |a - b|^2 / 4."""
    rng = np.random.default_rng(0)
    a, b, experts = (rng.random((8, 12, 12)) < share for share in (0.3, 0.6, 0.5))
    a[0] = b[1] = experts[2] = False

    def ged(one: np.ndarray, other: np.ndarray) -> float:
        return compare(samples=one, experts=other).ged

    both = ged(np.concatenate([a, b]), experts)
    assert both == pytest.approx((ged(a, experts) + ged(b, experts)) / 2 - ged(a, b) / 4, abs=1e-12)
    assert ged(a, b) > 0.01


def test_what_a_file_holds_reads_alike(ensemble: DiffusionEnsemble, tmp_path: Path) -> None:
    header = Header(
        kind=DiffusionEnsemble.kind, config=asdict(ensemble.config), grid=Grid((16, 16)), name="three", smallest_px=5
    )
    save_checkpoint(tmp_path / "ensemble.safetensors", ensemble, header)
    loaded = load_checkpoint(tmp_path / "ensemble.safetensors")
    for ours, theirs in zip(readings(ensemble, [0, 1, 2]), readings(loaded.segmenter, [0, 1, 2]), strict=True):
        assert torch.equal(ours, theirs)
    members = member_models(loaded)
    assert len(members) == 3
    for number, one in enumerate(members):
        assert (one.header.kind, one.header.name, one.header.smallest_px) == ("diffusion", "three", 5)
        assert isinstance(one.segmenter, nn.Module)
        rebuilt = build(one.header.kind, one.header.config)
        assert isinstance(rebuilt, nn.Module)
        rebuilt.load_state_dict(one.segmenter.state_dict())
        assert torch.equal(readings(rebuilt.eval(), [number])[-1], readings(ensemble, [number])[-1])  # type: ignore[arg-type]


def test_it_keeps_the_contract_but_has_no_single_network(ensemble: DiffusionEnsemble) -> None:
    for one in (ensemble, Ensemble([member(ensemble, 0), member(ensemble, 1)])):
        assert isinstance(one, Segmenter)
        assert not isinstance(one, IteratedSegmenter)
        assert iterates(one)
    assert iterates(member(ensemble, 0))


def test_guidance_needs_every_member(ensemble: DiffusionEnsemble) -> None:
    guidable = DiffusionConfig(named_size("tiny", in_channels=3), guidable=True)
    strong = SamplingOptions(steps=2, guidance=1.0)
    both = DiffusionEnsemble(EnsembleConfig((guidable, guidable)))
    assert len(list(both.sample(IMAGE, seeds=[0, 1], options=strong))) == 2
    mixed = DiffusionEnsemble(EnsembleConfig((guidable, MEMBER)))
    with pytest.raises(SettingsError, match="'diffusion-ensemble' model was not trained for it"):
        next(mixed.sample(IMAGE, seeds=[0], options=strong))


@pytest.mark.parametrize("members", [[], [asdict(MEMBER)]])
def test_fewer_than_two_are_no_ensemble(members: list[object]) -> None:
    with pytest.raises(CheckpointError, match=r"an ensemble of \d is none"):
        build(DiffusionEnsemble.kind, {"members": members})

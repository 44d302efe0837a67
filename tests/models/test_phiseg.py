"""PHiSeg's readings come from its latents, and those from the seeds."""

import math
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from napari_ambiseg.errors import CheckpointError, InputImageError, SettingsError
from napari_ambiseg.models.checkpoint import Grid, Header, load_checkpoint, save_checkpoint
from napari_ambiseg.models.phiseg import MIN_STD, Gaussian, PHiSeg, PHiSegConfig, named_size
from napari_ambiseg.models.segmenter import SamplingOptions, Segmenter, build
from napari_ambiseg.readings.intensity import Intensity

IMAGE = torch.linspace(-0.5, 2, 256).view(1, 16, 16)


@pytest.fixture
def model() -> PHiSeg:
    """A tiny one, whose batch norms have seen something."""
    torch.manual_seed(0)
    model = PHiSeg(named_size("tiny"))
    for _ in range(3):
        model.likelihood(latents(model.train(), torch.randn(4, 1, 16, 16)))
    return model.eval()


def latents(model: PHiSeg, images: Tensor, noise: float = 1.0) -> list[Tensor]:
    maps = model.prior.encode(images)
    return model.prior(maps, lambda _, gaussian: gaussian.at(noise * torch.randn_like(gaussian.mean)))[1]


def sample(model: PHiSeg, seeds: Sequence[int]) -> Tensor:
    (state,) = model.sample(IMAGE, seeds=seeds, options=SamplingOptions())
    assert state.step == state.total == 1
    assert state.log_snr == math.inf
    assert state.x_hat is state.x_t
    return state.x_hat


def drawn(model: PHiSeg, seeds: Sequence[int], monkeypatch: pytest.MonkeyPatch) -> list[tuple[Gaussian, Tensor]]:
    """Distribution and latent of each level while sampling, coarsest first."""
    seen: list[tuple[Gaussian, Tensor]] = []
    at = Gaussian.at

    def record(self: Gaussian, noise: Tensor) -> Tensor:
        seen.append((self, noise))
        return at(self, noise)

    monkeypatch.setattr(Gaussian, "at", record)
    sample(model, seeds)
    return seen


def test_it_is_a_segmenter_whose_readings_lie_between_background_and_foreground(model: PHiSeg) -> None:
    assert isinstance(model, Segmenter)
    x_hat = sample(model, [0, 1, 2])
    assert x_hat.shape == (3, 1, 16, 16)
    assert x_hat.abs().max() <= 1
    assert not x_hat.requires_grad


def test_a_reading_depends_on_its_seed_and_not_on_its_neighbours(model: PHiSeg) -> None:
    alone = sample(model, [7])[0]
    together = sample(model, [5, 6, 7, 8, 9, 7])
    torch.testing.assert_close(together[2], alone, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(together[5], alone, rtol=1e-4, atol=1e-5)
    assert (together[3] - alone).abs().max() > 1e-2


def test_the_noise_of_every_level_and_seed_is_independent_and_standard_normal(
    model: PHiSeg, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Means, variances and correlations over 1000 seeds, all within 5 standard errors."""
    levels = drawn(model, range(1000), monkeypatch)
    assert [noise.shape[1:] for _, noise in levels] == [(2, 2, 2), (2, 4, 4), (2, 8, 8)]
    noise = torch.cat([noise.flatten(1) for _, noise in levels], dim=1).double()
    covariance = noise.T @ noise / len(noise)
    assert noise.mean(dim=0).abs().max() < 5 / math.sqrt(1000)
    assert (covariance - torch.eye(len(covariance))).abs().max() < 5 * math.sqrt(2 / 1000)


def test_a_finer_latent_depends_on_the_coarser_one(model: PHiSeg, monkeypatch: pytest.MonkeyPatch) -> None:
    coarsest, finer, _ = drawn(model, [0, 1], monkeypatch)
    assert torch.equal(coarsest[0].mean[0], coarsest[0].mean[1])  # given the image alone
    assert not torch.allclose(finer[0].mean[0], finer[0].mean[1])


def test_a_reading_is_the_softmax_probability_of_the_sum_of_all_levels(model: PHiSeg) -> None:
    with torch.no_grad():
        chosen = latents(model, IMAGE.unsqueeze(0), noise=0.0)
        each = []
        h = model.likelihood.lift[2](chosen[2])
        for level in (2, 1, 0):
            if level < 2:
                up = h.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
                h = torch.cat([model.likelihood.lift[level](chosen[level]), model.likelihood.coarser[level](up)], dim=1)
                h = model.likelihood.merge[level](h)
            logits = model.likelihood.heads[level](h)
            each.append(logits.repeat_interleave(2**level, dim=2).repeat_interleave(2**level, dim=3))
        finest, middle, coarsest = model.likelihood(chosen)
    torch.testing.assert_close(coarsest, each[0])
    torch.testing.assert_close(middle, each[0] + each[1])
    torch.testing.assert_close(finest, each[0] + each[1] + each[2])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Gaussian, "at", lambda self, noise: self.mean)
        x_hat = sample(model, [0])
    torch.testing.assert_close((x_hat + 1) / 2, finest.softmax(dim=1)[:, 1:])


def test_sampling_changes_no_statistics(model: PHiSeg) -> None:
    before = {name: value.clone() for name, value in model.state_dict().items()}
    sample(model, [0, 1])
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_no_standard_deviation_is_zero(model: PHiSeg, monkeypatch: pytest.MonkeyPatch) -> None:
    for convolution in model.prior.raw_std:
        torch.nn.init.constant_(convolution.bias, -1e4)  # where softplus is 0 in 32 bits
    assert all((gaussian.std == MIN_STD).all() for gaussian, _ in drawn(model, [0], monkeypatch))


def test_a_slice_that_cannot_be_halved_as_often_is_refused(model: PHiSeg) -> None:
    with pytest.raises(InputImageError, match=r"16 x 20 pixels.*multiples of 8"):
        list(model.sample(torch.zeros(1, 16, 20), seeds=[0], options=SamplingOptions()))


def test_a_saved_model_draws_the_same_readings(model: PHiSeg, tmp_path: Path) -> None:
    config = {"width": 8, "multipliers": [1, 2, 2, 2], "latent_levels": 3}
    header = Header(
        kind="phiseg", config=config, grid=Grid((16, 16), (0.5, 0.5)), intensity=Intensity(0.0, 1.0), name="test",
        training={},
    )  # fmt: skip
    save_checkpoint(tmp_path / "model.safetensors", model, header)
    loaded = load_checkpoint(tmp_path / "model.safetensors").segmenter
    assert isinstance(loaded, PHiSeg)
    assert torch.equal(sample(loaded, [0, 1]), sample(model, [0, 1]))


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"width": 0}, "width=0"),
        ({"multipliers": []}, "is no network"),
        ({"latent_levels": 8}, "there are 8 latent levels; give 1 to 7"),
        ({"levels": 5}, "levels: Unexpected keyword"),
    ],
)
def test_impossible_configurations_are_refused(config: dict[str, object], said: str) -> None:
    with pytest.raises(CheckpointError, match=said):
        build("phiseg", config)


def test_an_unknown_size_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match="unknown size 'huge' of PHiSeg; choose one of paper, small, mini, tiny"):
        named_size("huge")


def test_a_latent_at_every_resolution_is_doubled_nowhere() -> None:
    config = PHiSegConfig(width=4, multipliers=(1, 2), latent_levels=2)
    torch.manual_seed(0)
    (state,) = PHiSeg(config).eval().sample(IMAGE, seeds=[0], options=SamplingOptions())
    assert state.x_hat.shape == (1, 1, 16, 16)

"""MC dropout silences the channels that a seed names, and nothing else differs from the deterministic UNet."""

import math
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import torch
from torch import Tensor, nn

from napari_ambiseg.diffusion.sampling import SeededNoise
from napari_ambiseg.errors import CheckpointError
from napari_ambiseg.models.deterministic import DeterministicConfig, DeterministicSegmenter
from napari_ambiseg.models.mc_dropout import DropoutConv2d, MCDropoutConfig, MCDropoutSegmenter, silenced_by
from napari_ambiseg.models.segmenter import SamplingOptions, Segmenter, build
from napari_ambiseg.models.unet_config import UNetConfig, named_size

IMAGE = torch.linspace(-0.5, 2, 256).view(1, 16, 16)
UNET = named_size("tiny", in_channels=1, time_embedding=0)


def model(dropout: float = 0.3, unet: UNetConfig = UNET) -> MCDropoutSegmenter:
    """With random weights everywhere, also where training starts from zero."""
    torch.manual_seed(0)
    segmenter = MCDropoutSegmenter(MCDropoutConfig(unet=unet, dropout=dropout))
    with torch.no_grad():
        for parameter in segmenter.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    return segmenter.eval()


def sample(segmenter: MCDropoutSegmenter, seeds: list[int]) -> Tensor:
    (state,) = segmenter.sample(IMAGE, seeds=seeds, options=SamplingOptions())
    return state.x_hat


def places(segmenter: nn.Module) -> list[str]:
    return [name for name, module in segmenter.named_modules() if isinstance(module, DropoutConv2d)]


def test_a_reading_depends_on_its_seed_and_not_on_its_neighbours() -> None:
    segmenter = model()
    assert isinstance(segmenter, Segmenter)
    alone, together = sample(segmenter, [7])[0], sample(segmenter, [5, 6, 7, 8])
    assert together.shape == (4, 1, 16, 16)
    assert together.abs().max() <= 1
    torch.testing.assert_close(together[2], alone, rtol=1e-4, atol=1e-5)
    assert (together[3] - alone).abs().max() > 1e-3


def test_threads_that_share_a_model_do_not_share_the_channels_they_silence() -> None:
    """Both have begun before either silences anything, as happens on a busy machine."""
    segmenter = model()
    alone = [sample(segmenter, seeds) for seeds in ([1], [2, 3])]
    both_have_begun = Barrier(2, timeout=30)

    def wait(*_: object) -> None:
        both_have_begun.wait()

    segmenter.unet.register_forward_pre_hook(wait)
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(lambda seeds: sample(segmenter, seeds), ([1], [2, 3])))
    for one, other in zip(alone, together, strict=True):
        assert torch.equal(one, other)


def test_the_global_generator_is_not_touched() -> None:
    segmenter = model()
    before = torch.get_rng_state()
    sample(segmenter, [0, 1])
    assert torch.equal(torch.get_rng_state(), before)


def test_without_dropout_it_is_the_deterministic_model_with_the_same_weights() -> None:
    segmenter = model(dropout=0.0)
    twin = DeterministicSegmenter(DeterministicConfig(UNET)).eval()
    twin.load_state_dict(segmenter.state_dict())
    (state,) = twin.sample(IMAGE, seeds=[0, 1], options=SamplingOptions())
    torch.testing.assert_close(sample(segmenter, [0, 1]), state.x_hat)


def test_training_and_evaluation_silence_the_same_channels() -> None:
    segmenter = model()
    assert torch.equal(segmenter.eval()(IMAGE[None], [3]), segmenter.train()(IMAGE[None], [3]))


def test_dropout_sits_in_the_lowest_level_and_the_middle() -> None:
    unet = UNetConfig(in_channels=1, channels=(8, 8), blocks=(1, 2), middle_blocks=1, norm_groups=4, time_embedding=0)
    expected = ["encoder.2", "encoder.3", "middle.0", "decoder.0.0", "decoder.0.1", "decoder.0.2"]
    assert places(model(unet=unet)) == [f"unet.{name}.block.conv2" for name in expected]


def test_a_network_without_blocks_at_its_lowest_level_keeps_its_encoder() -> None:
    unet = UNetConfig(in_channels=1, channels=(8, 8), blocks=(1, 0), middle_blocks=1, norm_groups=4, time_embedding=0)
    assert places(model(unet=unet)) == ["unet.middle.0.block.conv2", "unet.decoder.0.0.block.conv2"]


def test_whole_channels_are_silenced_as_often_as_asked_and_the_others_keep_the_mean() -> None:
    """Of 100 channels in 100 samples; within 5 standard deviations of a binomial count."""
    passing = nn.Conv2d(100, 100, 3, padding=1)
    nn.init.dirac_(passing.weight)
    nn.init.zeros_(passing.bias)
    layer = DropoutConv2d(passing, 0.3)
    with silenced_by(SeededNoise(range(100))):
        answer = layer(torch.ones(100, 100, 4, 4))
    silent = answer == 0
    assert torch.equal(silent.all(dim=(2, 3)), silent.any(dim=(2, 3)))
    torch.testing.assert_close(answer[~silent], torch.full_like(answer[~silent], 1 / 0.7))
    assert abs(silent[:, :, 0, 0].sum() - 3000) < 5 * math.sqrt(10_000 * 0.3 * 0.7)
    assert len(silent[:, :, 0, 0].unique(dim=0)) == 100  # no two seeds silence the same


@pytest.mark.parametrize("dropout", [-0.1, 1.0, math.nan])
def test_probabilities_that_are_none_are_refused(dropout: float) -> None:
    config = {"unet": {"in_channels": 1, "time_embedding": 0}, "dropout": dropout}
    with pytest.raises(CheckpointError, match=f"dropout is {dropout}; give a probability from 0 to below 1"):
        build("mc-dropout", config)

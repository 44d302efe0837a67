"""The expected time: what a run has taken tells what the next one takes."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from napari_ambiseg.engine import SamplingOptions
from napari_ambiseg.models.diffusion_segmenter import DiffusionConfig, DiffusionSegmenter
from napari_ambiseg.models.latent import LatentConfig
from napari_ambiseg.models.prob_unet import ProbUNetConfig, ProbUNetSegmenter
from napari_ambiseg.models.unet_config import named_size
from napari_ambiseg.viewer.session.pace import Paces, pace_path, told
from napari_ambiseg.viewer.session.result import Result
from napari_ambiseg.viewer.session.settings import Settings


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return pace_path(tmp_path / "new" / "viewer.json")


@pytest.fixture
def ran(make_result: Callable[..., Result]) -> Callable[..., Result]:
    """A run of 4 readings that took so many seconds."""
    drawn = make_result(readings=4)

    def made(seconds: float, **settings) -> Result:
        asked = replace(drawn.request, settings=replace(drawn.request.settings, **settings))
        return replace(drawn, request=asked, sampled=replace(drawn.sampled, seconds=seconds))

    return made


def test_before_the_first_run_the_time_is_not_known(path: Path) -> None:
    assert Paces(path).expected_s(Settings()) is None
    assert told(None) == ""


def test_the_time_grows_with_readings_steps_and_slices(path: Path, ran: Callable[..., Result]) -> None:
    paces, run = Paces(path), ran(8.0)
    paces.learn(run)
    settings = run.request.settings
    half = replace(settings.options, steps=settings.options.steps // 2)
    assert paces.expected_s(settings) == pytest.approx(8.0)
    assert paces.expected_s(replace(settings, readings=16)) == pytest.approx(32.0)
    assert paces.expected_s(replace(settings, options=half)) == pytest.approx(4.0)
    assert paces.expected_s(settings, slices=3) == pytest.approx(24.0)


def test_each_model_engine_and_device_has_a_pace_of_its_own(path: Path, ran: Callable[..., Result]) -> None:
    paces = Paces(path)
    for seconds, settings in ((8.0, {}), (4.0, {"engine": "torch"}), (2.0, {"device": "cpu"}), (1.0, {"model": "b"})):
        paces.learn(ran(seconds, **settings))
    settings = ran(0.0).request.settings
    assert paces.expected_s(settings) == pytest.approx(8.0)
    assert paces.expected_s(replace(settings, engine="torch")) == pytest.approx(4.0)
    assert paces.expected_s(replace(settings, device="cpu")) == pytest.approx(2.0)
    assert paces.expected_s(replace(settings, also=("b",))) == pytest.approx(9.0)  # both models
    assert paces.expected_s(replace(settings, also=("c",))) is None


def test_runs_are_averaged_and_remembered(path: Path, ran: Callable[..., Result]) -> None:
    paces = Paces(path)
    paces.learn(ran(12.0))
    paces.learn(ran(8.0))
    assert Paces(path).expected_s(ran(0.0).request.settings) == pytest.approx(10.0)


def test_of_added_readings_only_the_new_ones_count(path: Path, ran: Callable[..., Result]) -> None:
    paces, first = Paces(path), ran(8.0)
    six = replace(first.request, settings=replace(first.request.settings, readings=6), before=first.sampled)
    paces.learn(replace(first, request=six, sampled=replace(first.sampled, seconds=18.0)))  # 10 s for two more
    assert paces.expected_s(first.request.settings) == pytest.approx(20.0)


def one_shot(run: Result, readings: int, seconds: float) -> Result:
    """The same by a model that answers in one step."""
    asked = replace(run.request, settings=replace(run.request.settings, readings=readings))
    sampled = replace(run.sampled, steps=np.array([1]), log_snr=np.array([np.inf]), seconds=seconds)
    return replace(run, request=asked, sampled=sampled)


@pytest.mark.parametrize("steps", [1, 6, 1000])
def test_a_model_of_one_step_takes_no_longer_with_more(path: Path, ran: Callable[..., Result], steps: int) -> None:
    paces, run = Paces(path), one_shot(ran(0.0, options=SamplingOptions(steps=steps)), 4, 4.0)
    paces.learn(run)
    for others in (1, 50):
        settings = replace(run.request.settings, options=SamplingOptions(steps=others, guidance=2.0))
        assert paces.expected_s(settings) == pytest.approx(4.0)


def test_a_run_of_one_step_of_a_model_of_many_tells_what_more_steps_take(
    path: Path, ran: Callable[..., Result]
) -> None:
    paces, run = Paces(path), ran(2.0, options=SamplingOptions(steps=1))
    paces.learn(run)
    settings = replace(run.request.settings, options=SamplingOptions(steps=10))
    assert paces.expected_s(settings) == pytest.approx(20.0)


SECONDS = 0.25  # of each time that a network is asked, in the runs below
IMAGE = torch.linspace(-0.5, 2, 256).view(1, 16, 16)


class Counted(nn.Module):
    """A network that counts for how many readings it is asked."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.asked = network, 0

    def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        self.asked += len(x)
        return self.network(x, t)


def diffusion_seconds(readings: int, options: SamplingOptions) -> float:
    """What a run of a guidable model would take if all its time were its network's; the run is made."""
    unet = named_size("tiny", in_channels=3)
    counted = Counted(nn.Module())
    model = DiffusionSegmenter(DiffusionConfig(unet, guidable=True)).eval()
    counted.network = model.unet
    list(model.computed_by(counted).sample(IMAGE, seeds=range(readings), options=options))
    return SECONDS * counted.asked


@pytest.mark.parametrize("sampler", ["ddim", "ddpm", "dpm++2m"])
def test_a_step_with_guidance_takes_as_long_as_it_asks_the_network(
    path: Path, ran: Callable[..., Result], sampler: str
) -> None:
    learned, guided = (SamplingOptions(steps=3, sampler=sampler, guidance=g) for g in (0.0, 1.5))
    for first, then in ((learned, guided), (guided, learned)):
        paces = Paces(path.with_name(f"{first.guidance}"))
        run = ran(diffusion_seconds(4, first), options=first)
        paces.learn(run)
        settings = replace(run.request.settings, readings=5, options=replace(then, steps=4))
        assert paces.expected_s(settings) == pytest.approx(diffusion_seconds(5, settings.options))


def prob_unet_seconds(readings: int) -> float:
    """The same of a Probabilistic UNet: the image is looked at once for all readings, each of which is decoded."""
    unet = replace(named_size("tiny", in_channels=1), out_channels=0, time_embedding=0)
    model = ProbUNetSegmenter(ProbUNetConfig(unet, LatentConfig(dim=2))).eval()
    asked, features = [], model.features

    def counted(image: torch.Tensor) -> torch.Tensor:
        asked.append(4)
        return features(image)

    model.features = counted
    model.prior_encoder.register_forward_hook(lambda *_: asked.append(1))
    model.combiner.register_forward_hook(lambda _module, arguments, _answer: asked.append(0.5 * len(arguments[0])))
    list(model.sample(IMAGE, seeds=range(readings), options=SamplingOptions()))
    return SECONDS * sum(asked)


def test_what_a_model_of_one_step_does_once_for_all_readings_is_learnt_from_runs_of_several_numbers(
    path: Path, ran: Callable[..., Result]
) -> None:
    paces, run = Paces(path), ran(0.0)
    expected = {readings: prob_unet_seconds(readings) for readings in (1, 4, 12, 40)}
    assert expected[40] < 10 * expected[4]
    paces.learn(one_shot(run, 4, expected[4]))
    settings = run.request.settings
    assert paces.expected_s(replace(settings, readings=40)) == pytest.approx(10 * expected[4])  # it takes no longer
    paces.learn(one_shot(run, 12, expected[12]))
    for readings, seconds in expected.items():
        assert paces.expected_s(replace(settings, readings=readings)) == pytest.approx(seconds)


@pytest.mark.parametrize("seconds", [(4.0, 1.0), (1.0, 9.0)])
def test_noise_makes_more_readings_neither_quicker_nor_slower_than_one_by_one(
    path: Path, ran: Callable[..., Result], seconds: tuple[float, float]
) -> None:
    paces, run = Paces(path), ran(0.0)
    for readings, measured in zip((4, 5), seconds, strict=True):
        paces.learn(one_shot(run, readings, measured))
    few, many = (paces.expected_s(replace(run.request.settings, readings=n)) for n in (4, 40))
    assert few is not None
    assert many is not None
    assert few <= many <= 10 * few * (1 + 1e-9)


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"m on auto, auto": {"seconds": -1}}', '{"m": {"seconds": "NaN"}}'])
def test_a_damaged_file_is_taken_as_empty(path: Path, ran: Callable[..., Result], text: str) -> None:
    path.parent.mkdir()
    path.write_text(text)
    paces = Paces(path)
    assert paces.expected_s(ran(0.0).request.settings) is None
    paces.learn(ran(8.0))
    assert Paces(path).expected_s(ran(0.0).request.settings) == pytest.approx(8.0)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "under 1 s"),
        (3.6, "about 4 s"),
        (23.0, "about 25 s"),
        (59.0, "about 1 min"),
        (200.0, "about 3 min"),
        (9000.0, "about 2 h"),
    ],
)
def test_times_are_told_as_one_says_them(seconds: float, words: str) -> None:
    assert told(seconds) == words

import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from napari_ambiseg.diffusion.sampling import State
from napari_ambiseg.engine.backends import onnx_checks, onnx_networks
from napari_ambiseg.engine.backends.on_onnx import OnnxBackend
from napari_ambiseg.errors import EngineError
from napari_ambiseg.files import cache_folder
from napari_ambiseg.models.checkpoint import Grid, Header, Model
from napari_ambiseg.models.diffusion_segmenter import DiffusionConfig, DiffusionSegmenter
from napari_ambiseg.models.networks import named_network
from napari_ambiseg.models.segmenter import SamplingOptions, Segmenter
from napari_ambiseg.models.unet_config import named_size

ROUNDING = 2e-5  # of x_hat, which is at most 1


def model_of(config: DiffusionConfig, *, size: int = 16) -> Model:
    """A random model that says something, as a network with zero convolutions would not."""
    torch.manual_seed(0)
    segmenter = DiffusionSegmenter(config).eval()
    for parameter in segmenter.parameters():
        if parameter.dim() == 4 and not parameter.any():
            nn.init.normal_(parameter, std=0.05)
    return Model(segmenter, Header(kind="diffusion", config={}, grid=Grid((size, size)), name="random"))


@pytest.fixture
def model() -> Model:
    return model_of(DiffusionConfig(unet=named_size("tiny")))


@pytest.fixture
def image() -> Tensor:
    return torch.rand(1, 16, 16, generator=torch.Generator().manual_seed(3))


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMBISEG_CACHE", str(tmp_path_factory.mktemp("converted")))


def readings(segmenter: Segmenter, image: Tensor, count: int, **options: float) -> Tensor:
    *_, last = segmenter.sample(image, seeds=range(count), options=SamplingOptions(**options))  # type: ignore[arg-type]
    return last.x_hat


def refuse_to_convert(monkeypatch: pytest.MonkeyPatch) -> None:
    def convert(*_: object) -> bytes:
        raise AssertionError("it was converted once more")

    monkeypatch.setattr(onnx_networks, "network_model", convert)


@pytest.mark.parametrize("count", [1, 3, 4])
def test_readings_are_torchs_after_a_whole_trajectory(model: Model, image: Tensor, count: int) -> None:
    ours, theirs = (
        readings(segmenter, image, count) for segmenter in (model.segmenter, OnnxBackend.open(model).segmenter(1))
    )
    assert (ours - theirs).abs().max() <= ROUNDING
    decided = ours.abs() > ROUNDING
    assert torch.equal((ours > 0)[decided], (theirs > 0)[decided])
    assert ours.std() > 0.01  # they say something


def test_more_input_channels_are_no_obstacle(image: Tensor) -> None:
    unet = named_size("tiny", in_channels=4)
    model = model_of(DiffusionConfig(unet=unet, self_conditioning=True, guidable=True))
    converted = OnnxBackend.open(model).segmenter(1)
    ours, theirs = (readings(one, image, 2, guidance=1.5) for one in (model.segmenter, converted))
    assert (ours - theirs).abs().max() <= (1 + 2 * 1.5) * ROUNDING  # of 2.5 times the one and 1.5 times the other


def test_the_crossed_network_is_computed_too(image: Tensor) -> None:
    model = model_of(DiffusionConfig(unet=named_network("prob-unet", "tiny", crossed=True)))
    ours, theirs = (readings(one, image, 2) for one in (model.segmenter, OnnxBackend.open(model).segmenter(1)))
    assert (ours - theirs).abs().max() <= ROUNDING


def test_threads_that_share_a_session_do_not_meet(model: Model, image: Tensor) -> None:
    segmenter = OnnxBackend.open(model).segmenter(1)

    def draw(seed: int) -> Tensor:
        *_, last = segmenter.sample(image, seeds=[seed], options=SamplingOptions())
        return last.x_hat

    alone = [draw(seed) for seed in range(12)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(draw, range(12)))
    assert all(torch.equal(a, b) for a, b in zip(alone, together, strict=True))


def test_the_number_of_threads_changes_nothing_but_rounding(model: Model, image: Tensor) -> None:
    backend = OnnxBackend.open(model)
    one, two = (readings(backend.segmenter(threads), image, 2) for threads in (1, 2))
    assert (one - two).abs().max() <= ROUNDING


def test_a_model_is_converted_once(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    OnnxBackend.open(model)
    refuse_to_convert(monkeypatch)
    OnnxBackend.open(model)
    OnnxBackend.open(model_of(DiffusionConfig(unet=named_size("tiny"))))  # the same weights: from the file


def test_a_cache_that_is_emptied_meanwhile_is_filled_again(model: Model, image: Tensor) -> None:
    OnnxBackend.open(model)
    for path in cache_folder("onnx").iterdir():
        path.unlink()
    theirs = readings(OnnxBackend.open(model).segmenter(1), image, 1)
    assert (readings(model.segmenter, image, 1) - theirs).abs().max() <= ROUNDING


def test_weights_that_change_are_noticed(model: Model, image: Tensor) -> None:
    before = readings(OnnxBackend.open(model).segmenter(1), image, 1)
    with torch.no_grad():
        for parameter in model.segmenter.network.parameters():  # type: ignore[attr-defined]
            parameter.mul_(1.5)
    after = readings(OnnxBackend.open(model).segmenter(1), image, 1)
    assert (after - readings(model.segmenter, image, 1)).abs().max() <= ROUNDING
    assert (after - before).abs().max() > 100 * ROUNDING


def test_a_model_that_asks_its_network_once_is_refused(
    make_model: Callable[..., Model], thresholder: type[Segmenter]
) -> None:
    with pytest.raises(EngineError, match="only once"):
        OnnxBackend.open(make_model(thresholder()))


class Strange:
    """A model with a network of its own."""

    kind: ClassVar[str] = "strange"
    network = nn.Conv2d(2, 1, 3)

    def computed_by(self, network: object) -> "Strange":
        return self

    def sample(self, image: Tensor, *, seeds: Sequence[int], options: SamplingOptions) -> Iterator[State]:
        yield from ()


def test_a_network_that_nobody_knows_is_refused(make_model: Callable[..., Model]) -> None:
    with pytest.raises(EngineError, match="Conv2d"):
        OnnxBackend.open(make_model(Strange()))


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_what_is_not_installed_is_named(model: Model, monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(EngineError, match=rf'{package} is not installed.*pip install "napari-ambiseg\[fast\]"'):
        OnnxBackend.open(model)


def test_a_package_that_breaks_while_it_is_imported_is_an_engines_error(
    model: Model, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "onnxruntime.py").write_text("raise AttributeError('_ARRAY_API not found')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "onnxruntime")
    with pytest.raises(EngineError, match=r"onnxruntime is not installed or broken.*_ARRAY_API"):
        OnnxBackend.open(model)


def test_an_old_runtime_is_refused(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "__version__", "1.9.2")
    with pytest.raises(EngineError, match=r"1\.9\.2 is older than"):
        OnnxBackend.open(model)


def test_a_processor_without_wide_registers_is_left_to_torch(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "NO AVX")
    with pytest.raises(EngineError, match="no AVX2"):
        OnnxBackend.open(model)


def test_a_model_that_differs_is_refused_and_remembered(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_checks, "LARGEST_DIFFERENCE", -1.0)
    with pytest.raises(EngineError, match="differ from torch's by"):
        OnnxBackend.open(model)
    refuse_to_convert(monkeypatch)
    with pytest.raises(EngineError, match="differ from torch's by"):
        OnnxBackend.open(model)


def test_a_failure_of_the_runtime_is_an_engines_error(model: Model) -> None:
    segmenter = OnnxBackend.open(model).segmenter(1)
    with pytest.raises(EngineError, match="ONNX Runtime cannot compute"):
        readings(segmenter, torch.rand(1, 32, 32), 1)  # not the grid that it was converted for


def test_conversion_says_nothing(model: Model, capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        OnnxBackend.open(model).segmenter(1)
    assert capfd.readouterr() == ("", "")


def test_conversion_leaves_torch_as_it_was(model: Model) -> None:
    network = model.segmenter.network  # type: ignore[attr-defined]

    def state() -> tuple[object, ...]:
        weights = [parameter.detach().clone() for parameter in network.parameters()]
        flags = [parameter.requires_grad for parameter in network.parameters()]
        modes = (torch.is_grad_enabled(), torch.get_num_threads(), torch.get_default_dtype(), network.training)
        return (*modes, flags, torch.get_rng_state().tolist(), [weight.tolist() for weight in weights])

    before = state()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(OnnxBackend.open, model).result()
    assert state() == before
    OnnxBackend.open(model).segmenter(1)
    assert state() == before


def test_int8_is_never_chosen_automatically(model: Model) -> None:
    from napari_ambiseg.engine.choice import candidates

    for device in ("cpu", "meta"):
        names = [candidate.name for candidate in candidates(model, torch.device(device), "auto")]
        assert names
        assert not any("int8" in name for name in names)


def test_inputs_in_any_layout_are_understood(model: Model) -> None:
    backend = OnnxBackend.open(model)
    network = backend.segmenter(1)._computed_by  # type: ignore[attr-defined]
    x = torch.randn(3, 2, 16, 16, generator=torch.Generator().manual_seed(0))
    t = torch.tensor([0.1, 0.5, 0.9])
    plain = network(x, t)
    assert torch.equal(network(x.to(memory_format=torch.channels_last), t), plain)
    assert np.allclose(network(x[1:2].expand(2, -1, -1, -1), t[1:2].expand(2)), plain[1:2], atol=1e-5)

"""An ensemble is computed by the engines that compute its members, and reads as they do."""

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from napari_ambiseg.engine.backends.on_onnx import OnnxBackend
from napari_ambiseg.engine.choice import candidates
from napari_ambiseg.engine.runner import sample
from napari_ambiseg.engine.slice_input import SliceInput
from napari_ambiseg.errors import EngineError
from napari_ambiseg.models.checkpoint import Model
from napari_ambiseg.models.diffusion_segmenter import DiffusionSegmenter
from napari_ambiseg.models.ensemble import DiffusionEnsemble, EnsembleConfig, member_models, members_of
from napari_ambiseg.models.segmenter import SamplingOptions

CPU = torch.device("cpu")
SEEDS = (4, 9, 2, 7, 5)
OPTIONS = SamplingOptions(steps=3)


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMBISEG_CACHE", str(tmp_path_factory.mktemp("converted")))


@pytest.fixture
def two(diffusion: Model) -> Model:
    """An ensemble of the tiny model and one with other weights."""
    assert isinstance(diffusion.segmenter, DiffusionSegmenter)
    config = EnsembleConfig((diffusion.segmenter.config,) * 2)
    ensemble = DiffusionEnsemble(config).eval()
    ensemble.members[0].load_state_dict(diffusion.segmenter.state_dict())
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in ensemble.members[1].parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    return Model(ensemble, replace(diffusion.header, kind=ensemble.kind, config=asdict(config)))


@pytest.fixture
def slice_input() -> SliceInput:
    pixels = np.random.default_rng(0).normal(-400, 400, (24, 20)).astype(np.float32)
    return SliceInput(pixels=pixels, spacing_mm=(0.5, 0.5))


def test_each_of_its_engines_computes_every_member(two: Model, diffusion: Model) -> None:
    for engine in ("auto", "torch", "onnx"):
        ours, single = (candidates(model, CPU, engine) for model in (two, diffusion))
        assert [(one.name, one.device, one.largest) for one in ours] == [
            (one.name, one.device, one.largest) for one in single
        ]
        backend = ours[0].open()
        assert (backend.name, backend.device) == (ours[0].name, CPU)


@pytest.mark.parametrize("engine", ["torch", "onnx"])
def test_a_run_draws_each_reading_as_the_member_that_it_asks_would(
    two: Model, slice_input: SliceInput, engine: str
) -> None:
    together = sample(two, slice_input, seeds=SEEDS, options=OPTIONS, device="cpu", engine=engine)
    assert (together.engine, together.notes) == (engine, ())
    alone = [
        sample(member, slice_input, seeds=SEEDS, options=OPTIONS, device="cpu", engine="torch")
        for member in member_models(two)
    ]
    asked = members_of(SEEDS, 2)
    assert set(asked) == {0, 1}
    for place, number in enumerate(asked):
        np.testing.assert_allclose(together.x_hat[:, place], alone[number].x_hat[:, place], atol=1e-4)
        np.testing.assert_allclose(together.x_t[:, place], alone[number].x_t[:, place], atol=1e-3)


def test_if_one_member_cannot_be_computed_by_an_engine_the_next_takes_over_for_all(
    two: Model, slice_input: SliceInput, monkeypatch: pytest.MonkeyPatch
) -> None:
    second, opened = member_models(two)[1].segmenter, OnnxBackend.open

    def refuse(model: Model, *, int8: bool = False) -> OnnxBackend:
        if model.segmenter is second:
            raise EngineError("no such layer")
        return opened(model, int8=int8)

    monkeypatch.setattr(OnnxBackend, "open", refuse)
    drawn = sample(two, slice_input, seeds=SEEDS, options=OPTIONS, device="cpu", engine="onnx")
    assert drawn.engine == "torch"
    assert drawn.notes == ("The engine onnx failed (no such layer), so torch on cpu took over.",)

import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import onnx
import pytest
import torch
from torch import Tensor

from napari_ambiseg.diffusion.sampling import State
from napari_ambiseg.engine import load_model
from napari_ambiseg.engine.backends import onnx_cache, onnx_checks
from napari_ambiseg.engine.backends.on_onnx import OnnxBackend
from napari_ambiseg.engine.backends.onnx_checks import require_same_readings
from napari_ambiseg.engine.backends.onnx_packed import unpacked
from napari_ambiseg.errors import EngineError
from napari_ambiseg.models.checkpoint import Grid, Header, Model
from napari_ambiseg.models.segmenter import SamplingOptions


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMBISEG_CACHE", str(tmp_path))


class Drawn:
    """A model whose readings are given."""

    def __init__(self, masks: Tensor) -> None:
        self.masks = masks

    def sample(self, image: Tensor, *, seeds: object, options: SamplingOptions) -> Iterator[State]:
        x_hat = 2.0 * self.masks[:, None] - 1.0
        yield State(step=1, total=1, log_snr=0.0, x_t=x_hat, x_hat=x_hat)


def test_readings_are_judged_by_pairs_of_one_seed() -> None:
    exact = torch.zeros(2, 4, 4)
    exact[0, :2], exact[1, 2:] = 1, 1  # 8 pixels each
    moved = exact.clone()
    moved[1, 3, :2] = 0  # 6 of the 8
    with pytest.raises(EngineError, match=r"IoU of 0\.875 .*worst 0\.75"):
        require_same_readings(Drawn(exact), Drawn(moved), [torch.zeros(1, 4, 4)])  # type: ignore[arg-type]


def test_readings_that_change_places_are_not_kept() -> None:
    exact = torch.zeros(2, 4, 4)
    exact[0, :2], exact[1, 2:] = 1, 1
    with pytest.raises(EngineError, match=r"IoU of 0\.000"):
        require_same_readings(Drawn(exact), Drawn(exact.flip(0)), [torch.zeros(1, 4, 4)])  # type: ignore[arg-type]


def test_int8_is_refused_where_readings_change(
    diffusion: Model, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(onnx_checks, "SMALLEST_IOU", 1.01)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(EngineError, match=r"keep an IoU of \d\.\d+ .*worst .* use the engine onnx"):
            OnnxBackend.open(diffusion, int8=True)
    assert capfd.readouterr() == ("", "")
    assert onnx_cache.entry(diffusion, precision="float32").find()  # it was made on the way, and stays


def test_a_field_of_view_beyond_the_bundled_slices_is_refused(diffusion: Model) -> None:
    wide = Model(diffusion.segmenter, Header(kind="test", config={}, grid=Grid((16, 16), (9.0, 9.0))))
    with pytest.raises(EngineError, match="field of view"):
        OnnxBackend.open(wide, int8=True)


def test_the_bundled_model_computes_in_int8_if_a_lower_likeness_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_model("lidc-small-64")
    with pytest.raises(EngineError, match=r"keep an IoU of 0\.9\d+ "):  # less than 0.98
        OnnxBackend.open(model, int8=True)
    monkeypatch.setattr(onnx_checks, "SMALLEST_IOU", 0.9)
    onnx_cache.entry(model, precision="int8").record.unlink()  # what was found is remembered
    backend = OnnxBackend.open(model, int8=True)
    assert backend.name == "onnx-int8"
    files = {one: onnx_cache.entry(model, precision=one).file for one in ("int8", "float32")}
    graph = onnx.load_from_string(unpacked(files["int8"]).graph).graph
    kinds = Counter(node.op_type for node in graph.node)
    assert kinds["QLinearConv"] > 30
    assert files["int8"].stat().st_size < 0.5 * files["float32"].stat().st_size

"""Machines and packages that are not as one would wish: each time a whole run, its readings, and what it says."""

import copy
import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_ambiseg.engine import GreyScale, Sampled, SamplingOptions, SliceInput, busy, drawing, runner, sample
from napari_ambiseg.engine.backends.on_torch import TorchBackend
from napari_ambiseg.engine.choice import Candidate, candidates
from napari_ambiseg.models.checkpoint import Model
from napari_ambiseg.models.segmenter import IteratedSegmenter

CPU = torch.device("cpu")
PIXELS = np.random.default_rng(0).random((16, 16), np.float32)
SEEDS = range(7)

PROGRAM = """
import os, sys
model, target, *words = sys.argv[1:]
if words:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
import numpy as np
from napari_ambiseg.engine import GreyScale, SamplingOptions, SliceInput, load_model, sample
given = SliceInput(np.random.default_rng(0).random((16, 16), np.float32), (0.5, 0.5), GreyScale.NORMALISED)
found = sample(load_model(model), given, seeds=range(7), options=SamplingOptions(steps=3))
np.save(target, found.x_hat[-1])
print(found.engine, *found.notes, sep="\\n")
"""
"""Draws what ``drawn`` draws; with one more word on one processor."""


def drawn(model: Model, engine: str) -> Sampled:
    given = SliceInput(PIXELS, (0.5, 0.5), GreyScale.NORMALISED)
    return sample(model, given, seeds=SEEDS, options=SamplingOptions(steps=3), device="cpu", engine=engine)


@pytest.fixture(scope="session")
def expected(diffusion: Model) -> NDArray[np.float32]:
    """What the plain network estimates in the end, one reading at a time."""
    image, options = torch.from_numpy(PIXELS)[None], SamplingOptions(steps=3)
    with torch.no_grad():
        lasts = [list(diffusion.segmenter.sample(image, seeds=[seed], options=options))[-1] for seed in SEEDS]
    return np.concatenate([last.x_hat[:, 0].numpy() for last in lasts])


def assert_same(found: NDArray[np.float32], expected: NDArray[np.float32]) -> None:
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert expected.std() > 0.01  # they say something


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMBISEG_CACHE", str(tmp_path / "cache"))


def in_a_process(model: Path, folder: Path, *words: str, **environment: str) -> tuple[list[str], NDArray[np.float32]]:
    """The engine and the notes of a run in a process of its own, and its estimates."""
    usual = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(model), str(folder / "found.npy"), *words],
        env={**usual, **environment},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return ended.stdout.splitlines(), np.load(folder / "found.npy")


def test_a_processor_without_avx_has_the_same_readings_from_torch(
    checkpoint: Path, tmp_path: Path, expected: NDArray[np.float32]
) -> None:
    pytest.importorskip("onnxruntime")
    old = {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2"}
    (engine, *notes), found = in_a_process(checkpoint, tmp_path, **old)
    assert_same(found, expected)
    assert engine == "torch"
    assert any("this processor has no AVX2" in note and "torch on cpu took over" in note for note in notes)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not choose processors")
def test_one_processor_has_the_same_readings_and_nothing_to_complain_of(
    checkpoint: Path, tmp_path: Path, expected: NDArray[np.float32]
) -> None:
    (_, *notes), found = in_a_process(checkpoint, tmp_path, "one")
    assert_same(found, expected)
    assert not notes


@pytest.fixture
def _two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("_two_threads")
@pytest.mark.parametrize("engine", ["torch", "auto"])
def test_on_a_busy_machine_workers_do_not_share_a_reading_and_the_run_says_why(
    diffusion: Model, expected: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    monkeypatch.setattr(drawing, "SMALL_PX", 0)  # on a grid as small as the test's nobody would try
    monkeypatch.setattr(busy, "_seconds", lambda x, *, threads: 9.0 if threads > 1 else 1.0)
    found = drawn(diffusion, engine)
    assert_same(found.x_hat[-1], expected)
    assert found.notes == (
        "Several threads were no quicker than one just now; is the computer busy with other programs?",
    )


@pytest.mark.usefixtures("_two_threads")
def test_on_a_small_grid_no_time_is_lost_on_trying_threads(
    diffusion: Model, expected: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing, "threads_help", lambda threads: pytest.fail("tried"))
    found = drawn(diffusion, "torch")
    assert_same(found.x_hat[-1], expected)
    assert found.notes == ()


def test_when_a_gpu_vanishes_during_a_run_the_processor_finishes_it(
    diffusion: Model, expected: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    segmenter, calls = diffusion.segmenter, itertools.count(1)
    assert isinstance(segmenter, IteratedSegmenter)

    def lost(x: Tensor, t: Tensor) -> Tensor:
        if next(calls) > 4:  # three steps of the first chunk, one of the second; whatever is asked later fails, too
            raise RuntimeError("CUDA error: unspecified launch failure\nCUDA kernel errors might be asynchronous")
        return segmenter.network(x, t)

    gpu = Candidate("cuda-graphs", CPU, 3, lambda: TorchBackend(segmenter.computed_by(lost), CPU))
    monkeypatch.setattr(runner, "candidates", lambda *asked: (gpu, *candidates(*asked)))
    found = drawn(diffusion, "torch")
    assert_same(found.x_hat[-1], expected)
    assert found.engine == "torch"
    assert found.notes[-1] == "The engine cuda-graphs failed (the device is gone), so torch on cpu took over."


def test_a_gpu_that_is_not_there_is_done_without(diffusion: Model, expected: NDArray[np.float32]) -> None:
    found = drawn(diffusion, "cuda-graphs")
    assert_same(found.x_hat[-1], expected)
    assert "need a GPU with CUDA" in found.notes[0]


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_without_the_extra_torch_draws_and_only_who_asked_for_it_is_told(
    diffusion: Model, expected: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    model = replace(diffusion, segmenter=copy.deepcopy(diffusion.segmenter))  # of which nothing is open yet
    asked, unasked = drawn(model, "onnx"), drawn(model, "auto")
    for found in (asked, unasked):
        assert_same(found.x_hat[-1], expected)
        assert found.engine == "torch"
    assert any('pip install "napari-ambiseg[fast]"' in note for note in asked.notes)
    assert not any("ambiseg" in note for note in unasked.notes)


def test_an_old_onnx_runtime_gives_way_to_torch(
    diffusion: Model, expected: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pytest.importorskip("onnxruntime"), "__version__", "1.9.2")
    found = drawn(diffusion, "auto")
    assert_same(found.x_hat[-1], expected)
    assert "ONNX Runtime 1.9.2 is older than" in found.notes[0]


def test_an_onnx_runtime_that_fails_during_a_run_gives_way_to_torch(
    diffusion: Model, expected: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime")
    from napari_ambiseg.engine.backends.on_onnx import OnnxBackend
    from napari_ambiseg.engine.backends.onnx_runtime import Session

    OnnxBackend.open(diffusion)  # converts and checks, with calls of its own
    compute, calls = Session.run, itertools.count(1)

    def failing(self: Session, inputs: dict[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        if next(calls) > 4:
            raise ValueError("an operator that this version has not")
        return compute(self, inputs)

    monkeypatch.setattr(Session, "run", failing)
    found = drawn(diffusion, "auto")
    assert_same(found.x_hat[-1], expected)
    assert found.engine == "torch"
    assert "ONNX Runtime cannot compute this model here (an operator that this version has not)" in found.notes[-1]

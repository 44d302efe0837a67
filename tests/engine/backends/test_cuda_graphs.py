"""Graphs by size: what is kept, what is padded, and that no answer is lost; on a GPU also that they are right."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor

from napari_ambiseg.devices import is_out_of_memory
from napari_ambiseg.engine.backends.cuda_graphs import CudaGraphBackend, GraphedNetwork, Replay, capture_on_gpu
from napari_ambiseg.errors import EngineError
from napari_ambiseg.models.checkpoint import Model
from napari_ambiseg.models.segmenter import IteratedSegmenter, Network, SamplingOptions, Segmenter
from napari_ambiseg.models.unet import UNet
from napari_ambiseg.models.unet_config import named_size

CPU = torch.device("cpu")
on_a_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU with CUDA")


class Recorder:
    """Records as CUDA does, on any device: a replay reads the same tensors, and writes the same one."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def __call__(self, network: Network, x: Tensor, t: Tensor) -> Replay:
        self.shapes.append(tuple(x.shape))
        answer = torch.full_like(network(x, t), torch.nan)
        return lambda: answer.copy_(network(x, t))


def scaled_by_time(x: Tensor, t: Tensor) -> Tensor:
    """A network whose answers are known."""
    return x[:, :1] * t[:, None, None, None]


def inputs(batch: int, size: int = 4, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, 2, size, size, generator=generator), torch.rand(batch, generator=generator)


@torch.no_grad()
def estimates(segmenter: Segmenter, device: torch.device, *, seeds: Sequence[int]) -> list[Tensor]:
    """A model's estimates of every step, on the CPU."""
    image = torch.rand(1, 16, 16, generator=torch.Generator().manual_seed(0)).to(device)
    return [state.x_hat.cpu() for state in segmenter.sample(image, seeds=seeds, options=SamplingOptions(steps=3))]


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def graphed(recorder: Recorder) -> GraphedNetwork:
    return GraphedNetwork(scaled_by_time, recorder)


def test_a_size_is_recorded_once_and_answers_what_it_is_asked_each_time(
    graphed: GraphedNetwork, recorder: Recorder
) -> None:
    for seed in range(3):
        x, t = inputs(4, seed=seed)
        torch.testing.assert_close(graphed(x, t), scaled_by_time(x, t), rtol=0, atol=0)
    assert recorder.shapes == [(4, 2, 4, 4)]


def test_an_answer_is_not_changed_by_the_next_call(graphed: GraphedNetwork) -> None:
    x, t = inputs(4)
    answer = graphed(x, t)
    graphed(*inputs(4, seed=1))
    torch.testing.assert_close(answer, scaled_by_time(x, t), rtol=0, atol=0)


def test_the_callers_input_is_left_alone(graphed: GraphedNetwork) -> None:
    (x, t), (same_x, same_t) = inputs(4), inputs(4)
    graphed(x, t)
    assert torch.equal(x, same_x)
    assert torch.equal(t, same_t)


def test_a_smaller_chunk_is_padded_up_to_a_size_that_is_recorded(graphed: GraphedNetwork, recorder: Recorder) -> None:
    graphed(*inputs(4))
    for batch in (3, 2):
        x, t = inputs(batch, seed=batch)
        answer = graphed(x, t)
        assert answer.shape == (batch, 1, 4, 4)
        torch.testing.assert_close(answer, scaled_by_time(x, t), rtol=0, atol=0)
    assert recorder.shapes == [(4, 2, 4, 4)]


def test_a_much_smaller_chunk_gets_a_graph_of_its_own(graphed: GraphedNetwork, recorder: Recorder) -> None:
    graphed(*inputs(16))
    graphed(*inputs(1))
    assert [shape[0] for shape in recorder.shapes] == [16, 1]


def test_the_smallest_graph_that_fits_is_taken(recorder: Recorder) -> None:
    replayed: list[int] = []

    def telling(x: Tensor, t: Tensor) -> Tensor:
        replayed.append(len(x))
        return scaled_by_time(x, t)

    graphed = GraphedNetwork(telling, recorder)
    for batch in (4, 6, 3):
        graphed(*inputs(batch))
    assert replayed[-1] == 4


def test_other_heights_and_widths_have_graphs_of_their_own(graphed: GraphedNetwork, recorder: Recorder) -> None:
    for size in (4, 8, 4, 8):
        x, t = inputs(2, size, seed=size)
        torch.testing.assert_close(graphed(x, t), scaled_by_time(x, t), rtol=0, atol=0)
    assert recorder.shapes == [(2, 2, 4, 4), (2, 2, 8, 8)]


def test_the_graph_unused_for_longest_makes_room(graphed: GraphedNetwork, recorder: Recorder) -> None:
    for size in (2, 4, 6, 8, 2, 10):  # 10 is one too many; 2 was used again, so 4 goes
        graphed(*inputs(1, size))
    recorder.shapes.clear()
    for size in (2, 6, 8, 10):
        graphed(*inputs(1, size))
    assert recorder.shapes == []
    graphed(*inputs(1, 4))
    assert recorder.shapes == [(1, 2, 4, 4)]


def test_threads_that_share_a_graph_get_their_own_answers(graphed: GraphedNetwork) -> None:
    asked = [inputs(4, seed=seed) for seed in range(64)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda one: graphed(*one), asked))
    for (x, t), answer in zip(asked, answers, strict=True):
        torch.testing.assert_close(answer, scaled_by_time(x, t), rtol=0, atol=0)


def test_a_network_that_cannot_be_recorded_is_an_engine_that_cannot_compute_it() -> None:
    def refuses(network: Network, x: Tensor, t: Tensor) -> Replay:
        raise RuntimeError("operation not permitted when stream is capturing\nCUDA kernel errors might be ...")

    with pytest.raises(EngineError) as failed:
        GraphedNetwork(scaled_by_time, refuses)(*inputs(1))
    assert str(failed.value) == (
        "the model cannot be recorded as a CUDA graph (operation not permitted when stream is capturing); "
        "use the engine torch"
    )


def test_memory_that_runs_out_while_recording_stays_what_it_is() -> None:
    def greedy(network: Network, x: Tensor, t: Tensor) -> Replay:
        if len(x) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return lambda: network(x, t)

    graphed = GraphedNetwork(scaled_by_time, greedy)
    with pytest.raises(RuntimeError) as failed:
        graphed(*inputs(4))
    assert is_out_of_memory(failed.value)
    x, t = inputs(2)
    torch.testing.assert_close(graphed(x, t), scaled_by_time(x, t), rtol=0, atol=0)  # half of it is recorded


def test_readings_of_a_graphed_network_are_the_models_own(diffusion: Model, recorder: Recorder) -> None:
    segmenter = diffusion.segmenter
    assert isinstance(segmenter, IteratedSegmenter)
    graphed = segmenter.computed_by(GraphedNetwork(segmenter.network, recorder))
    for seeds in ((1, 2, 3, 4), (5, 6, 7)):
        expected = estimates(segmenter, CPU, seeds=seeds)
        torch.testing.assert_close(estimates(graphed, CPU, seeds=seeds), expected, rtol=0, atol=2e-5)
    assert recorder.shapes == [(4, 2, 16, 16)]


def test_a_device_without_cuda_is_refused(diffusion: Model) -> None:
    with pytest.raises(EngineError, match="need a GPU with CUDA, not the device 'cpu'; use the engine torch"):
        CudaGraphBackend.open(diffusion, CPU)


def gpu_network() -> UNet:
    torch.manual_seed(0)
    network = UNet(named_size("small")).eval()
    for parameter in network.parameters():
        if parameter.dim() == 4 and not parameter.any():
            torch.nn.init.normal_(parameter, std=0.05)
    return network.cuda().requires_grad_(False)


@on_a_gpu
@pytest.mark.parametrize("size", [32, 64])
def test_on_a_gpu_graphs_answer_what_eager_answers_on_the_processor(size: int) -> None:
    network = gpu_network()
    graphed = GraphedNetwork(network, capture_on_gpu)
    x, t = inputs(4, size)
    expected = gpu_network().cpu()(x, t)
    for batch in (4, 3, 4, 1):
        answer = graphed(x[:batch].cuda(), t[:batch].cuda())
        torch.testing.assert_close(answer.cpu(), expected[:batch], rtol=0, atol=2e-5)


@on_a_gpu
def test_on_a_gpu_an_answer_is_not_changed_by_the_next_call_nor_by_another_size() -> None:
    graphed = GraphedNetwork(gpu_network(), capture_on_gpu)
    first = graphed(*(tensor.cuda() for tensor in inputs(2, 32)))
    kept = first.clone()
    for size in (32, 64, 32):
        graphed(*(tensor.cuda() for tensor in inputs(2, size, seed=size + 1)))
    torch.testing.assert_close(first, kept, rtol=0, atol=0)


@on_a_gpu
def test_on_a_gpu_what_waits_for_the_device_cannot_be_recorded_and_leaves_it_usable() -> None:
    def waits(x: Tensor, t: Tensor) -> Tensor:
        return x * float(x.sum())

    x, t = (tensor.cuda() for tensor in inputs(2))
    with pytest.raises(EngineError, match="cannot be recorded as a CUDA graph"):
        GraphedNetwork(waits, capture_on_gpu)(x, t)
    torch.testing.assert_close(GraphedNetwork(scaled_by_time, capture_on_gpu)(x, t), scaled_by_time(x, t))


@on_a_gpu
def test_on_a_gpu_the_backend_draws_the_models_readings(diffusion: Model) -> None:
    expected = estimates(diffusion.segmenter, CPU, seeds=(1, 2, 3))
    for _ in range(2):
        backend = CudaGraphBackend.open(diffusion, torch.device("cuda"))
        found = estimates(backend.segmenter(1), backend.device, seeds=(1, 2, 3))
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)  # three steps add their rounding up

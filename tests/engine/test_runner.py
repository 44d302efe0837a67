import threading
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from napari_ambiseg.engine import (
    GreyScale,
    SamplingOptions,
    SliceInput,
    lockstep,
    reading_seeds,
    run,
    runner,
    sample,
)
from napari_ambiseg.errors import ComputeError, InputImageError, SettingsError
from napari_ambiseg.models.checkpoint import Model

MakeModel = Callable[..., Model]
THREE_STEPS = SamplingOptions(steps=3)


def slice_of(size: int = 40, spacing: float = 0.5) -> SliceInput:
    pixels = np.random.default_rng(0).uniform(-1000, 300, (size, size))
    return SliceInput(pixels, (spacing, spacing))


def raising(error: Exception, *, at: int) -> Callable[[int, Tensor], Tensor]:
    def hook(step: int, x_hat: Tensor) -> Tensor:
        if step == at:
            raise error
        return x_hat

    return hook


def test_readings_are_what_the_model_answered_in_its_place_on_the_slice(
    make_model: MakeModel, thresholder: type
) -> None:
    image = np.random.default_rng(1).uniform(0, 1, (40, 50)).astype(np.float32)
    given = SliceInput(image, (0.5, 0.5), GreyScale.NORMALISED, centre_px=(10, 30))
    sampled = sample(make_model(thresholder()), given, seeds=(5, 6), options=THREE_STEPS)
    expected = np.zeros((2, 40, 50), bool)
    expected[:, 2:18, 22:38] = image[2:18, 22:38] > 0.5
    np.testing.assert_array_equal(sampled.readings, expected)


def test_padding_is_clipped_before_it_can_darken_its_neighbours(make_model: MakeModel, thresholder: type) -> None:
    hu = np.full((32, 32), 100, np.int16)
    hu[:, 16:] = -3024
    given = SliceInput(hu, (0.25, 0.25))  # two slice pixels to a grid pixel, so that resampling mixes both sides
    sampled = sample(make_model(thresholder()), given, seeds=(0,), options=THREE_STEPS)
    assert sampled.grey is GreyScale.HU
    assert sampled.readings[0, :, :16].all()  # means of raw values would make column 15 darker than one half
    assert not sampled.readings[0, :, 16:].any()


def test_four_readings_are_the_first_four_of_sixteen(diffusion: Model) -> None:
    four = sample(diffusion, slice_of(), seeds=reading_seeds(3, 4), options=THREE_STEPS)
    sixteen = sample(diffusion, slice_of(), seeds=reading_seeds(3, 16), options=THREE_STEPS)
    np.testing.assert_allclose(four.x_hat, sixteen.x_hat[:, :4], atol=1e-5)
    assert np.ptp(sixteen.x_t[0], axis=0).max() > 1e-3  # the sixteen are not all alike


@pytest.mark.parametrize("sampler", ["ddim", "ddpm"])
@pytest.mark.parametrize(("chunk", "threads"), [(1, 1), (3, 1), (16, 1), (2, 2)])
def test_neither_chunks_nor_threads_change_a_reading(
    diffusion: Model, monkeypatch: pytest.MonkeyPatch, sampler: str, chunk: int, threads: int
) -> None:
    options = SamplingOptions(steps=3, sampler=sampler)
    monkeypatch.setattr(lockstep, "CPU_CHUNK", 7)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    expected = sample(diffusion, slice_of(), seeds=range(7), options=options)
    monkeypatch.setattr(lockstep, "CPU_CHUNK", chunk)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
    found = sample(diffusion, slice_of(), seeds=range(7), options=options)
    np.testing.assert_allclose(found.x_t, expected.x_t, atol=1e-5)


def test_with_several_threads_chunks_are_computed_side_by_side(
    make_model: MakeModel, thresholder: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = threading.Barrier(2, timeout=20)  # breaks unless two chunks are inside a step at the same time

    def hook(step: int, x_hat: Tensor) -> Tensor:
        together.wait()
        return x_hat

    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
    sampled = sample(make_model(thresholder(hook)), slice_of(), seeds=(0, 1), options=THREE_STEPS)
    assert len(sampled.readings) == 2


def test_every_step_is_a_frame_of_all_readings_and_all_frames_are_kept(diffusion: Model) -> None:
    running = run(diffusion, slice_of(), seeds=range(5), options=THREE_STEPS)
    frames = [next(running) for _ in range(3)]
    with pytest.raises(StopIteration) as finished:
        next(running)
    sampled = finished.value.value
    assert [(f.step, f.total, f.x_t.shape, f.x_hat.dtype) for f in frames] == [
        (i, 3, (5, 16, 16), np.float32) for i in (1, 2, 3)
    ]
    np.testing.assert_array_equal(sampled.x_t, [f.x_t for f in frames])
    np.testing.assert_array_equal(sampled.x_hat, [f.x_hat for f in frames])
    np.testing.assert_array_equal(sampled.x_t[-1], sampled.x_hat[-1])
    assert list(sampled.steps) == [1, 2, 3]
    assert (np.diff(sampled.log_snr) > 0).all()


def test_a_long_run_keeps_evenly_spaced_frames_and_the_last(make_model: MakeModel, thresholder: type) -> None:
    options = SamplingOptions(steps=250)
    sampled = sample(make_model(thresholder()), slice_of(), seeds=(0,), options=options)
    assert sampled.steps[-1] == 250
    assert set(np.diff(sampled.steps)) == {3}
    assert len(sampled.steps) == len(sampled.x_t) == len(sampled.log_snr) == 84


@pytest.mark.parametrize("threads", [1, 2])
def test_between_frames_the_caller_has_gradients_and_threads_as_before(diffusion: Model, threads: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for _ in run(diffusion, slice_of(), seeds=range(3), options=THREE_STEPS):
            assert torch.is_grad_enabled()
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_no_gradients_are_kept_even_for_a_model_that_does_not_switch_them_off(
    make_model: MakeModel, thresholder: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: list[bool] = []

    def hook(step: int, x_hat: Tensor) -> Tensor:
        modes.append(torch.is_grad_enabled())
        return x_hat

    for threads in (1, 2):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
        sample(make_model(thresholder(hook)), slice_of(), seeds=(0, 1), options=THREE_STEPS)
    assert modes == [False] * 9  # one chunk of two, then two chunks of one, three steps each


def test_a_run_that_is_closed_computes_no_further_step(make_model: MakeModel, thresholder: type) -> None:
    done: list[int] = []

    def hook(step: int, x_hat: Tensor) -> Tensor:
        done.append(step)
        return x_hat

    running = run(make_model(thresholder(hook)), slice_of(), seeds=(0,), options=SamplingOptions(steps=50))
    next(running)
    next(running)
    running.close()
    assert done == [1, 2]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"), "memory ran out"),
        (torch.OutOfMemoryError("CUDA out of memory."), "ask for fewer readings"),
        (MemoryError(), "ask for fewer readings"),
        (RuntimeError("mat1 and mat2\nshapes"), r"torch could not finish the run \(mat1 and mat2\)"),
    ],
)
def test_a_failing_machine_is_a_compute_error_after_the_frames_before_it(
    make_model: MakeModel, thresholder: type, error: Exception, words: str
) -> None:
    running = run(make_model(thresholder(raising(error, at=2))), slice_of(), seeds=range(9), options=THREE_STEPS)
    assert next(running).step == 1
    with pytest.raises(ComputeError, match=words):
        next(running)


def test_a_model_that_answers_nan_is_refused_instead_of_giving_empty_readings(
    make_model: MakeModel, thresholder: type
) -> None:
    broken = make_model(thresholder(lambda step, x_hat: x_hat / 0 * 0))
    with pytest.raises(ComputeError, match="NaN at step 1"):
        sample(broken, slice_of(), seeds=(0,), options=THREE_STEPS)


def test_bad_slices_seeds_and_devices_are_refused(diffusion: Model) -> None:
    with pytest.raises(InputImageError, match="smaller than the model's field of view"):
        sample(diffusion, slice_of(10), seeds=(0,))
    with pytest.raises(SettingsError, match="at least 1"):
        sample(diffusion, slice_of(), seeds=())
    with pytest.raises(SettingsError, match="abacus"):
        sample(diffusion, slice_of(), seeds=(0,), device="abacus")


def test_a_model_that_could_not_be_moved_still_runs_where_it_was(
    diffusion: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    expected = sample(diffusion, slice_of(), seeds=(0,), options=THREE_STEPS)
    assert isinstance(diffusion.segmenter, torch.nn.Module)
    *_, last = diffusion.segmenter.modules()
    with monkeypatch.context() as broken:
        broken.setattr(runner, "resolve_device", torch.device)
        broken.setattr(last, "_apply", fail)  # by then the other parts have been moved
        with pytest.raises(ComputeError, match="memory ran out"):
            sample(diffusion, slice_of(), seeds=(0,), options=THREE_STEPS, device="meta")
    found = sample(diffusion, slice_of(), seeds=(0,), options=THREE_STEPS)
    np.testing.assert_array_equal(found.x_hat, expected.x_hat)


def test_seeds_of_readings_are_all_different_and_begin_alike_whatever_their_number() -> None:
    drawn = [reading_seeds(seed, 50) for seed in range(20)]
    assert len({seed for seeds in drawn for seed in seeds}) == 1000
    assert reading_seeds(7, 4) == drawn[7][:4]
    assert all(0 <= seed < 2**63 for seed in drawn[0])


@pytest.mark.parametrize(("seed", "count"), [(-1, 4), (0, 0), (0, -3)])
def test_impossible_seeds_and_counts_are_refused(seed: int, count: int) -> None:
    with pytest.raises(SettingsError, match="give"):
        reading_seeds(seed, count)

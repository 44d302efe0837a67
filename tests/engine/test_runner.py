import time
from collections.abc import Callable, Generator

import numpy as np
import pytest
import torch
from torch import Tensor

from napari_ambiseg.engine import (
    Advance,
    GreyScale,
    Sampled,
    SamplingOptions,
    SliceInput,
    drawing,
    reading_seeds,
    run,
    sample,
)
from napari_ambiseg.engine import sampled as sampled_module
from napari_ambiseg.errors import ComputeError, InputImageError, SettingsError
from napari_ambiseg.models.checkpoint import Model

MakeModel = Callable[..., Model]
THREE_STEPS = SamplingOptions(steps=3)


def slice_of(size: int = 40, spacing: float = 0.5) -> SliceInput:
    pixels = np.random.default_rng(0).uniform(-1000, 300, (size, size))
    return SliceInput(pixels, (spacing, spacing))


def ended(running: Generator[Advance, None, Sampled], told: list[Advance]) -> Sampled:
    """What a run answers; what it tells before is added to ``told``."""
    while True:
        try:
            told.append(next(running))
        except StopIteration as finished:
            return finished.value


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


def test_a_stretched_field_of_view_is_read_whole(make_model: MakeModel, thresholder: type) -> None:
    image = np.zeros((40, 50), np.float32)
    image[:, 30:] = 1.0
    given = SliceInput(image, (0.5, 0.5), GreyScale.NORMALISED, centre_px=(19.5, 29.5), extent_mm=(16.0, 16.0))
    sampled = sample(make_model(thresholder()), given, seeds=(5,), options=THREE_STEPS)  # the model's own is 8 x 8 mm
    assert sampled.placement.bounds_px == ((3.5, 35.5), (13.5, 45.5))
    expected = np.zeros((40, 50), bool)
    expected[4:36, 30:46] = True
    np.testing.assert_array_equal(sampled.readings[0], expected)


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
@pytest.mark.parametrize(("chunk", "threads"), [(1, 1), (3, 1), (None, 2), (2, 2)])
def test_neither_chunks_nor_threads_change_a_reading(
    diffusion: Model, monkeypatch: pytest.MonkeyPatch, sampler: str, chunk: int | None, threads: int
) -> None:
    options = SamplingOptions(steps=3, sampler=sampler)
    pixels = torch.from_numpy(np.random.default_rng(4).uniform(0, 1, (1, 16, 16)).astype(np.float32))
    seeds = reading_seeds(1, 7)
    one_by_one = [list(diffusion.segmenter.sample(pixels, seeds=[seed], options=options)) for seed in seeds]
    expected = np.array([[state.x_t[0, 0].detach().numpy() for state in states] for states in one_by_one])
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    given = SliceInput(pixels[0].numpy(), (0.5, 0.5), GreyScale.NORMALISED)
    found = sample(diffusion, given, seeds=seeds, options=options, chunk=chunk, engine="torch")
    assert 1 <= found.chunk <= (chunk or len(seeds))
    np.testing.assert_allclose(found.x_t, expected.swapaxes(0, 1), atol=1e-5)


def test_each_step_of_some_readings_is_told_and_all_are_kept(diffusion: Model) -> None:
    running = run(diffusion, slice_of(), seeds=range(5), options=THREE_STEPS, engine="torch")
    told: list[Advance] = []
    sampled = ended(running, told)
    assert sum(len(one.readings) for one in told) == 5 * 3
    for one in told:
        chosen = slice(one.readings.start, one.readings.stop)
        assert one.total == 3
        np.testing.assert_array_equal(sampled.x_t[one.step - 1, chosen], one.x_t)
        np.testing.assert_array_equal(sampled.x_hat[one.step - 1, chosen], one.x_hat)
    np.testing.assert_array_equal(sampled.x_t[-1], sampled.x_hat[-1])
    assert list(sampled.steps) == [1, 2, 3]
    assert (np.diff(sampled.log_snr) > 0).all()


def test_the_first_reading_is_finished_before_the_others_begin(
    diffusion: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing, "SMALL_PX", 0)
    monkeypatch.setattr(drawing, "threads_help", lambda threads: True)
    told = list(run(diffusion, slice_of(), seeds=range(9), options=THREE_STEPS))
    assert [one.readings for one in told[:3]] == [range(1)] * 3
    assert told[2].step == told[2].total


def test_a_long_run_keeps_evenly_spaced_frames_and_the_last(make_model: MakeModel, thresholder: type) -> None:
    options = SamplingOptions(steps=250)
    sampled = sample(make_model(thresholder()), slice_of(), seeds=(0,), options=options)
    assert sampled.steps[-1] == 250
    assert set(np.diff(sampled.steps)) == {3}
    assert len(sampled.steps) == len(sampled.x_t) == len(sampled.log_snr) == 84


@pytest.mark.parametrize("count", [1, 4, 64])
def test_what_is_kept_is_bounded_however_many_readings_there_are(
    make_model: MakeModel, thresholder: type, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    frame_bytes = 2 * 4 * 16 * 16
    monkeypatch.setattr(sampled_module, "KEPT_BYTES", 64 * frame_bytes)
    sampled = sample(make_model(thresholder()), slice_of(), seeds=range(count), options=SamplingOptions(steps=50))
    assert sampled.x_t.nbytes + sampled.x_hat.nbytes <= 64 * frame_bytes
    assert sampled.steps[-1] == 50
    np.testing.assert_array_equal(sampled.log_snr, sampled.steps)


@pytest.mark.parametrize("threads", [1, 2])
def test_between_frames_the_caller_has_gradients_and_threads_as_before(diffusion: Model, threads: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for _ in run(diffusion, slice_of(), seeds=range(3), options=THREE_STEPS, engine="torch"):
            assert torch.is_grad_enabled()
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_a_run_that_is_closed_computes_no_further_step(make_model: MakeModel, thresholder: type) -> None:
    done: list[int] = []

    def hook(step: int, x_hat: Tensor) -> Tensor:
        done.append(step)
        return x_hat

    running = run(make_model(thresholder(hook)), slice_of(), seeds=(0,), options=SamplingOptions(steps=50))
    next(running)
    next(running)
    running.close()
    ended = len(done)
    assert ended < 50
    time.sleep(0.05)
    assert len(done) == ended


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"), "memory ran out"),
        (torch.OutOfMemoryError("CUDA out of memory."), "ask for fewer readings"),
        (MemoryError(), "ask for fewer readings"),
        (RuntimeError("mat1 and mat2\nshapes"), r"torch could not finish the run \(mat1 and mat2\)"),
    ],
)
def test_a_failing_machine_is_a_compute_error_after_the_steps_before_it(
    make_model: MakeModel, thresholder: type, error: Exception, words: str
) -> None:
    running = run(make_model(thresholder(raising(error, at=2))), slice_of(), seeds=range(9), options=THREE_STEPS)
    assert next(running).step == 1
    with pytest.raises(ComputeError, match=words):
        for _ in running:
            pass


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
    with pytest.raises(SettingsError, match="abacus"):
        sample(diffusion, slice_of(), seeds=(0,), engine="abacus")
    with pytest.raises(SettingsError, match="0 readings at a time"):
        sample(diffusion, slice_of(), seeds=(0,), chunk=0)

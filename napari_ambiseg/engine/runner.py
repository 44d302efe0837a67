"""The run: one slice, one model, many seeds, a frame after every step.

``run`` is a generator: whoever drives it may stop between two frames by closing it, which is how a run is cancelled.
"""

import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_ambiseg.devices import move, resolve_device
from napari_ambiseg.engine.grey import GreyScale, normalise, recognise
from napari_ambiseg.engine.lockstep import lockstep
from napari_ambiseg.engine.placement import Placement, place
from napari_ambiseg.engine.slice_input import SliceInput, check_slice
from napari_ambiseg.errors import ComputeError, SettingsError
from napari_ambiseg.models.checkpoint import Model
from napari_ambiseg.models.segmenter import SamplingOptions, Segmenter, State, check_guidance

KEPT_FRAMES = 100


@dataclass(frozen=True, slots=True)
class Frame:
    """All readings after one step, on the model's grid.

    Attributes:
        step: Steps done, 1 to ``total``.
        total: Steps of the run.
        log_snr: Log SNR that ``x_t`` now has.
        x_t: The noisy masks (S, h, w), float32.
        x_hat: The masks that the model would answer now (S, h, w), float32 in [-1, 1].
    """

    step: int
    total: int
    log_snr: float
    x_t: NDArray[np.float32]
    x_hat: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Sampled:
    """What a run has drawn, and from what.

    Attributes:
        model_name: Name in the model's header.
        seeds: Seed of each reading (S).
        options: Steps and sampler.
        placement: Where the model's grid lies on the slice.
        grey: The grey scale that was used, never AUTO.
        steps: Step of each frame kept (T,): all, or up to ``KEPT_FRAMES`` evenly spaced ones that end with the last.
        x_t: The noisy masks (T, S, h, w).
        x_hat: The estimates (T, S, h, w); the last are the samples.
        log_snr: Log SNR of each frame kept (T,).
        readings: Masks on the slice (S, H, W), before any post-processing.
        seconds: Wall time from the call to the last reading.
    """

    model_name: str
    seeds: tuple[int, ...]
    options: SamplingOptions
    placement: Placement
    grey: GreyScale
    steps: NDArray[np.int64]
    x_t: NDArray[np.float32]
    x_hat: NDArray[np.float32]
    log_snr: NDArray[np.float64]
    readings: NDArray[np.bool_]
    seconds: float


def reading_seeds(seed: int, count: int) -> tuple[int, ...]:
    """One seed for each of ``count`` readings, derived from ``seed`` and the reading's number alone.

    Four readings are therefore the first four of sixteen, and neighbouring seeds share no reading.

    Raises:
        SettingsError: If ``seed`` is negative or ``count`` is not positive.
    """
    if seed < 0:
        raise SettingsError(f"the seed is {seed}; give 0 or a positive whole number")
    if count < 1:
        raise SettingsError(f"{count} readings were asked for; give at least 1")
    states = (np.random.SeedSequence(seed, spawn_key=(i,)).generate_state(1, np.uint64)[0] for i in range(count))
    return tuple(int(state >> np.uint64(1)) for state in states)  # 63 bits: fits a signed integer anywhere


@torch.no_grad()  # as a decorator: a `with` block around `yield` would leak the grad mode to the caller
def run(
    model: Model,
    slice_input: SliceInput,
    *,
    seeds: Sequence[int],
    options: SamplingOptions = SamplingOptions(),  # noqa: B008 (frozen)
    device: str = "auto",
) -> Generator[Frame, None, Sampled]:
    """Draw one reading per seed.

    Args:
        model: A loaded checkpoint; it is moved to the device, and stays where it was if that fails.
        slice_input: What to read.
        seeds: One per reading; reading i depends on its own seed and on no other.
        options: Steps and sampler.
        device: "auto", "cpu", "cuda", ...

    Yields:
        All readings after each step.

    Returns:
        The finished readings on the slice.

    Raises:
        InputImageError: If the slice cannot be read by this model.
        SettingsError: If there are no seeds, no such device, or one that cannot compute, or if guidance is asked of a
            model that was not trained for it.
        ComputeError: If memory runs out, torch fails, or the model answers with NaN. Never a bare ``RuntimeError``: Qt
            workers lose these when they leave a generator.
    """
    started = time.perf_counter()
    if not seeds:
        raise SettingsError("0 readings were asked for; give at least 1")
    check_guidance(model.segmenter, options)
    check_slice(slice_input, model.header.grid)
    grey = recognise(slice_input.pixels) if slice_input.grey is GreyScale.AUTO else slice_input.grey
    placement = _placement(model, slice_input)
    image = placement.to_grid(normalise(slice_input.pixels, grey, model.header.intensity))[None]
    kept: list[Frame] = []
    for frame in _frames(model.segmenter, image, tuple(seeds), options, resolve_device(device)):
        if _is_kept(frame):
            kept.append(frame)
        yield frame
    return Sampled(
        model_name=model.header.name,
        seeds=tuple(seeds),
        options=options,
        placement=placement,
        grey=grey,
        steps=np.array([frame.step for frame in kept], dtype=np.int64),
        x_t=np.stack([frame.x_t for frame in kept]),
        x_hat=np.stack([frame.x_hat for frame in kept]),
        log_snr=np.array([frame.log_snr for frame in kept], dtype=np.float64),
        readings=placement.readings(kept[-1].x_hat),
        seconds=time.perf_counter() - started,
    )


def sample(
    model: Model,
    slice_input: SliceInput,
    *,
    seeds: Sequence[int],
    options: SamplingOptions = SamplingOptions(),  # noqa: B008 (frozen)
    device: str = "auto",
) -> Sampled:
    """``run`` to its end, for callers who show no frames."""
    running = run(model, slice_input, seeds=seeds, options=options, device=device)
    while True:
        try:
            next(running)
        except StopIteration as finished:
            return finished.value


def _placement(model: Model, slice_input: SliceInput) -> Placement:
    height, width = slice_input.pixels.shape
    return place(
        model.header.grid,
        slice_shape=(height, width),
        spacing_mm=slice_input.spacing_mm,
        centre_px=slice_input.centre_px,
    )


def _is_kept(frame: Frame) -> bool:
    """All frames of a usual run; of a long one every n-th counted from its end, so that memory stays bounded."""
    every = -(-frame.total // KEPT_FRAMES)
    return (frame.total - frame.step) % every == 0


def _frames(
    segmenter: Segmenter,
    image: NDArray[np.float32],
    seeds: tuple[int, ...],
    options: SamplingOptions,
    device: torch.device,
) -> Iterator[Frame]:
    """The frames of all seeds, every error of the machine translated."""
    frames = _untranslated_frames(segmenter, image, seeds, options, device)
    while True:
        try:
            frame = next(frames, None)
        except (RuntimeError, MemoryError) as error:
            raise _compute_error(error, len(seeds)) from error
        if frame is None:
            return
        if not np.isfinite(frame.x_hat).all():
            raise ComputeError(f"the model answered with NaN at step {frame.step}; choose another model")
        yield frame


def _untranslated_frames(
    segmenter: Segmenter,
    image: NDArray[np.float32],
    seeds: tuple[int, ...],
    options: SamplingOptions,
    device: torch.device,
) -> Iterator[Frame]:
    if isinstance(segmenter, nn.Module):
        move(segmenter, device, torch.channels_last)
    pixels = torch.from_numpy(image).to(device)
    for states in lockstep(segmenter, pixels, seeds=seeds, options=options):
        yield _joined(states)


def _joined(states: Sequence[State]) -> Frame:
    """The states of all chunks after one step as one frame."""

    def on_cpu(tensors: list[Tensor]) -> NDArray[np.float32]:
        return np.concatenate([t[:, 0].float().cpu().numpy() for t in tensors])

    first = states[0]
    return Frame(
        step=first.step,
        total=first.total,
        log_snr=first.log_snr,
        x_t=on_cpu([state.x_t for state in states]),
        x_hat=on_cpu([state.x_hat for state in states]),
    )


def _compute_error(error: RuntimeError | MemoryError, count: int) -> ComputeError:
    text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    out_of_memory = isinstance(error, MemoryError | torch.OutOfMemoryError) or "memory" in text.lower()
    if out_of_memory:
        return ComputeError(
            f"memory ran out while {count} readings were drawn; ask for fewer readings, or close other programs"
        )
    return ComputeError(f"torch could not finish the run ({text}); try the device 'cpu' or another model")

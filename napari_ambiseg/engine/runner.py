"""The run: one slice, one model, many seeds, and word of every step as soon as it is done.

``run`` is a generator: whoever drives it may stop between two steps by closing it, which is how a run is cancelled.
"""

import math
import time
from collections.abc import Generator, Sequence
from contextlib import closing

from napari_ambiseg.devices import resolve_device
from napari_ambiseg.engine.choice import candidates
from napari_ambiseg.engine.drawing import Drawing
from napari_ambiseg.engine.grey import GreyScale, normalise, recognise
from napari_ambiseg.engine.placement import Placement, place
from napari_ambiseg.engine.pool import Stepped
from napari_ambiseg.engine.sampled import Advance, Record, Sampled
from napari_ambiseg.engine.slice_input import SliceInput, check_slice
from napari_ambiseg.engine.specks import without_specks
from napari_ambiseg.errors import SettingsError
from napari_ambiseg.models.checkpoint import Model
from napari_ambiseg.models.segmenter import SamplingOptions, check_guidance


def run(
    model: Model,
    slice_input: SliceInput,
    *,
    seeds: Sequence[int],
    options: SamplingOptions = SamplingOptions(),  # noqa: B008 (frozen)
    device: str = "auto",
    engine: str = "auto",
    chunk: int | None = None,
) -> Generator[Advance, None, Sampled]:
    """Draw one reading per seed.

    Args:
        model: A loaded checkpoint; its weights stay on the CPU, another device gets a copy.
        slice_input: What to read.
        seeds: One per reading; reading i depends on its own seed and on no other.
        options: Steps and sampler.
        device: "auto", "cpu", "cuda", ...
        engine: What computes: one of ``ENGINES``. One that cannot gives way to the next, and ``Sampled.notes`` says so.
        chunk: Readings that are drawn together at most; None is the engine's own choice. It changes no reading.

    Yields:
        Every step of some readings, as soon as it is done. Readings that were under way when an engine failed begin
        again with their first step.

    Returns:
        The finished readings on the slice.

    Raises:
        InputImageError: If the slice cannot be read by this model.
        SettingsError: If there are no seeds, no such device, or one that cannot compute, no such engine, a chunk below
            1, or if guidance is asked of a model that was not trained for it.
        ComputeError: If memory runs out, torch fails, or the model answers with NaN. Never a bare ``RuntimeError``: Qt
            workers lose these when they leave a generator.
    """
    started = time.perf_counter()
    _check(model, slice_input, seeds, options, chunk)
    smallest_px = options.smallest_of(model.header.smallest_px)
    grey = recognise(slice_input.pixels) if slice_input.grey is GreyScale.AUTO else slice_input.grey
    placement = _placement(model, slice_input)
    image = placement.to_grid(normalise(slice_input.pixels, grey, model.header.intensity))[None]
    engines = candidates(model, resolve_device(device), engine)
    drawing = Drawing(image, seeds=seeds, options=options, candidates=engines, chunk=chunk)
    record, first_seconds, together = Record(placement, len(seeds)), math.nan, 0
    with closing(drawing.steps()) as steps:
        for stepped in steps:
            advance = _advance(stepped, smallest_px)
            record.add(advance)
            together = max(together, len(advance.readings))
            if math.isnan(first_seconds) and advance.step == advance.total:
                first_seconds = time.perf_counter() - started
            yield advance
    return Sampled(
        model_name=model.header.name,
        seeds=tuple(seeds),
        options=options,
        placement=placement,
        grey=grey,
        steps=record.steps,
        x_t=record.x_t,
        x_hat=record.x_hat,
        log_snr=record.log_snr,
        readings=record.readings,
        seconds=time.perf_counter() - started,
        first_seconds=first_seconds,
        engine=drawing.engine,
        device=drawing.device,
        chunk=together,
        smallest_px=smallest_px,
        notes=tuple(drawing.notes),
    )


def sample(
    model: Model,
    slice_input: SliceInput,
    *,
    seeds: Sequence[int],
    options: SamplingOptions = SamplingOptions(),  # noqa: B008 (frozen)
    device: str = "auto",
    engine: str = "auto",
    chunk: int | None = None,
) -> Sampled:
    """``run`` to its end, for callers who show no steps."""
    started = run(model, slice_input, seeds=seeds, options=options, device=device, engine=engine, chunk=chunk)
    with closing(started) as running:
        while True:
            try:
                next(running)
            except StopIteration as finished:
                return finished.value


def _check(
    model: Model, slice_input: SliceInput, seeds: Sequence[int], options: SamplingOptions, chunk: int | None
) -> None:
    if not seeds:
        raise SettingsError("0 readings were asked for; give at least 1")
    if chunk is not None and chunk < 1:
        raise SettingsError(f"{chunk} readings at a time were asked for; give at least 1, or leave it to the engine")
    check_guidance(model.segmenter, options)
    check_slice(slice_input, model.header.grid)


def _placement(model: Model, slice_input: SliceInput) -> Placement:
    height, width = slice_input.pixels.shape
    return place(
        model.header.grid,
        slice_shape=(height, width),
        spacing_mm=slice_input.spacing_mm,
        centre_px=slice_input.centre_px,
        extent_mm=slice_input.extent_mm,
    )


def _advance(stepped: Stepped, smallest_px: int) -> Advance:
    """A step of a chunk, off its device; finished readings without specks."""
    state = stepped.state
    x_t, x_hat = (masks[:, 0].float().cpu().numpy() for masks in (state.x_t, state.x_hat))
    if state.step == state.total:
        x_t, x_hat = (without_specks(masks, smallest_px) for masks in (x_t, x_hat))  # the same masks: t is 0
    return Advance(
        readings=stepped.chunk, step=state.step, total=state.total, log_snr=state.log_snr, x_t=x_t, x_hat=x_hat
    )

"""Requests like one that was fulfilled, but for the steps or the sampler: same slice, same seeds. No windows."""

from collections.abc import Iterable
from dataclasses import replace

from napari_ambiseg.diffusion.sampling import WITH_ETA
from napari_ambiseg.models.segmenter import SamplingOptions
from napari_ambiseg.viewer.session.result import Request, Result

STEPS = (5, 10, 20, 50)


def with_steps(request: Request, steps: int) -> Request:
    """The same with another number of steps."""
    return _with(request, replace(request.settings.options, steps=steps))


def with_sampler(request: Request, sampler: str) -> Request:
    """The same with another sampler."""
    return _with(request, replace(request.settings.options, sampler=sampler))


def is_drawn(request: Request, results: Iterable[Result]) -> bool:
    """Whether some result answers a request already."""
    return any(_what_matters(request) == _what_matters(result.request) for result in results)


def _with(request: Request, options: SamplingOptions) -> Request:
    return replace(request, settings=replace(request.settings, options=options), before=None)


def _what_matters(request: Request) -> tuple[object, ...]:
    """All that readings depend on; an eta that the sampler does not look at is none."""
    settings, options = request.settings, request.settings.options
    used = options if options.sampler in WITH_ETA else replace(options, eta=0.0)
    seeds = settings.seed, settings.readings, settings.antithetic  # what they are made of: to derive them takes longer
    return request.where, request.placement, settings.model, seeds, used

"""Runs to compare."""

from dataclasses import replace

from napari_ambiseg.viewer.session.result import Result


def independent(result: Result) -> Result:
    """The same run as if its readings were not in pairs."""
    request = result.request
    return Result(replace(request, settings=replace(request.settings, antithetic=False)), result.sampled)

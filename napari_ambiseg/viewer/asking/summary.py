"""What a run would be asked, in one line and in several. No windows."""

from pathlib import Path

from napari_ambiseg.diffusion.sampling import WITH_ETA
from napari_ambiseg.engine import takes_steps
from napari_ambiseg.viewer.session.settings import Settings


def in_a_line(settings: Settings, expected: str = "") -> str:
    """What matters most, e.g. "16 readings, 6 steps, lidc-small-64, about 2 s".

    Args:
        settings: What is set.
        expected: How long it takes, as one says it; "" if that is not known.
    """
    parts = [_count(settings.readings, "reading")]
    parts += [_count(settings.options.steps, "step")] if _in_steps(settings) else []
    more = f" and {len(settings.also)} more" if settings.also else ""
    return ", ".join([*parts, Path(settings.model).stem + more, *([expected] if expected else [])])


def in_full(settings: Settings) -> str:
    """Everything that decides on the readings, and where they are computed."""
    options = settings.options
    noise = f", noise {options.eta:g}" if options.sampler in WITH_ETA else ""
    region = "of the model's own size" if settings.region_mm is None else f"of {settings.region_mm:g} mm"
    models = ", ".join(Path(name).stem for name in settings.models)
    steps, sampler = f" of {_count(options.steps, 'step')}", f"sampler {options.sampler}{noise}; "
    if not _in_steps(settings):
        steps = sampler = ""
    pairs = "in pairs, " if settings.antithetic else ""
    how = f"{sampler}{pairs}seed {settings.seed}" + ("" if settings.keep_seed else ", a new one for each run")
    return "\n".join(
        [
            f"{_count(settings.readings, 'reading')}{steps} by {models}",
            how[0].upper() + how[1:],
            f"Box {region}; device {settings.device}, engine {settings.engine}",
        ]
    )


def _in_steps(settings: Settings) -> bool:
    """Whether any of the models looks at sampler and steps."""
    return any(map(takes_steps, settings.models))


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"

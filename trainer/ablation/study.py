"""Which runs a table of the paper is made of, and grids over the fields of any recipe."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product

import yaml
from pydantic import ConfigDict

from napari_ambiseg.errors import SettingsError
from trainer.config import FitConfig, with_overrides
from trainer.recipes import RECIPES, named_recipe
from trainer.recipes.paper import LATENTS


@dataclass(frozen=True, slots=True)
class Cell:
    """One line of the table.

    Attributes:
        name: What the table calls it.
        config: The run.
        guidance: Strength of classifier-free guidance when its model is read.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    name: str
    config: FitConfig
    guidance: float = 0.0


@dataclass(frozen=True, slots=True)
class Study:
    """A table of the paper.

    Attributes:
        about: One sentence for whoever chooses it.
        lines: Recipe and guidance of each line; the others are compared with the first, the paper's own choice.
    """

    about: str
    lines: tuple[tuple[str, float], ...]


def _lines(names: Iterable[str]) -> tuple[tuple[str, float], ...]:
    return tuple((name, 0.0) for name in names)


def _systems(task: str) -> tuple[tuple[str, float], ...]:
    others = (*(f"prob-unet-{latent}" for latent in LATENTS), "phiseg", "deterministic", "mc-dropout")
    return _lines([task, *(f"{task}-{name}" for name in others)])


def _starting(prefix: str, *, first: str) -> tuple[tuple[str, float], ...]:
    """All recipes of a table, beginning with the one that the others are compared with."""
    ours = f"{prefix}-{first}"
    return _lines([ours, *(name for name in RECIPES if name.startswith(prefix) and name != ours)])


_BEST_BIAS = "bias=-4"  # the authors' choice for the sigmoid, as far as is known

STUDIES: dict[str, Study] = {
    "table1": Study("The systems on lesion-centred slices.", _systems("central")),
    "table2": Study("The systems on uniform crops.", _systems("crop")),
    "table3-central": Study(
        "Prediction and loss weighting, lesion-centred.", _starting("table3-central", first="x-truncated-snr")
    ),
    "table3-crop": Study(
        "Prediction and loss weighting, uniform crops.",
        _starting("table3-crop", first="x-truncated-snr"),
    ),
    "table4": Study("Each model on its own UNet and on the other's.", _starting("table4", first="diffusion-on-unet")),
    "fig7-central": Study(
        "Bias of the sigmoid weighting, lesion-centred.", _starting("fig7-central", first=_BEST_BIAS)
    ),
    "fig7-crop": Study("Bias of the sigmoid weighting, uniform crops.", _starting("fig7-crop", first=_BEST_BIAS)),
    "fig8-central": Study("Input scale, lesion-centred.", _starting("fig8-central", first="b=0.1")),
    "fig8-crop": Study("Input scale, uniform crops.", _starting("fig8-crop", first="b=0.1")),
    "negative": Study(
        "Self-conditioning and classifier-free guidance, in which the paper found no gain.",
        (
            ("fig8-central-b=0.1", 0.0),
            ("central-self-conditioning", 0.0),
            *(("central-guidance", strength) for strength in (0.0, 0.5, 1.0, 2.0)),
        ),
    ),
}
"""Every study by its name."""


def parse_grid(words: Sequence[str]) -> list[tuple[str, list[object]]]:
    """Fields and their values from words like ``weighting=uniform,snr``; values are read as YAML.

    Raises:
        SettingsError: If a word is not FIELD=VALUE,VALUE,...
    """
    fields: list[tuple[str, list[object]]] = []
    for word in words:
        key, equals, values = word.partition("=")
        if not (key and equals and values):
            raise SettingsError(f"--grid {word!r} should be FIELD=VALUE,VALUE,..., e.g. weighting=uniform,snr")
        try:
            fields.append((key, [yaml.safe_load(value) for value in values.split(",")]))
        except yaml.YAMLError:
            raise SettingsError(f"--grid {word!r} holds something that is neither a number nor a word") from None
    return fields


def cells_of(
    names: Sequence[str], *, grid: Sequence[str], scale: str | None, overrides: dict[str, object]
) -> tuple[Cell, ...]:
    """The cells of studies and recipes.

    Args:
        names: Studies, or recipes.
        grid: Words for ``parse_grid``: every combination of the values is a cell.
        scale: A smaller scale for all of them.
        overrides: Fields that all of them get.

    Raises:
        SettingsError: If a name does not exist, a value is not valid, two cells would have the same name, or they
            would be judged on different parts of a slice.
    """
    if not names:
        raise SettingsError(f"no study was named; choose {', '.join(STUDIES)}, or recipes (`fit --list`)")
    lines = [line for name in names for line in (STUDIES[name].lines if name in STUDIES else ((name, 0.0),))]
    cells = [
        _cell(f"{name}@{scale}" if scale else name, guidance, point, overrides)
        for name, guidance in lines
        for point in _points(parse_grid(grid))
    ]
    titles = [cell.name for cell in cells]
    if twice := sorted({title for title in titles if titles.count(title) > 1}):
        raise SettingsError(f"{twice[0]} is named twice; leave one out")
    areas = {_area(cell.config): cell.name for cell in cells}
    if len(areas) > 1:
        told = " and ".join(f"{name} on {area}" for area, name in areas.items())
        raise SettingsError(f"these do not belong in one table: {told} would be judged; make a study of each")
    return tuple(cells)


def _points(grid: Sequence[tuple[str, list[object]]]) -> list[dict[str, object]]:
    keys = [key for key, _ in grid]
    return [dict(zip(keys, values, strict=True)) for values in product(*(values for _, values in grid))]


def _cell(recipe: str, guidance: float, point: dict[str, object], overrides: dict[str, object]) -> Cell:
    words = [f"{key}={value}" for key, value in point.items()]
    config = with_overrides(named_recipe(recipe), {**overrides, **point})
    title = ",".join([config.recipe, *words])
    config = config.model_copy(update={"recipe": title})
    return Cell(f"{title},guidance={guidance:g}" if guidance else title, config, guidance)


def usual_sampler(cells: Sequence[Cell]) -> str:
    """The sampler that the paper reads such models with: DDIM, but DDPM for uniform crops."""
    return "ddpm" if cells[0].config.crop == "uniform" else "ddim"


def _area(config: FitConfig) -> str:
    """What ``evaluate`` judges a model on unless told otherwise (``evaluation.candidates.choose_crop``)."""
    return f"uniform crops of {config.grid_px} pixels" if config.crop == "uniform" else "whole slices"

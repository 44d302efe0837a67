"""Named training runs: the paper's experiments, the models that ship, and a toy."""

from difflib import get_close_matches

from napari_ambiseg.errors import SettingsError
from trainer.config import FitConfig
from trainer.recipes.paper import PAPER_RECIPES
from trainer.recipes.recipe import Recipe
from trainer.recipes.scale import SCALES, at_scale
from trainer.recipes.small import SMALL_RECIPES

__all__ = ["RECIPES", "SCALES", "Recipe", "at_scale", "named_recipe"]

RECIPES: dict[str, Recipe] = {**SMALL_RECIPES, **PAPER_RECIPES}
"""Every recipe by its name."""


def named_recipe(name: str) -> FitConfig:
    """The configuration of a recipe; ``NAME@SCALE`` is that at a smaller scale.

    Raises:
        SettingsError: If there is no such recipe or scale; the message names recipes that are spelt alike.
    """
    name, at, scale = name.partition("@")
    if name not in RECIPES:
        raise SettingsError(f"unknown recipe {name!r}; {_suggestion(name)}")
    config = RECIPES[name].config
    return at_scale(config, scale) if at else config


def _suggestion(name: str) -> str:
    alike = get_close_matches(name, RECIPES, n=3)
    hint = f"did you mean {' or '.join(alike)}? " if alike else ""
    return f"{hint}`python -m trainer fit --list` shows all {len(RECIPES)}"

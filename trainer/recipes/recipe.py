"""What a recipe is."""

from dataclasses import dataclass

from trainer.config import FitConfig, with_overrides


@dataclass(frozen=True, slots=True)
class Recipe:
    """A named training run.

    Attributes:
        about: One sentence for whoever chooses it.
        config: The complete configuration, which carries the name.
    """

    about: str
    config: FitConfig

    @property
    def name(self) -> str:
        """What ``fit`` calls it."""
        return self.config.recipe

    def but(self, name: str, about: str, **changes: object) -> "Recipe":
        """Another recipe, that differs from this one in some fields (dots written as ``__``)."""
        fields = {key.replace("__", "."): value for key, value in changes.items()}
        return Recipe(about, with_overrides(self.config, {"recipe": name, **fields}))


def by_name(*recipes: Recipe) -> dict[str, Recipe]:
    """Recipes by their names, in this order."""
    named = {recipe.name: recipe for recipe in recipes}
    assert len(named) == len(recipes), "two recipes share a name"
    return named

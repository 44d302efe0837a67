"""What the paper reports of its recipes (Tables 1 and 2), to stand beside what was found.

The paper judges 4 and 16 readings; "pp" empties readings below half the area of the largest. It gives no intervals.
"""

from trainer.config import FitConfig
from trainer.recipes import SCALES, named_recipe
from trainer.recipes.paper import LATENTS

_COLUMNS = ("ged_4", "ged_4_pp", "dice_4", "dice_4_pp", "ged_16", "dice_16")
_CENTRAL: dict[str, tuple[float, ...]] = {
    "": (0.330, 0.304, 0.488, 0.507, 0.233, 0.486),
    "-prob-unet-aa": (0.334, 0.319, 0.488, 0.498, 0.235, 0.491),
    "-prob-unet-aa-mix": (0.338, 0.333, 0.485, 0.491, 0.240, 0.485),
    "-prob-unet-fc": (0.365, 0.357, 0.453, 0.461, 0.253, 0.456),
    "-prob-unet-fc-mix": (0.344, 0.337, 0.486, 0.493, 0.249, 0.486),
    "-phiseg": (0.347, 0.331, 0.485, 0.494, 0.252, 0.481),
}
_CROP: dict[str, tuple[float, ...]] = {
    "": (0.419, 0.405, 0.438, 0.459, 0.312, 0.442),
    "-prob-unet-aa": (0.444, 0.453, 0.421, 0.429, 0.345, 0.422),
    "-prob-unet-aa-mix": (0.440, 0.433, 0.428, 0.441, 0.341, 0.427),
    "-prob-unet-fc": (0.424, 0.427, 0.427, 0.439, 0.320, 0.429),
    "-prob-unet-fc-mix": (0.443, 0.441, 0.426, 0.437, 0.342, 0.426),
    "-phiseg": (0.470, 0.534, 0.418, 0.429, 0.456, 0.425),
}
assert {f"-prob-unet-{latent}" for latent in LATENTS} < _CENTRAL.keys() == _CROP.keys()

PAPER_RESULTS: dict[str, dict[str, float]] = {
    f"{task}{system}": dict(zip(_COLUMNS, figures, strict=True))
    for task, systems in (("central", _CENTRAL), ("crop", _CROP))
    for system, figures in systems.items()
}
"""Name of a recipe -> name of a figure, as ``evaluate`` calls it -> the paper's number."""


def paper_figures(config: FitConfig) -> dict[str, float] | None:
    """What the paper reports of a run's system, whatever its scale.

    Returns:
        Name of a figure -> the paper's number; None if the run is none of its recipes, or one with changes.
    """
    recipe, at, scale = config.recipe.partition("@")
    if recipe not in PAPER_RESULTS or (at and scale not in SCALES):
        return None
    return PAPER_RESULTS[recipe] if config == named_recipe(config.recipe) else None

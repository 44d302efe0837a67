"""What the paper reports of its recipes (Tables 1 to 4), to stand beside what was found.

The paper judges 4 and 16 readings; "pp" empties readings below half the area of the largest. It gives no intervals.
Of Tables 3 and 4 its text does not say which readings they judge; each is taken for what agrees with Table 1: four
readings as drawn in Table 3, four with pp in Table 4.
"""

from collections.abc import Iterator

from trainer.config import FitConfig
from trainer.recipes import SCALES, named_recipe
from trainer.recipes.paper import LATENTS, PREDICTIONS, WEIGHTINGS

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

# Rows are predictions and columns weightings, in the order of the recipes: GED and Dice.
_TABLE_3: dict[str, tuple[tuple[tuple[float, float], ...], ...]] = {
    "central": (
        ((0.456, 0.388), (0.342, 0.475), (0.338, 0.474), (0.339, 0.476)),
        ((0.822, 0.144), (1.135, 0.011), (0.759, 0.141), (0.849, 0.144)),
        ((0.410, 0.425), (0.335, 0.482), (0.334, 0.482), (0.337, 0.479)),
    ),
    "crop": (
        ((0.490, 0.351), (0.442, 0.405), (0.441, 0.401), (0.443, 0.413)),
        ((0.768, 0.163), (0.855, 0.154), (0.866, 0.153), (0.797, 0.150)),
        ((0.470, 0.391), (0.452, 0.396), (0.440, 0.413), (0.427, 0.427)),
    ),
}

# GED and Dice on the Generalized Probabilistic UNet's network, then on the diffusion UNet.
_TABLE_4: dict[str, tuple[tuple[float, float], tuple[float, float]]] = {
    "prob-unet-aa": ((0.310, 0.505), (0.329, 0.496)),
    "prob-unet-aa-mix": ((0.323, 0.495), (0.337, 0.485)),
    "prob-unet-fc": ((0.349, 0.462), (0.338, 0.470)),
    "prob-unet-fc-mix": ((0.333, 0.494), (0.322, 0.498)),
    "diffusion": ((0.314, 0.499), (0.318, 0.499)),
}


def _reported() -> Iterator[tuple[str, dict[str, float]]]:
    for task, systems in (("central", _CENTRAL), ("crop", _CROP)):
        for system, figures in systems.items():
            yield f"{task}{system}", dict(zip(_COLUMNS, figures, strict=True))
    for task, predictions in _TABLE_3.items():
        for prediction, weightings in zip(PREDICTIONS, predictions, strict=True):
            for weighting, (ged, dice) in zip(WEIGHTINGS, weightings, strict=True):
                yield f"table3-{task}-{prediction}-{weighting}", {"ged_4": ged, "dice_4": dice}
    for model, backbones in _TABLE_4.items():
        for backbone, (ged, dice) in zip(("prob-unet", "unet"), backbones, strict=True):
            yield f"table4-{model}-on-{backbone}", {"ged_4_pp": ged, "dice_4_pp": dice}


PAPER_RESULTS: dict[str, dict[str, float]] = dict(_reported())
"""Name of a recipe -> name of a figure, as ``evaluate`` calls it -> the paper's number."""

_SCHEDULE = {"steps", "warmup_steps", "decay_steps", "checkpoint_steps", "log_steps"}
_NOT_THE_SYSTEM = _SCHEDULE | {"validation", "holdout_seed"}


def paper_figures(config: FitConfig) -> dict[str, float] | None:
    """What the paper reports of a run's system, whatever its scale, its length, and how often it is looked at.

    Returns:
        Name of a figure -> the paper's number; None if the run is none of its recipes, or one with other changes.
    """
    recipe, at, scale = config.recipe.partition("@")
    if recipe not in PAPER_RESULTS or (at and scale not in SCALES):
        return None
    own, named = (one.model_dump(exclude=_NOT_THE_SYSTEM) for one in (config, named_recipe(config.recipe)))
    return PAPER_RESULTS[recipe] if own == named else None

"""Named training runs. A recipe is a function without arguments that returns a complete configuration."""

from collections.abc import Callable

from napari_ambiseg.errors import SettingsError
from trainer.config import AugmentConfig, FitConfig


def central() -> FitConfig:
    """The paper's diffusion model on lesion-centred slices: 400,000 steps, for a GPU."""
    return FitConfig(recipe="central")


def crop() -> FitConfig:
    """The paper's diffusion model on uniform 64 x 64 crops: 400,000 steps, for a GPU."""
    return FitConfig(recipe="crop", grid_px=64, crop="uniform")


def lidc_small_64() -> FitConfig:
    """The diffusion model that ships: a small network on the central 32 mm, trainable on a CPU in two hours.

    Uniform weighting: below a log SNR of 0 it equals the truncated SNR's, and ten steps with b = 0.1 look no higher.
    """
    return FitConfig(
        recipe="lidc-small-64",
        size="small",
        grid_px=64,
        weighting="uniform",
        steps=8_000,
        batch_size=16,
        learning_rate=5e-4,
        warmup_steps=300,
        decay_steps=2_500,
        ema_decay=0.999,
        checkpoint_steps=250,
        augment=AugmentConfig(shift_px=6.0),
    )


def deterministic_small_64() -> FitConfig:
    """The reference for ``lidc-small-64``: the same network without time, answering one mask."""
    changes = {"recipe": "deterministic-small-64", "kind": "deterministic", "steps": 2_000, "decay_steps": 800}
    return lidc_small_64().model_copy(update=changes)


def tiny() -> FitConfig:
    """A toy for trying things out: a tiny network, a minute on a CPU."""
    return FitConfig(
        recipe="tiny",
        size="tiny",
        grid_px=64,
        steps=300,
        batch_size=8,
        learning_rate=2e-3,
        warmup_steps=20,
        decay_steps=100,
        ema_decay=0.98,
        holdout=0.1,
        checkpoint_steps=100,
        log_steps=20,
    )


RECIPES: dict[str, Callable[[], FitConfig]] = {
    "central": central,
    "crop": crop,
    "lidc-small-64": lidc_small_64,
    "deterministic-small-64": deterministic_small_64,
    "tiny": tiny,
}


def named_recipe(name: str) -> FitConfig:
    """The configuration of a recipe.

    Raises:
        SettingsError: If there is no such recipe.
    """
    if name not in RECIPES:
        raise SettingsError(f"unknown recipe {name!r}; choose one of {', '.join(RECIPES)}")
    return RECIPES[name]()

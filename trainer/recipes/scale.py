"""Smaller scales at which any recipe can be run: they rank models where the paper's size is out of reach.

``central@small-64`` is the recipe ``central`` at the scale ``small-64``, for ``fit`` as for ``ablate``. A scale
replaces sizes and lengths and leaves alone what a recipe is about: kind, prediction, weighting, crop, ...
"""

from napari_ambiseg.errors import SettingsError
from trainer.config import FitConfig, with_overrides

_CPU: dict[str, object] = {
    "grid_px": 64,
    "ema_decay": 0.999,
    "augment.shift_px": 6.0,
    "validation.slices": 32,
}

SCALES: dict[str, dict[str, object]] = {
    "small-64": _CPU
    | {
        "size": "small",
        "steps": 8_000,
        "batch_size": 16,
        "warmup_steps": 300,
        "decay_steps": 2_500,
        "checkpoint_steps": 250,
        "validation.every": 1_000,
    },
    "mini-64": _CPU
    | {
        "size": "mini",
        "steps": 3_000,
        "batch_size": 16,
        "precision": "bf16",
        "learning_rate": 1e-3,
        "warmup_steps": 100,
        "decay_steps": 1_000,
        "ema_decay": 0.995,
        "checkpoint_steps": 250,
        "validation.every": 750,
        "validation.slices": 48,
    },
    "toy": _CPU
    | {
        "size": "tiny",
        "steps": 300,
        "batch_size": 8,
        "learning_rate": 2e-3,
        "warmup_steps": 20,
        "decay_steps": 100,
        "ema_decay": 0.98,
        "holdout": 0.1,
        "checkpoint_steps": 100,
        "log_steps": 20,
        "validation.every": 150,
        "validation.slices": 4,
    },
}
"""Name of a scale -> what it changes in a recipe of the paper's scale.

``small-64`` takes hours on a CPU, ``mini-64`` six to twenty-five minutes, ``toy`` one. ``mini-64`` has one rate for all
models: PHiSeg's own, ten times that of the others.
"""


def at_scale(config: FitConfig, scale: str) -> FitConfig:
    """The run at a smaller scale.

    Raises:
        SettingsError: If there is no such scale.
    """
    if scale not in SCALES:
        raise SettingsError(f"unknown scale {scale!r}; choose one of {', '.join(SCALES)}")
    changes = {**SCALES[scale], "recipe": f"{config.recipe}@{scale}"}
    if scale == "small-64":
        # The small networks are narrower and see fewer steps: five times the rate of the paper's size suits them all.
        changes["learning_rate"] = min(5 * config.learning_rate, 1e-3)
    return with_overrides(config, changes)

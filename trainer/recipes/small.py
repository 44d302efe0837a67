"""Runs for a CPU: the model that ships, its reference, and a toy."""

from trainer.config import AugmentConfig, FitConfig
from trainer.recipes.recipe import Recipe, by_name

LIDC_SMALL_64 = Recipe(
    # Uniform weighting: below a log SNR of 0 it equals the truncated SNR's, and ten steps with b = 0.1 look no higher.
    "The diffusion model that ships: a small network on the central 32 mm, trainable on a CPU in a few hours.",
    FitConfig(
        recipe="lidc-small-64",
        size="small",
        grid_px=64,
        weighting="uniform",
        steps=15_000,
        batch_size=16,
        learning_rate=5e-4,
        warmup_steps=300,
        decay_steps=4_000,
        ema_decay=0.999,
        checkpoint_steps=250,
        augment=AugmentConfig(shift_px=6.0),
    ),
)

LIDC_SMALL_64_ENERGY = LIDC_SMALL_64.but(
    "lidc-small-64-energy",
    "Goes on from lidc-small-64 (--start-from) with the energy of what it draws against all experts of a slice.",
    energy={},
    experts="all",
    steps=1_500,
    batch_size=32,
    learning_rate=1e-4,
    warmup_steps=50,
    decay_steps=700,
    ema_decay=0.995,
    checkpoint_steps=100,
    log_steps=25,
    validation__sampler="dpm++2m",
    validation__steps=6,
)

TINY = Recipe(
    "A toy for trying things out: a tiny network, a minute on a CPU.",
    FitConfig(
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
    ),
)

SMALL_RECIPES = by_name(
    LIDC_SMALL_64,
    LIDC_SMALL_64.but(
        "lidc-crop-small-64",
        "The same anywhere on a slice: uniform crops of 32 mm, which need not show a lesion.",
        crop="uniform",
        steps=7_000,
        decay_steps=1_650,
    ),
    LIDC_SMALL_64.but(
        "deterministic-small-64",
        "The reference for lidc-small-64: the same network without time, answering one mask.",
        kind="deterministic",
        steps=2_000,
        decay_steps=800,
    ),
    LIDC_SMALL_64_ENERGY,
    LIDC_SMALL_64_ENERGY.but(
        "lidc-crop-small-64-energy",
        "The same for lidc-crop-small-64.",
        crop="uniform",
    ),
    TINY,
)

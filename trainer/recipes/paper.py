"""The paper's experiments, at the paper's sizes: for a GPU.

The paper trained its baselines until they converged, 200,000 steps for the Probabilistic UNets and 500,000 for PHiSeg,
and kept the weights of the best validation GED instead of the last. What it does not say of them is taken from their
own papers: Adam at a constant 1e-4 and no clipping for the Probabilistic UNets, at 1e-3 and batches of 12 for PHiSeg.
"""

from itertools import product

from trainer.config import FitConfig, ValidationConfig
from trainer.recipes.recipe import Recipe, by_name

LATENTS = {"aa": "Prob. UNet (AA)", "aa-mix": "Gen. Prob. UNet (AA mix)", "fc": "FC", "fc-mix": "FC mix"}
PREDICTIONS = ("x", "eps", "v")
WEIGHTINGS = ("snr", "truncated-snr", "snr+1", "uniform")
SIGMOID_BIASES = (-8, -6, -4, -2, 0, 2)
INPUT_SCALES = (1.0, 0.6, 0.3, 0.2, 0.1, 0.06, 0.03)

CENTRAL = Recipe(
    "The paper's diffusion model on lesion-centred slices (Table 1).",
    FitConfig(recipe="central", validation=ValidationConfig(every=10_000)),
)
CROP = CENTRAL.but(
    "crop",
    "The paper's diffusion model on uniform 64 x 64 crops (Table 2).",
    grid_px=64,
    crop="uniform",
    validation__sampler="ddpm",
)
TASKS = {"central": CENTRAL, "crop": CROP}


def _baselines(task: str, diffusion: Recipe) -> list[Recipe]:
    """The systems of Table 1 (central) and Table 2 (crop), and two that a reviewer asks for."""
    table = "Table 1" if task == "central" else "Table 2"
    every = {"validation__every": 2_000}  # often: the best of these is kept, not the last
    theirs = {"optimizer": "adam", "weight_decay": 0.0, "clip_norm": 0.0, "warmup_steps": 0, "decay_steps": 0}
    theirs |= {"result": "best", "validation__slices": 256, **every}
    return [
        *(
            diffusion.but(
                f"{task}-prob-unet-{latent}",
                f"{title} ({table}).",
                kind="prob-unet",
                latent=latent,
                steps=200_000,
                **theirs,
            )
            for latent, title in LATENTS.items()
        ),
        diffusion.but(
            f"{task}-phiseg",
            f"PHiSeg ({table}).",
            kind="phiseg",
            steps=500_000,
            batch_size=12,
            learning_rate=1e-3,
            **theirs,
        ),
        diffusion.but(
            f"{task}-deterministic",
            "The diffusion UNet without time, answering one mask.",
            kind="deterministic",
            **every,
        ),
        diffusion.but(f"{task}-mc-dropout", "The same with dropout left on when sampled.", kind="mc-dropout", **every),
    ]


def _ablation(recipe: Recipe, name: str, about: str, **changes: object) -> Recipe:
    """As the paper ablates: 50,000 steps, the last 10,000 of which decay where the rate decays at all."""
    decay_steps = min(10_000, recipe.config.decay_steps)
    return recipe.but(name, about, steps=50_000, decay_steps=decay_steps, **changes)


def _table_3() -> list[Recipe]:
    return [
        _ablation(
            recipe,
            f"table3-{task}-{prediction}-{weighting}",
            f"Table 3: {prediction}-prediction, {weighting} weighting, {task}.",
            prediction=prediction,
            weighting=weighting,
        )
        for (task, recipe), prediction, weighting in product(TASKS.items(), PREDICTIONS, WEIGHTINGS)
    ]


def _figure_7() -> list[Recipe]:
    return [
        _ablation(
            recipe,
            f"fig7-{task}-bias={bias}",
            f"Fig. 7: sigmoid weighting with bias {bias}, {task}.",
            weighting=f"sigmoid:{bias}",
            time_factor=True,
        )
        for (task, recipe), bias in product(TASKS.items(), SIGMOID_BIASES)
    ]


def _figure_8() -> list[Recipe]:
    return [
        _ablation(recipe, f"fig8-{task}-b={b:g}", f"Fig. 8: input scale b = {b:g}, {task}.", input_scale=b)
        for (task, recipe), b in product(TASKS.items(), INPUT_SCALES)
    ]


def _table_4() -> list[Recipe]:
    """Each model on its own UNet and on the other's, lesion-centred."""
    baselines = by_name(*_baselines("central", CENTRAL))
    models = {f"prob-unet-{latent}": baselines[f"central-prob-unet-{latent}"] for latent in LATENTS}
    models["diffusion"] = CENTRAL
    titles = {"prob-unet": "the Gen. Prob. UNet's network", "unet": "the diffusion UNet"}
    own = {model: "unet" if model == "diffusion" else "prob-unet" for model in models}
    return [
        _ablation(
            recipe,
            f"table4-{model}-on-{backbone}",
            f"Table 4: {model} on {title}.",
            backbone="own" if backbone == own[model] else backbone,  # so that lines of Table 1 may share its run
        )
        for (model, recipe), (backbone, title) in product(models.items(), titles.items())
    ]


def _negative_results() -> list[Recipe]:
    return [
        _ablation(
            CENTRAL,
            "central-self-conditioning",
            "Self-conditioning, in which the paper found no gain.",
            self_conditioning=True,
        ),
        _ablation(
            CENTRAL,
            "central-guidance",
            "Trained for classifier-free guidance, which the paper found to over-segment.",
            image_dropout=0.1,
        ),
    ]


PAPER_RECIPES = by_name(
    CENTRAL,
    CROP,
    *_baselines("central", CENTRAL),
    *_baselines("crop", CROP),
    *_table_3(),
    *_figure_7(),
    *_figure_8(),
    *_table_4(),
    *_negative_results(),
)

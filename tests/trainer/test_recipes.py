"""Every recipe is complete, buildable, and differs from its neighbours in what it is named for."""

import pytest

from napari_ambiseg.errors import SettingsError
from trainer.ablation.study import STUDIES
from trainer.kinds import KINDS
from trainer.recipes import RECIPES, SCALES, named_recipe
from trainer.weighting import named_weighting


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_names_itself_and_things_that_exist(name: str) -> None:
    config = named_recipe(name)
    assert config.recipe == name
    assert config.kind in KINDS
    named_weighting(config.weighting)


def test_no_two_recipes_are_the_same_run() -> None:
    # Three cells of the tables are the paper's chosen setting, and one recipe appears in two tables.
    runs = [config.model_dump_json(exclude={"recipe"}) for config in map(named_recipe, RECIPES)]
    chosen = {"table3-central-x-truncated-snr", "fig8-central-b=0.1", "table4-diffusion-on-unet"}
    chosen |= {"table3-crop-x-truncated-snr", "fig8-crop-b=0.1"}
    distinct = {run for name, run in zip(RECIPES, runs, strict=True) if name not in chosen}
    assert len(distinct) == len(RECIPES) - len(chosen)


def test_the_sweeps_span_what_the_paper_swept() -> None:
    scales = {named_recipe(name).input_scale for name in RECIPES if name.startswith("fig8-central")}
    assert scales == {1.0, 0.6, 0.3, 0.2, 0.1, 0.06, 0.03}
    cells = {(c.crop, c.prediction, c.weighting) for c in (named_recipe(n) for n in RECIPES if n.startswith("table3"))}
    assert len(cells) == 2 * 3 * 4


def test_the_systems_train_as_long_as_the_paper_says() -> None:
    # Section 7.2: the diffusion model's last weights, and of the baselines those of the best validation GED.
    said = {"diffusion": (400_000, "last"), "prob-unet": (200_000, "best"), "phiseg": (500_000, "best")}
    lines = [named_recipe(name) for study in ("table1", "table2") for name, _ in STUDIES[study].lines]
    judged = [config for config in lines if config.kind in said]
    assert len(judged) == 2 * 6
    assert all((config.steps, config.result) == said[config.kind] for config in judged)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", ["central", "crop-phiseg", "table3-crop-v-snr", "fig7-central-bias=-4"])
def test_a_smaller_scale_leaves_alone_what_a_recipe_is_about(name: str, scale: str) -> None:
    whole, small = named_recipe(name), named_recipe(f"{name}@{scale}")
    assert small.recipe == f"{name}@{scale}"
    assert small.steps < whole.steps
    kept = ("kind", "crop", "prediction", "weighting", "time_factor", "input_scale", "backbone", "latent", "optimizer")
    assert all(getattr(small, field) == getattr(whole, field) for field in kept)


@pytest.mark.parametrize(
    ("name", "words"),
    [("centrall", "did you mean central"), ("central@huge", "unknown scale 'huge'.*small-64"), ("", "--list")],
)
def test_a_name_that_does_not_exist_is_answered_with_those_that_do(name: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        named_recipe(name)

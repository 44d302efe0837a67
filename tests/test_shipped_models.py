"""What is said of the models that ship is said of the very files that ship."""

import hashlib
import json
from pathlib import Path

import pytest

from napari_ambiseg.engine import bundled_models

RESULTS = Path(__file__).parents[1] / "docs" / "results"
MODELS = bundled_models()


def short(value: float) -> str:
    """As the cards write a figure below 1."""
    return f"{value:.3f}".removeprefix("0")


def test_all_of_them_together_are_small() -> None:
    assert sum(file.stat().st_size for file in MODELS.values()) < 40e6


@pytest.mark.parametrize("name", MODELS)
def test_the_figures_are_of_the_file_on_all_validation_slices(name: str) -> None:
    figures = json.loads((RESULTS / name / "validation.json").read_text())
    assert figures["protocol"]["model_sha256"] == hashlib.sha256(MODELS[name].read_bytes()).hexdigest()
    assert (figures["slices"], figures["patients"]) == (2792, 175)


IN_PAIRS = [name for name in MODELS if (RESULTS / name / "pairs.json").exists()]


@pytest.mark.parametrize("name", IN_PAIRS)
def test_the_figures_in_pairs_are_of_the_same_file_and_told_as_such(name: str) -> None:
    alone, pairs = (json.loads((RESULTS / name / f"{kind}.json").read_text()) for kind in ("validation", "pairs"))
    assert pairs["protocol"] == {**alone["protocol"], "antithetic": True}
    page, card = (RESULTS / "models.md").read_text(), MODELS[name].with_suffix(".md").read_text()
    for figure in ("ged_4", "ged_4_pp", "ged_16", "hm_iou_16"):
        told = f"{short(pairs[figure]['mean'])} [{short(pairs[figure]['low'])}, {short(pairs[figure]['high'])}]"
        assert told in page
    assert short(pairs["ged_16"]["mean"]) in card


@pytest.mark.parametrize("name", MODELS)
def test_its_card_and_the_page_of_results_repeat_these_figures(name: str) -> None:
    figures = json.loads((RESULTS / name / "validation.json").read_text())
    card, page = MODELS[name].with_suffix(".md").read_text(), (RESULTS / "models.md").read_text()
    for figure in ("ged_4", "ged_4_pp", "dice_4", "dice_4_pp", "ged_16", "dice_16", "hm_iou_16"):
        one = figures[figure]
        told = f"{short(one['mean'])} [{short(one['low'])}, {short(one['high'])}]"
        assert told in card
        assert told in page
    assert "For research, not for diagnosis" in card

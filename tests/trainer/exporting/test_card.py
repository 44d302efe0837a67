"""A card says what the header says, and is never written over somebody's own words."""

from pathlib import Path

import pytest

from napari_ambiseg.models.checkpoint import Header, Model
from napari_ambiseg.models.deterministic import DeterministicConfig, DeterministicSegmenter
from napari_ambiseg.models.unet_config import named_size
from trainer.config import FitConfig
from trainer.exporting.card import CardFacts, card, may_replace
from trainer.exporting.figures import figures_table

from .conftest import evaluated

FACTS = CardFacts("model.safetensors", "32 bits each, as asked for")


def model_of(*names: str) -> Model:
    segmenter = DeterministicSegmenter(DeterministicConfig(named_size("tiny", in_channels=1, time_embedding=0)))
    training = {
        "fit": FitConfig(recipe="mine", steps=20, seed=7).model_dump(mode="json"),
        "data": {"names": list(names), "split": "train"},
        "data_sha256": "ab" * 32,
        "step": 12,
        "slices": 30,
        "patients": 6,
    }
    return Model(segmenter, Header("deterministic", {}, name="Mine", description="A toy.", training=training))


def test_a_card_says_what_the_model_is_and_that_it_is_for_research() -> None:
    model = model_of("a.h5")
    text = card(model, FACTS)
    assert text.startswith("# Mine\n\nA toy.\n\n**For research, not for diagnosis.**")
    parameters = sum(p.numel() for p in model.segmenter.parameters())  # type: ignore[attr-defined]
    for said in ("recipe mine, step 12 of 20", "seed 7", "30 slices of 6 patients", "ab" * 32):
        assert said in text
    assert f"{parameters:,} parameters" in text
    assert "64 x 64 mm" in text  # 128 pixels of 0.5 mm
    assert "was not evaluated" in text


@pytest.mark.parametrize(
    ("names", "said", "unsaid"),
    [
        (["lidc_train_a.h5", "LIDC_b.h5"], "10.7937/K9/TCIA.2015.LO9QL9SX", "rendered"),
        (["phantom:80"], "rendered by a computer", "whose they are"),
        (["lidc.h5", "ours.h5"], "Say so here before you pass the model on", "CC BY"),
        ([], "Say so here", "CC BY"),
    ],
)
def test_the_licence_is_that_of_the_data(names: list[str], said: str, unsaid: str) -> None:
    text = card(model_of(*names), FACTS)
    assert said in text
    assert unsaid not in text


def test_own_words_on_the_data_replace_the_programs() -> None:
    text = card(model_of("lidc.h5"), CardFacts("m.safetensors", "", about_data="Ours, CC0."))
    assert "## Data and licence\n\nOurs, CC0.\n" in text
    assert "TCIA" not in text


def test_figures_stand_on_the_card_as_they_were_read() -> None:
    figures = evaluated("0" * 64)
    assert figures_table(figures) in card(model_of("a.h5"), CardFacts("m.safetensors", "", figures))


def test_only_an_unedited_card_may_be_replaced(tmp_path: Path) -> None:
    path = tmp_path / "model.md"
    assert may_replace(path)
    path.write_text(card(model_of("a.h5"), FACTS))
    assert may_replace(path)
    path.write_text(path.read_text().replace("A toy.", "My best."))
    assert not may_replace(path)
    path.write_text("# By hand\n")
    assert not may_replace(path)


def test_words_below_the_mark_are_somebodys_own_too(tmp_path: Path) -> None:
    path = tmp_path / "model.md"
    path.write_text(card(model_of("a.h5"), FACTS) + "\nRead this first.\n")
    assert not may_replace(path)

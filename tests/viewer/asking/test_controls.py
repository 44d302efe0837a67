"""The form of settings on its own: what it offers, where it begins, what it keeps."""

from dataclasses import replace
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QComboBox
from torch import nn

from napari_ambiseg.diffusion.sampling import SAMPLERS, WITH_ETA
from napari_ambiseg.engine import SamplingOptions, bundled_models, load_model
from napari_ambiseg.models.checkpoint import save_checkpoint
from napari_ambiseg.viewer.asking.controls import SettingsForm
from napari_ambiseg.viewer.asking.summary import in_a_line, in_full
from napari_ambiseg.viewer.session.settings import Settings


@pytest.fixture
def form(qtbot: QtBot) -> SettingsForm:
    form = SettingsForm({"m": Path("m.safetensors")})
    qtbot.addWidget(form)
    return form


def test_every_sampler_can_be_chosen(form: SettingsForm) -> None:
    assert form.sampler.choices == tuple(SAMPLERS)
    for sampler in SAMPLERS:
        form.sampler.value = sampler
        assert form.settings(0.1).options.sampler == sampler


def test_eta_is_open_for_the_samplers_that_look_at_it(form: SettingsForm) -> None:
    for sampler in [*SAMPLERS, *reversed(SAMPLERS)]:
        form.sampler.value = sampler
        assert form.eta.enabled == (sampler in WITH_ETA), sampler


def test_the_form_begins_with_the_usual_settings(form: SettingsForm) -> None:
    assert form.settings(0.1) == Settings(model="m", options=SamplingOptions(), threshold=0.1)


def test_what_is_shown_is_what_is_set(form: SettingsForm) -> None:
    options = SamplingOptions(steps=7, sampler="dpm++2m", eta=0.5)
    shown = Settings(model="m", readings=3, options=options, seed=8, threshold=0.25)
    form.show_settings(shown)
    assert form.settings(0.25) == shown


def test_steps_and_sampler_are_closed_while_no_chosen_model_looks_at_them(qtbot: QtBot) -> None:
    form = SettingsForm(bundled_models())
    qtbot.addWidget(form)
    for also, in_steps in ((), False), (("lidc-crop-prob-unet-mini-64",), False), (("lidc-small-64",), True):
        form.model.choose("lidc-prob-unet-mini-64", also=also)
        assert (form.steps.enabled, form.sampler.enabled, form.eta.enabled) == (in_steps,) * 3
        assert ("the model answers in one step" in form.steps.tooltip) is not in_steps
    form.model.choose("lidc-small-64", also=())
    assert form.steps.enabled
    form.sampler.value = "ddpm"
    assert not form.eta.enabled


def test_it_says_that_readings_in_pairs_have_another_ged(form: SettingsForm) -> None:
    assert "GED of 16 such readings is usually lower than that of 16 independent ones" in form.pairs.tooltip


def test_a_summary_says_steps_and_sampler_where_they_matter() -> None:
    one_shot = Settings(model="lidc-prob-unet-mini-64", readings=16, seed=3)
    both = replace(one_shot, also=("lidc-small-64",))
    assert in_a_line(one_shot, "under 1 s") == "16 readings, lidc-prob-unet-mini-64, under 1 s"
    assert in_a_line(both) == "16 readings, 6 steps, lidc-prob-unet-mini-64 and 1 more"
    assert in_full(one_shot).splitlines()[:2] == ["16 readings by lidc-prob-unet-mini-64", "In pairs, seed 3"]
    assert in_full(replace(one_shot, antithetic=False)).splitlines()[1] == "Seed 3"
    assert in_full(both).splitlines()[0] == "16 readings of 6 steps by lidc-prob-unet-mini-64, lidc-small-64"
    assert in_full(both).splitlines()[1].startswith("Sampler dpm++2m")


def test_it_says_how_small_a_lesion_the_model_draws(form: SettingsForm, tmp_path: Path) -> None:
    loaded = load_model("lidc-prob-unet-mini-64")
    assert isinstance(loaded.segmenter, nn.Module)
    told = "at its own size, a reading below 6 mm² counts as no lesion"
    for name, pixels in (("small", 24), ("any", 0)):
        header = replace(loaded.header, smallest_px=pixels)
        save_checkpoint(tmp_path / f"{name}.safetensors", loaded.segmenter, header)
        form.model.choose(str(tmp_path / f"{name}.safetensors"))
        assert any(told in box.toolTip() for box in form.model.findChildren(QComboBox)) is bool(pixels)

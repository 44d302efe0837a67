"""The form of settings on its own: what it offers, where it begins, what it keeps."""

from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from napari_ambiseg.diffusion.sampling import SAMPLERS, WITH_ETA
from napari_ambiseg.engine import SamplingOptions
from napari_ambiseg.viewer.asking.controls import SettingsForm
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

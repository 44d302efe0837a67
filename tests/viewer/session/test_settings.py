"""Settings are checked when they are made, and remembered."""

from pathlib import Path

import pytest

from napari_ambiseg.engine import SamplingOptions
from napari_ambiseg.errors import SettingsError
from napari_ambiseg.viewer.session.settings import Settings, remember_settings, remembered_settings


@pytest.mark.parametrize(
    "wrong", [{"readings": 0}, {"readings": 101}, {"seed": -1}, {"threshold": 1.5}, {"threshold": -0.1}, {"model": ""}]
)
def test_settings_out_of_range_are_refused(wrong: dict) -> None:
    with pytest.raises(SettingsError):
        Settings(**wrong)


def test_four_readings_are_the_first_four_of_sixteen() -> None:
    assert Settings(readings=4).seeds == Settings(readings=16).seeds[:4]


def test_settings_are_remembered(tmp_path: Path) -> None:
    chosen = Settings(model="m", readings=7, options=SamplingOptions(steps=3, sampler="ddpm"), seed=9, threshold=0.25)
    remember_settings(chosen, tmp_path / "new" / "viewer.json")
    assert remembered_settings(tmp_path / "new" / "viewer.json") == chosen


@pytest.mark.parametrize(
    "text", ["", "{", '{"readings": 0}', '{"options": {"sampler": "magic"}}', "[1]", '{"steps": 2}']
)
def test_damaged_settings_give_way_to_the_defaults(text: str, tmp_path: Path) -> None:
    path = tmp_path / "viewer.json"
    path.write_text(text)
    assert remembered_settings(path) == Settings()


def test_a_folder_that_cannot_be_written_does_not_disturb(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    remember_settings(Settings(), tmp_path / "file" / "viewer.json")

from pathlib import Path

import pytest

from napari_ambiseg import engine
from napari_ambiseg.viewer.asking.warming import warm_up
from napari_ambiseg.viewer.session.settings import Settings


def test_the_model_of_the_settings_is_in_memory_when_it_is_asked_for(
    toy_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warm_up(Settings(model=str(toy_model), engine="torch", device="cpu")).join()
    monkeypatch.setattr("napari_ambiseg.engine.catalogue.load_checkpoint", lambda path: pytest.fail("read again"))
    engine.load_model(str(toy_model))


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_what_goes_wrong_is_left_to_the_run_to_say(tmp_path: Path) -> None:
    warm_up(Settings(model=str(tmp_path / "gone.safetensors"))).join()

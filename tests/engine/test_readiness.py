from pathlib import Path

import pytest

from napari_ambiseg.engine import choice, load_model, make_ready
from napari_ambiseg.engine.backends.on_torch import TorchBackend
from napari_ambiseg.errors import CheckpointError, SettingsError


def test_what_was_made_ready_is_not_made_again(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[object] = []
    make = TorchBackend.open
    monkeypatch.setattr(choice.TorchBackend, "open", lambda *given: opened.append(given) or make(*given))
    make_ready(str(checkpoint), device="cpu", engine="torch")
    assert len(opened) == 1
    monkeypatch.setattr("napari_ambiseg.engine.catalogue.load_checkpoint", lambda path: pytest.fail("read again"))
    assert load_model(checkpoint).header.name == "tiny"


@pytest.mark.parametrize(
    ("model", "device", "engine", "error"),
    [
        ("no-such-model", "cpu", "auto", CheckpointError),
        ("tiny", "no-such-device", "auto", SettingsError),
        ("tiny", "cpu", "no-such-engine", SettingsError),
    ],
)
def test_what_cannot_be_made_ready_is_an_error(
    checkpoint: Path, model: str, device: str, engine: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        make_ready(str(checkpoint) if model == "tiny" else model, device=device, engine=engine)

import os
from pathlib import Path

import pytest

from napari_ambiseg.engine import catalogue
from napari_ambiseg.engine.catalogue import DEFAULT_MODEL, bundled_models, load_model, takes_steps
from napari_ambiseg.errors import CheckpointError


@pytest.fixture
def bundled(monkeypatch: pytest.MonkeyPatch, checkpoint: Path) -> Path:
    """A folder of weights that holds `tiny` and the default model."""
    monkeypatch.setattr(catalogue, "_WEIGHTS", checkpoint.parent)
    (checkpoint.parent / f"{DEFAULT_MODEL}.safetensors").write_bytes(checkpoint.read_bytes())
    (checkpoint.parent / "aardvark.safetensors").write_bytes(checkpoint.read_bytes())
    (checkpoint.parent / "tiny.md").write_text("its card")
    return checkpoint.parent


def test_bundled_models_are_listed_by_name_the_default_first(bundled: Path) -> None:
    assert list(bundled_models()) == [DEFAULT_MODEL, "aardvark", "tiny"]


def test_baselines_are_listed_last(bundled: Path) -> None:
    (bundled / "a-prob-unet.safetensors").write_bytes((bundled / "tiny.safetensors").read_bytes())
    assert list(bundled_models()) == [DEFAULT_MODEL, "aardvark", "tiny", "a-prob-unet"]


def test_steps_matter_to_diffusion_and_to_what_cannot_be_read(checkpoint: Path, tmp_path: Path) -> None:
    assert takes_steps("lidc-small-64")
    assert takes_steps(checkpoint)
    assert takes_steps(tmp_path / "missing.safetensors")
    assert not takes_steps("lidc-prob-unet-mini-64")


def test_a_model_is_found_by_name_and_by_path(bundled: Path) -> None:
    assert load_model("tiny").header.name == "tiny"
    assert load_model(bundled / "tiny.safetensors") is load_model("tiny")


def test_a_file_that_changed_is_read_again(checkpoint: Path) -> None:
    first = load_model(checkpoint)
    assert load_model(checkpoint) is first
    os.utime(checkpoint, ns=(1, 1))
    assert load_model(checkpoint) is not first


def test_an_unknown_name_is_refused_with_the_known_ones(bundled: Path) -> None:
    with pytest.raises(CheckpointError, match=f"no model 'nonesuch'.*{DEFAULT_MODEL}, aardvark, tiny"):
        load_model("nonesuch")


def test_a_damaged_model_is_refused(checkpoint: Path) -> None:
    checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="fetch or train it again"):
        load_model(checkpoint)

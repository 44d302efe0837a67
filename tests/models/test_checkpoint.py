"""Model files: what goes in comes out, and whatever is not exactly that is refused in one sentence."""

import errno
import json
import os
import random
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NoReturn

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from napari_ambiseg.errors import CheckpointError
from napari_ambiseg.models import checkpoint
from napari_ambiseg.models.checkpoint import (
    FORMAT_VERSION,
    Grid,
    Header,
    load_checkpoint,
    read_header,
    read_tensors,
    save_checkpoint,
    write_tensors,
)
from napari_ambiseg.models.diffusion_segmenter import DiffusionConfig, DiffusionSegmenter
from napari_ambiseg.models.segmenter import SamplingOptions
from napari_ambiseg.models.unet_config import named_size
from napari_ambiseg.readings.intensity import Intensity

CONFIG = DiffusionConfig(named_size("tiny"), input_scale=0.2)
HEADER = Header(
    kind="diffusion",
    config=asdict(CONFIG),
    grid=Grid(size=(64, 48), spacing_mm=(0.5, 0.625)),
    intensity=Intensity(lung_hu=-900.0),
    name="tiny",
    description="Läsionen, in a sentence.",
    training={"data": ["a.h5"], "steps": 10, "loss": 0.1 + 0.2},
)
TENSORS = {
    "weight": torch.linspace(-1, 1, 12).view(3, 4),
    "half": torch.tensor([1.0, 65504.0]).half(),
    "count": torch.tensor(7),
    "empty": torch.zeros(0, 3),
    "chosen": torch.tensor([True, False]),
}


@pytest.fixture
def model() -> DiffusionSegmenter:
    torch.manual_seed(0)
    model = DiffusionSegmenter(CONFIG)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    return model.eval()


@pytest.fixture
def saved(model: DiffusionSegmenter, tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    save_checkpoint(path, model, HEADER)
    return path


def refusal(read: Callable[[Path], object], path: Path) -> str:
    """The sentence with which a file is refused: one line that names the file."""
    with pytest.raises(CheckpointError) as refused:
        read(path)
    sentence = str(refused.value)
    assert str(path) in sentence
    assert "\n" not in sentence
    return sentence


def plain_file(path: Path, header: object) -> None:
    """A safetensors file with any header, signed as if it were ours."""
    text = json.dumps(header)
    save_file(TENSORS, path, metadata={"napari-ambiseg": text, "napari-ambiseg-sha256": checkpoint._sha256(text)})


def test_a_saved_model_comes_back_bit_by_bit(model: DiffusionSegmenter, saved: Path) -> None:
    loaded = load_checkpoint(saved)
    assert isinstance(loaded.segmenter, DiffusionSegmenter)
    assert loaded.segmenter.config == CONFIG
    assert not loaded.segmenter.training
    weights = loaded.segmenter.state_dict()
    assert weights.keys() == model.state_dict().keys()
    for name, expected in model.state_dict().items():
        assert torch.equal(weights[name], expected), name
    image, options = torch.zeros(1, 16, 16), SamplingOptions(steps=2)
    before = list(model.sample(image, seeds=[3], options=options))[-1].x_hat
    assert torch.equal(list(loaded.segmenter.sample(image, seeds=[3], options=options))[-1].x_hat, before)


def test_the_same_model_is_the_same_file_byte_for_byte(model: DiffusionSegmenter, tmp_path: Path) -> None:
    """So that a checksum tells models apart; safetensors alone would shuffle its metadata."""
    files = [tmp_path / f"{i}.safetensors" for i in range(8)]
    for path in files:
        save_checkpoint(path, model, HEADER)
    assert len({path.read_bytes() for path in files}) == 1


def test_a_header_comes_back_as_it_was_with_and_without_the_weights(saved: Path) -> None:
    """Its configuration is as in JSON: enums by value, tuples as lists."""
    plain = json.loads(json.dumps(HEADER.config, default=lambda value: value.value))
    expected = replace(HEADER, config=plain)
    assert read_header(saved) == expected
    assert load_checkpoint(saved).header == expected
    assert expected.grid.extent_mm == (32.0, 30.0)


def test_half_precision_rounds_once_and_halves_the_file(model: DiffusionSegmenter, saved: Path) -> None:
    path = saved.with_name("half.safetensors")
    save_checkpoint(path, model, HEADER, half=True)
    weights = load_checkpoint(path).segmenter.state_dict()  # type: ignore[attr-defined]
    for name, expected in model.state_dict().items():
        assert weights[name].dtype == torch.float32
        assert torch.equal(weights[name], expected.half().float()), name
        torch.testing.assert_close(weights[name], expected, rtol=2**-11, atol=2**-24)
    assert path.stat().st_size < 0.6 * saved.stat().st_size


def test_tensors_of_every_shape_and_type_come_back(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "state.safetensors"
    write_tensors(path, {**TENSORS, "strided": TENSORS["weight"].T}, {"version": FORMAT_VERSION, "step": 3})
    tensors, header = read_tensors(path)
    assert header == {"version": FORMAT_VERSION, "step": 3}
    assert tensors.keys() == {*TENSORS, "strided"}
    for name, expected in {**TENSORS, "strided": TENSORS["weight"].T}.items():
        assert tensors[name].dtype == expected.dtype
        assert torch.equal(tensors[name], expected), name


def test_a_damaged_byte_anywhere_is_refused(saved: Path) -> None:
    """200 random places of a whole model."""
    intact = saved.read_bytes()
    places = random.Random(0)
    for _ in range(200):
        place = places.randrange(len(intact))
        damaged = bytearray(intact)
        damaged[place] ^= places.randrange(1, 256)
        saved.write_bytes(damaged)
        refusal(load_checkpoint, saved)


def test_a_damaged_byte_in_the_header_is_refused_or_harmless(tmp_path: Path) -> None:
    """Every byte before the tensors, each in three ways; harmless is what changes only the blanks that pad it."""
    path = tmp_path / "state.safetensors"
    header = {"version": FORMAT_VERSION, "name": "tiny", "nested": {"loss": 0.30000000000000004, "list": [1, None]}}
    write_tensors(path, TENSORS, header)
    intact = path.read_bytes()
    length = 8 + int.from_bytes(intact[:8], "little")
    padding = length - len(intact[:length].rstrip(b" "))
    harmless = 0
    for place in range(length):
        for change in (0x01, 0x20, 0x80):
            damaged = bytearray(intact)
            damaged[place] ^= change
            path.write_bytes(damaged)
            try:
                tensors, read = read_tensors(path)
            except CheckpointError:
                continue
            harmless += 1
            assert read == header, (place, change)
            assert all(torch.equal(tensors[name], TENSORS[name]) for name in TENSORS), (place, change)
            assert tensors.keys() == TENSORS.keys()
    assert harmless <= 3 * padding


def test_a_damaged_header_is_noticed_without_reading_the_weights(saved: Path) -> None:
    intact = saved.read_bytes()
    assert intact.count(b"in a sentence") == 1
    saved.write_bytes(intact.replace(b"in a sentence", b"in a sentenze"))
    assert "its header does not match its checksum" in refusal(read_header, saved)
    assert "its header does not match its checksum" in refusal(load_checkpoint, saved)


def test_altered_weights_are_noticed(saved: Path) -> None:
    damaged = bytearray(saved.read_bytes())
    damaged[-1] ^= 0x01
    saved.write_bytes(damaged)
    assert "its weights do not match its checksum; fetch or train it again" in refusal(load_checkpoint, saved)


def test_a_truncated_file_is_refused_at_every_length(saved: Path) -> None:
    intact = saved.read_bytes()
    header = 8 + int.from_bytes(intact[:8], "little")
    lengths = {
        0,
        1,
        7,
        8,
        9,
        header - 1,
        header,
        header + 1,
        len(intact) - 1,
        *range(0, len(intact), len(intact) // 40),
    }
    for length in sorted(lengths):
        saved.write_bytes(intact[:length])
        assert "is no complete safetensors file" in refusal(load_checkpoint, saved)
        assert "is no complete safetensors file" in refusal(read_header, saved)


def test_a_file_with_something_appended_is_refused(saved: Path) -> None:
    saved.write_bytes(saved.read_bytes() + b"\0")
    refusal(load_checkpoint, saved)


@pytest.mark.parametrize("content", [b"PK\x03\x04 a zip file", b"\x89HDF\r\n\x1a\n", b"{}", bytes(1000)])
def test_another_kind_of_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    assert "is no complete safetensors file" in refusal(load_checkpoint, path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    assert "there is no model file at" in refusal(load_checkpoint, tmp_path / "absent.safetensors")
    assert "there is no model file at" in refusal(read_header, tmp_path)


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}])
def test_someone_elses_safetensors_are_refused(tmp_path: Path, metadata: dict[str, str] | None) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"weight": torch.zeros(2)}, path, metadata=metadata)
    assert "holds tensors but no napari-ambiseg model" in refusal(load_checkpoint, path)


@pytest.mark.parametrize("version", [FORMAT_VERSION + 1, 0, "1", None])
def test_another_version_is_refused_with_both_versions(tmp_path: Path, version: object) -> None:
    path = tmp_path / "model.safetensors"
    plain_file(path, {**asdict(replace(HEADER, config={})), "version": version})
    sentence = refusal(load_checkpoint, path)
    assert f"format version {version!r}, this program reads version {FORMAT_VERSION}" in sentence
    assert "export the model again" in sentence


@pytest.mark.parametrize("header", [[], "version", 1, None])
def test_a_header_that_is_no_record_is_refused(tmp_path: Path, header: object) -> None:
    path = tmp_path / "model.safetensors"
    plain_file(path, header)
    refusal(load_checkpoint, path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"kind": None}, "kind: Input should be a valid string"),
        ({"config": 3}, "config: Input should be a valid dictionary"),
        ({"grid": {"size": [64], "spacing_mm": [0.5, 0.5]}}, "grid.size.1: Field required"),
        ({"mood": "good"}, "mood: Unexpected keyword argument"),
    ],
)
def test_a_header_with_wrong_fields_is_refused_by_field(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    path = tmp_path / "model.safetensors"
    write_tensors(path, TENSORS, {**asdict(HEADER), **changes})
    assert said in refusal(load_checkpoint, path)
    assert said in refusal(read_header, path)


def test_weights_of_another_network_are_refused(model: DiffusionSegmenter, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    wider = asdict(replace(CONFIG, unet=named_size("tiny", channels=(16, 64))))
    save_checkpoint(path, model, replace(HEADER, config=wider))
    assert "do not fit the model that its header names" in refusal(load_checkpoint, path)
    save_checkpoint(path, nn.Linear(2, 2), HEADER)
    assert "do not fit the model that its header names" in refusal(load_checkpoint, path)


def no_space(*args: object, **kwargs: object) -> NoReturn:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(("owner", "failing"), [(Path, "mkdir"), (Path, "open"), (os, "fsync"), (os, "replace")])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(
    model: DiffusionSegmenter, saved: Path, monkeypatch: pytest.MonkeyPatch, owner: object, failing: str
) -> None:
    before = saved.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(owner, failing, no_space)
        sentence = refusal(lambda path: save_checkpoint(path, model, replace(HEADER, name="new")), saved)
    assert "No space left on device" in sentence
    assert "make room for 0." in sentence
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_an_interrupted_save_leaves_the_old_file_and_nothing_else(
    model: DiffusionSegmenter, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*args: object) -> NoReturn:
        raise KeyboardInterrupt

    before = saved.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", interrupt)
        with pytest.raises(KeyboardInterrupt):
            save_checkpoint(saved, model, HEADER)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_a_place_that_cannot_be_written_to_is_refused(model: DiffusionSegmenter, saved: Path) -> None:
    for impossible in (saved / "below a file.safetensors", saved.parent / ("long" * 100)):
        assert "cannot write the model file" in refusal(lambda path: save_checkpoint(path, model, HEADER), impossible)
    assert list(saved.parent.iterdir()) == [saved]


def test_a_folder_of_that_name_is_left_alone(model: DiffusionSegmenter, tmp_path: Path) -> None:
    folder = tmp_path / "model.safetensors"
    folder.mkdir()
    refusal(lambda path: save_checkpoint(path, model, HEADER), folder)
    assert list(tmp_path.iterdir()) == [folder]


def test_a_saved_file_may_be_read_by_whom_the_umask_lets(model: DiffusionSegmenter, tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        save_checkpoint(tmp_path / "model.safetensors", model, HEADER)
    finally:
        os.umask(before)
    assert (tmp_path / "model.safetensors").stat().st_mode & 0o777 == 0o644


def test_a_header_takes_nothing_that_json_cannot_hold(tmp_path: Path) -> None:
    tensors: dict[str, Tensor] = {}
    with pytest.raises(TypeError, match="a header cannot hold"):
        write_tensors(tmp_path / "state.safetensors", tensors, {"version": FORMAT_VERSION, "when": object()})
    assert list(tmp_path.iterdir()) == []

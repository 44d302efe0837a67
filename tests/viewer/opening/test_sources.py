"""What napari's File menu opens."""

from pathlib import Path

import numpy as np
import pytest
from napari.layers import Layer
from npe2 import PluginManifest

from napari_ambiseg.errors import AmbisegError, DataFileError
from napari_ambiseg.io.lidc_hdf5 import write_lidc_hdf5
from napari_ambiseg.readings.collection import SliceCollection
from napari_ambiseg.viewer.image.origin import Origin, origin_of
from napari_ambiseg.viewer.opening import sources


@pytest.fixture
def lidc_file(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    slices = SliceCollection(
        images=rng.integers(0, 256, (3, 40, 50), dtype=np.uint8),
        readings=rng.random((3, 4, 40, 50)) < 0.3,
        subjects=("p", "p", "q"),
        nodules=np.array([0, 0, 1]),
        names=("one", "two", "three"),
        spacing_mm=(0.5, 0.6),
    )
    write_lidc_hdf5(tmp_path / "slices.h5", {"test": slices, "train": slices, "val": slices})
    return tmp_path / "slices.h5"


def test_the_manifest_is_valid_and_everything_it_names_exists() -> None:
    manifest = PluginManifest.from_distribution("napari-ambiseg")
    for command in manifest.contributions.commands:
        assert callable(command.python_name and command.exec.__self__.python_name and _resolve(command.python_name))


def _resolve(python_name: str) -> object:
    import importlib

    module, _, name = python_name.partition(":")
    return getattr(importlib.import_module(module), name)


def test_a_file_opens_as_an_image_in_millimetres_and_its_experts(lidc_file: Path) -> None:
    (image, options, kind), *masks = sources.read_file(str(lidc_file))
    assert kind == "image"
    assert image.shape == (40, 50)
    assert options["scale"] == (0.5, 0.6)
    assert options["units"] == ("mm", "mm")
    assert options["name"] == "one"
    assert options["metadata"]["napari-ambiseg"].split == "val"  # not the first in the alphabet
    assert [m[2] for m in masks] == ["labels"] * 4
    assert len({o["metadata"]["napari-ambiseg"].key for _, o, _ in [(image, options, kind), *masks]}) == 1


def test_another_slice_comes_from_the_same_file_with_the_same_key(lidc_file: Path) -> None:
    origin: Origin = sources.read_file(str(lidc_file))[0][1]["metadata"]["napari-ambiseg"]
    assert (origin.index, origin.count) == (0, 3)
    shown, other = sources.other_slice(origin, 2)
    assert (shown.name, other.index, other.key) == ("three", 2, origin.key)
    with pytest.raises(DataFileError):
        sources.other_slice(origin, 3)


@pytest.fixture
def opened(lidc_file: Path) -> list[Layer]:
    """The image and four experts of the first slice."""
    return [Layer.create(*data) for data in sources.read_file(str(lidc_file))]


def test_experts_keep_their_own_masks_when_layers_were_reordered_and_removed(opened: list[Layer]) -> None:
    image, first, second, third, fourth = opened
    origin = origin_of(image)
    left = [fourth, image, second, first]  # the third is removed
    assert sources.go_to(origin, 1, left) == []
    shown, _ = sources.other_slice(origin, 1)
    for layer, reader in ((first, 0), (second, 1), (fourth, 3)):
        np.testing.assert_array_equal(layer.data, shown.readings[reader])
        assert (origin_of(layer).index, origin_of(layer).reader) == (1, reader)
    np.testing.assert_array_equal(third.data, sources.other_slice(origin, 0)[0].readings[2])


def test_what_was_painted_into_an_expert_survives_as_an_own_layer(opened: list[Layer]) -> None:
    image, first, *_ = opened
    first.data[0:3, 0:3] = 5
    painted = first.data.copy()
    (kept,) = sources.go_to(origin_of(image), 2, opened)
    np.testing.assert_array_equal(kept.data, painted)
    assert origin_of(kept) is None
    assert "Expert 1" in kept.name
    assert "one" in kept.name
    np.testing.assert_array_equal(first.data, sources.other_slice(origin_of(image), 2)[0].readings[0])
    assert sources.go_to(origin_of(image), 0, opened) == []


def test_a_file_that_is_none_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "not.h5").write_text("not")
    with pytest.raises(AmbisegError, match=r"not\.h5"):
        sources.read_file(str(tmp_path / "not.h5"))


def test_the_bundled_sample_says_that_it_is_rendered() -> None:
    (image, options, _), *masks = sources.bundled_sample()
    origin = options["metadata"]["napari-ambiseg"]
    assert origin.rendered
    assert origin.count > 1
    assert np.isfinite(image).all()
    assert any(mask.any() for mask, _, _ in masks)
    assert origin_of(None) is None

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_ambiseg.errors import DataFileError
from napari_ambiseg.io.picture import read_picture

GREY = np.random.default_rng(0).integers(0, 256, (6, 7), dtype=np.uint8)


@pytest.mark.parametrize(
    ("name", "pixels"),
    [
        ("a.png", GREY),
        ("a.png", GREY.astype(np.uint16) * 200),
        ("a.TIFF", GREY),
        ("a.tif", GREY.astype(np.float32) - 1000),
        ("a.tif", GREY.astype(np.int32) - 1000),
        ("a.npy", GREY.astype(np.int16) - 1000),
    ],
)
def test_grey_values_come_back_whatever_the_format(tmp_path: Path, name: str, pixels: np.ndarray) -> None:
    path = tmp_path / name
    np.save(path, pixels) if path.suffix == ".npy" else Image.fromarray(pixels).save(path)
    picture = read_picture(path)
    np.testing.assert_array_equal(picture.pixels, pixels)
    assert picture.experts.shape == (0, 6, 7)
    assert picture.spacing_mm is None


def test_an_archive_may_bring_experts_and_spacing(tmp_path: Path) -> None:
    experts = GREY[None] > np.array([50, 99])[:, None, None]
    np.savez(tmp_path / "a.npz", image=GREY, experts=experts, spacing_mm=np.array([0.5, 0.6]), other=np.zeros(3))
    picture = read_picture(tmp_path / "a.npz")
    np.testing.assert_array_equal(picture.pixels, GREY)
    np.testing.assert_array_equal(picture.experts, experts)
    assert picture.spacing_mm == (0.5, 0.6)


def test_an_only_array_is_the_picture_whatever_its_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", ct=GREY)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.npz").pixels, GREY)


def test_colours_keep_three_channels_so_that_the_engine_can_refuse_them(tmp_path: Path) -> None:
    colour = Image.fromarray(np.dstack([GREY, GREY, GREY]))
    colour.save(tmp_path / "a.png")
    colour.quantize(16).save(tmp_path / "palette.png")
    assert read_picture(tmp_path / "a.png").pixels.shape == (6, 7, 3)
    assert read_picture(tmp_path / "palette.png").pixels.shape == (6, 7, 3)


def test_several_pages_are_refused(tmp_path: Path) -> None:
    pages = [Image.fromarray(GREY), Image.fromarray(GREY)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(DataFileError, match="holds 2 pages"):
        read_picture(tmp_path / "a.tif")


def test_an_archive_that_does_not_say_which_array_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", one=GREY, two=GREY)
    with pytest.raises(DataFileError, match=r"one, two.*name it `image`"):
        read_picture(tmp_path / "a.npz")


def test_experts_of_another_size_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", image=GREY, experts=np.zeros((2, 7, 6), bool))
    with pytest.raises(DataFileError, match="of the picture's size"):
        read_picture(tmp_path / "a.npz")


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.npy"])
@pytest.mark.parametrize("content", [b"", b"no picture at all", b"\x89PNG\r\n\x1a\n\0\0", b"II*\0\x08\0\0\0\xff\xff"])
def test_what_is_no_picture_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataFileError, match="save it again"):
        read_picture(tmp_path / name)


def test_a_picture_cut_short_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (99, 99), dtype=np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:5000])
    with pytest.raises(DataFileError, match="save it again"):
        read_picture(tmp_path / "a.png")


def test_a_missing_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match="check the path"):
        read_picture(tmp_path / "a.png")

"""The reverse diffusion in pictures: every sample a tile over the slice, x_t, the predicted mask, or both side by side.

A picture is two planes: how bright the slice is, and how strongly the mask's colour covers it. Films blend them in full
colour; a GIF, which has 256 colours, takes them in 32 greys under 8 strengths each, so that no dithering is needed.

Legend: T states, S samples, h x w pixels of the model's grid, H x W pixels of a picture.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from napari_ambiseg.errors import InputImageError

_GREYS, _STRENGTHS = 32, 8  # of a GIF
_MASK_RGB = np.array([255, 140, 0])
_COVER = 0.6  # how much of the grey the strongest colour hides
_SIDE = 512  # pixels that a grid of samples should roughly measure
_LINE = 14  # height of a line of text
_GAP = 2
_NARROWEST = 480  # pixels that the text needs


class Shown(Enum):
    """What a film shows of each sample."""

    X_T = "x_t"
    MASK = "predicted mask"
    BOTH = "x_t | predicted mask"


@dataclass(frozen=True, slots=True)
class Film:
    """A reverse diffusion that was kept.

    Attributes:
        x_t: Noisy masks (T, S, h, w): -1 (or less) is outside, 1 inside.
        x_hat: Masks that the model would answer then (T, S, h, w), in [-1, 1]; inside where above 0.
        image: The slice on the model's grid (h, w), in any grey scale.
        steps: Number of the step that led to each state (T,), counted from 1.
        log_snr: Log SNR of each state (T,).

    Raises:
        InputImageError: If there is nothing to show, or the arrays are not of one film.
    """

    x_t: NDArray[np.float32]
    x_hat: NDArray[np.float32]
    image: NDArray[np.float32]
    steps: NDArray[np.int64]
    log_snr: NDArray[np.float64]

    def __post_init__(self) -> None:
        states = self.x_t.shape
        fits = len(states) == 4 and 0 not in states and self.image.shape == states[2:] and self.x_hat.shape == states
        if not (fits and self.steps.shape == self.log_snr.shape == states[:1]):
            raise InputImageError(
                f"cannot animate states {states} and {self.x_hat.shape} over an image {self.image.shape}, with "
                f"{self.steps.shape} steps and {self.log_snr.shape} log SNR; expected (states, samples, height, width) "
                "twice, none of them 0, (height, width), and one number for each state"
            )

    def __len__(self) -> int:
        return len(self.x_t)


@dataclass(frozen=True, slots=True)
class Picture:
    """One frame.

    Attributes:
        grey: Brightness (H, W), float32 in [0, 1].
        strength: Of the mask's colour (H, W), float32 in [0, 1].
    """

    grey: NDArray[np.float32]
    strength: NDArray[np.float32]

    def rgb(self) -> NDArray[np.uint8]:
        """In full colour (H, W, 3)."""
        return _blended(self.grey[..., None], self.strength[..., None])

    def paletted(self) -> Image.Image:
        """In the 256 colours of a GIF."""
        grey, strength = (
            np.rint(plane * (levels - 1)).astype(np.uint8)
            for plane, levels in ((self.grey, _GREYS), (self.strength, _STRENGTHS))
        )
        picture = Image.fromarray(grey * np.uint8(_STRENGTHS) + strength)
        greys, strengths = np.linspace(0, 1, _GREYS)[:, None, None], np.linspace(0, 1, _STRENGTHS)[None, :, None]
        picture.putpalette(_blended(greys, strengths).tobytes())
        return picture


def pictures(film: Film, shown: Shown, *, notice: str) -> Iterator[Picture]:
    """One picture for each state, all of one size of even numbers, with step, log SNR and ``notice`` below."""
    grey = _brightness(film.image)
    for i in range(len(film)):
        noisy = np.clip((np.nan_to_num(film.x_t[i], nan=-1.0) + 1) / 2, 0, 1)
        mask = (film.x_hat[i] > 0).astype(np.float32)
        panels = {Shown.X_T: [noisy], Shown.MASK: [mask], Shown.BOTH: [noisy, mask]}[shown]
        tiles = np.concatenate([_grid(panel) for panel in panels], axis=1)
        behind = np.concatenate([_grid(np.broadcast_to(grey, panel.shape)) for panel in panels], axis=1)
        number, log_snr = f"{film.steps[i]} of {film.steps[-1]}", f"{film.log_snr[i]:+.2f}"
        yield _captioned(behind, tiles, (f"step {number}   log SNR {log_snr}   {shown.value}", notice))


def _captioned(grey: NDArray[np.float32], strength: NDArray[np.float32], lines: tuple[str, ...]) -> Picture:
    """With lines of white text on black below, on a canvas of even sides, as films want it."""
    height, width = grey.shape
    shape = (height + len(lines) * _LINE + _GAP, max(width, _NARROWEST))
    shape = (shape[0] + shape[0] % 2, shape[1] + shape[1] % 2)
    planes = [np.zeros(shape, np.float32) for _ in range(2)]
    planes[0][:height, :width], planes[1][:height, :width] = grey, strength
    text = Image.new("L", (shape[1], shape[0] - height))
    for i, line in enumerate(lines):
        ImageDraw.Draw(text).text((_GAP, i * _LINE + _GAP), line, fill=255, font=ImageFont.load_default_imagefont())
    planes[0][height:] = np.asarray(text, np.float32) / 255
    return Picture(*planes)


def _grid(tiles: NDArray[np.float32]) -> NDArray[np.float32]:
    """Tiles (S, h, w) side by side in a near-square grid, enlarged by a whole number, with black gaps between them."""
    count, height, width = tiles.shape
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    scale = max(1, _SIDE // max(columns * width, rows * height))
    cell_h, cell_w = height * scale + _GAP, width * scale + _GAP
    canvas = np.zeros((rows * cell_h, columns * cell_w), np.float32)
    for i, tile in enumerate(tiles):
        top, left = i // columns * cell_h, i % columns * cell_w
        enlarged = tile.repeat(scale, axis=0).repeat(scale, axis=1)
        canvas[top : top + height * scale, left : left + width * scale] = enlarged
    return canvas


def _brightness(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """The slice in [0, 1], its darkest and brightest hundredth clipped."""
    finite = np.nan_to_num(image.astype(np.float64))
    low, high = np.percentile(finite, (1, 99))
    return np.clip((finite - low) / max(high - low, 1e-6), 0, 1).astype(np.float32)


def _blended(grey: NDArray[np.floating], strength: NDArray[np.floating]) -> NDArray[np.uint8]:
    cover = _COVER * strength
    return np.rint(255 * grey * (1 - cover) + _MASK_RGB * cover).astype(np.uint8)

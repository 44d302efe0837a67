"""A page to look at: a few dozen slices, each with the outline of every expert in that expert's colour."""

import colorsys
import io
import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from skimage.measure import find_contours

from napari_ambiseg.io.export import NOTICE
from napari_ambiseg.readings.collection import SliceCollection

OKABE_ITO = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")
_TILE = 192  # pixels of a slice on the page
_CAPTION, _GAP, _COLUMNS = 28, 6, 6
_BACKGROUND, _TEXT, _DIM = (16, 16, 18), (235, 235, 235), (150, 150, 155)


def contact_sheet(splits: Mapping[str, SliceCollection], *, count: int = 36, seed: int = 0) -> bytes:
    """A PNG with up to ``count`` slices, shared among the splits, evenly spaced in each from a seeded start."""
    chosen = [(name, slices, i) for name, slices in splits.items() for i in _spread(slices, count // len(splits), seed)]
    readers = max(slices.readings.shape[1] for slices in splits.values())
    rows = math.ceil(len(chosen) / _COLUMNS)
    cell = _TILE + _GAP, _TILE + _CAPTION + _GAP
    page = Image.new("RGB", (_COLUMNS * cell[0] + _GAP, rows * cell[1] + 2 * _CAPTION), _BACKGROUND)
    _legend(page, readers)
    for place, (name, slices, index) in enumerate(chosen):
        corner = _GAP + place % _COLUMNS * cell[0], _CAPTION + place // _COLUMNS * cell[1]
        page.paste(_tile(slices, index), corner)
        _caption(page, corner, name, slices, index)
    buffer = io.BytesIO()
    page.save(buffer, format="PNG")
    return buffer.getvalue()


def _spread(slices: SliceCollection, count: int, seed: int) -> NDArray[np.int64]:
    """Numbers of up to ``count`` slices."""
    taken = min(max(count, 1), len(slices))
    start = np.random.default_rng(seed).random()
    return ((np.arange(taken) + start) * len(slices) / taken).astype(np.int64)


def colour(expert: int) -> tuple[int, int, int]:
    """Colour of an expert: seven that colour-blind eyes tell apart, then hues in golden steps."""
    if expert < len(OKABE_ITO):
        red, green, blue = (int(OKABE_ITO[expert][i : i + 2], 16) for i in (1, 3, 5))
        return red, green, blue
    hue = expert * 0.618034 % 1
    red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(hue, 0.45, 1.0))
    return red, green, blue


def _tile(slices: SliceCollection, index: int) -> Image.Image:
    """One slice in grey, enlarged or reduced to the page, with the outlines drawn over it."""
    image = slices.images[index].astype(np.float32) * (1 if slices.images.dtype == np.uint8 else 255)
    height, width = image.shape
    scale = _TILE / max(height, width)
    side = max(1, round(width * scale)), max(1, round(height * scale))
    tile = Image.new("RGB", (_TILE, _TILE), _BACKGROUND)
    tile.paste(Image.fromarray(np.rint(image).astype(np.uint8)).resize(side, Image.Resampling.BICUBIC))
    draw = ImageDraw.Draw(tile)
    for expert in np.flatnonzero(slices.filled[index]):
        for line in find_contours(np.pad(slices.readings[index, expert], 1).astype(np.float32), 0.5):
            points = (line[:, ::-1] - 0.5) * scale  # pixel 0, which padding made 1, has its middle at half a pixel
            draw.line([(float(x), float(y)) for x, y in points], fill=colour(int(expert)), width=1)
    return tile


def _legend(page: Image.Image, readers: int) -> None:
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(12)
    left = _GAP
    for expert in range(readers):
        text = f"expert {expert + 1}"
        draw.rectangle((left, 10, left + 10, 18), fill=colour(expert))
        draw.text((left + 14, 6), text, fill=_TEXT, font=font)
        left += 26 + int(draw.textlength(text, font=font))
    draw.text((_GAP, page.height - _CAPTION + 6), NOTICE, fill=_DIM, font=font)


def _caption(page: Image.Image, corner: tuple[int, int], split: str, slices: SliceCollection, index: int) -> None:
    """Below each slice its split, how many of its readers marked something, and its name."""
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(11)
    drew, read = int(slices.readings[index].any(axis=(1, 2)).sum()), int(slices.filled[index].sum())
    name = slices.names[index]
    while name and draw.textlength(name, font=font) > _TILE:
        name = name[:-2] + "…" if len(name) > 2 else ""
    draw.text((corner[0], corner[1] + _TILE + 1), f"{split}: {drew} of {read} drew", fill=_DIM, font=font)
    draw.text((corner[0], corner[1] + _TILE + 14), name, fill=_TEXT, font=font)

"""A few slices with their experts and samples as one picture: the quickest way to see that a run goes wrong.

A row is a slice: the image, the image with each expert's outline in a colour, then the image with one sample's outline
each. A mask that is empty has no outline; the tile says how many are.
"""

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import binary_erosion

from napari_ambiseg.io.export import NOTICE
from trainer.validation import Shown

SAMPLES = 4
_TILE = 160  # pixels that a tile should roughly measure
_GAP, _LINE = 4, 16
_BLACK, _WHITE = (0, 0, 0), (255, 255, 255)
_SAMPLE = (255, 140, 0)
_EXPERTS = ((86, 180, 233), (240, 228, 66), (0, 158, 115), (204, 121, 167))  # told apart by most colour-blind readers


def draw_samples(shown: Sequence[Shown], caption: str) -> NDArray[np.uint8]:
    """The picture (H, W, 3).

    Args:
        shown: Slices of one size, at least one.
        caption: Stands below, before the notice.
    """
    rows = [_row(one) for one in shown]
    tile = rows[0][0].shape[0]
    height, width = len(rows) * (tile + _GAP) + 2 * _LINE, len(rows[0]) * (tile + _GAP)
    canvas = np.zeros((height, width, 3), np.uint8)
    for i, row in enumerate(rows):
        for j, picture in enumerate(row):
            top, left = _LINE + i * (tile + _GAP), j * (tile + _GAP)
            canvas[top : top + tile, left : left + tile] = picture
    image = Image.fromarray(canvas)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default_imagefont()
    for i, one in enumerate(shown):
        for j, masks in enumerate([one.experts, *one.readings[:SAMPLES, None]], start=1):
            if words := _empty(masks):
                place = (j * (tile + _GAP) + 2, _LINE + i * (tile + _GAP) + tile - _LINE)
                draw.rectangle(draw.textbbox(place, words, font=font), fill=_BLACK)
                draw.text(place, words, fill=_WHITE, font=font)
    titles = ["image", "experts", *(f"sample {i + 1}" for i in range(len(rows[0]) - 2))]
    for j, title in enumerate(titles):
        draw.text((j * (tile + _GAP) + 2, 2), title, fill=_WHITE, font=font)
    draw.text((2, height - _LINE + 2), f"{caption}   {NOTICE}", fill=_WHITE, font=font)
    return np.asarray(image)


def as_png(picture: NDArray[np.uint8]) -> bytes:
    """A picture (H, W, 3) as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG")
    return buffer.getvalue()


def _empty(masks: NDArray[np.bool_]) -> str:
    """How many of the masks (M, H, W) of a tile are empty, in words; nothing if none is."""
    count = int((~masks.any(axis=(1, 2))).sum())
    if count and len(masks) > 1:
        return f"{count} of {len(masks)} empty"
    return "empty" if count else ""


def _row(one: Shown) -> list[NDArray[np.uint8]]:
    scale = max(1, _TILE // one.image.shape[0])
    plain = np.repeat(_grey(one.image)[..., None], 3, axis=2).repeat(scale, axis=0).repeat(scale, axis=1)
    experts = plain.copy()
    for i, mask in enumerate(one.experts):
        _outline(experts, mask, scale, _EXPERTS[i % len(_EXPERTS)])
    samples = [plain.copy() for _ in one.readings[:SAMPLES]]
    for picture, mask in zip(samples, one.readings, strict=False):
        _outline(picture, mask, scale, _SAMPLE)
    return [plain, experts, *samples]


def _outline(picture: NDArray[np.uint8], mask: NDArray[np.bool_], scale: int, colour: tuple[int, int, int]) -> None:
    enlarged = mask.repeat(scale, axis=0).repeat(scale, axis=1)
    picture[enlarged & ~binary_erosion(enlarged)] = colour


def _grey(image: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Grey values of a slice, its darkest and brightest hundredth clipped."""
    low, high = np.percentile(image, (1, 99))
    return np.rint(np.clip((image - low) / max(high - low, 1e-6), 0, 1) * 255).astype(np.uint8)

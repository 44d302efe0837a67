"""A picture of the view as PNG, with a strip below it that says what it shows, and that it is no diagnosis."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from napari_ambiseg.errors import InputImageError
from napari_ambiseg.io.export import NOTICE
from napari_ambiseg.io.output import write_output

_SMALLEST, _SHARE = 12, 60  # of the text: pixels at least, and which part of the picture's width
_MARGIN = 0.5  # of the text's height


def save_snapshot(path: Path, rgb: NDArray[np.uint8], *, said: Sequence[str] = ()) -> None:
    """Write a picture.

    Args:
        path: Target; replaced if it exists.
        rgb: The picture (H, W, 3).
        said: Lines that stand below it, before the notice; what is too long is cut off with an ellipsis.

    Raises:
        InputImageError: If it is no picture.
        DataFileError: If the file cannot be written.
    """
    if rgb.ndim != 3 or rgb.shape[2] != 3 or 0 in rgb.shape or rgb.dtype != np.uint8:
        raise InputImageError(
            f"a picture is {rgb.dtype} {rgb.shape}; expected uint8 (height, width, 3), none of them 0"
        )
    picture = np.concatenate([rgb, _strip(rgb.shape[1], [*said, NOTICE])])
    text = PngInfo()
    text.add_itxt("Comment", "\n".join([*said, NOTICE]))
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG", pnginfo=text)
    write_output(path, buffer.getvalue())


def _strip(width: int, lines: Sequence[str]) -> NDArray[np.uint8]:
    """White text on black (h, width, 3)."""
    size = max(_SMALLEST, width // _SHARE)
    margin, line = round(size * _MARGIN), round(1.3 * size)
    strip = Image.new("RGB", (width, len(lines) * line + 2 * margin))
    draw, font = ImageDraw.Draw(strip), ImageFont.load_default(size)
    for i, text in enumerate(lines):
        fitting = text
        while fitting and draw.textlength(fitting, font=font) > width - 2 * margin:
            fitting = fitting.removesuffix("…")[:-1] + "…" if len(fitting) > 1 else ""
        draw.text((margin, margin + i * line), fitting, fill="white", font=font)
    return np.asarray(strip)

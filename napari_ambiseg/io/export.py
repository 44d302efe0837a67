"""What a session of reading leaves behind: masks as NPZ, the comparison as CSV, the reverse diffusion as GIF.

Every file replaces its target in one step; what cannot be written raises ``DataFileError`` and leaves the old file.
S samples, R readers (experts), T states of the reverse diffusion, H x W pixels of the slice, h x w of the model's grid.
"""

import csv
import io
import itertools
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from napari_ambiseg.errors import InputImageError
from napari_ambiseg.io.output import write_output
from napari_ambiseg.readings.agreement import Comparison

NOTICE = "For research, not for diagnosis"
"""Stands in every file that shows results to people."""

# A GIF has 256 colours: 32 greys of the slice, each under 8 strengths of the mask's colour.
_GREYS, _STRENGTHS = 32, 8
_MASK_RGB = np.array([255, 140, 0])
_BLACK, _WHITE = 0, (_GREYS - 1) * _STRENGTHS
_SIDE = 512  # pixels that the grid of samples should roughly measure
_CAPTION = 16  # pixels for the line of text below
_GAP = 2


def save_readings_npz(
    path: Path,
    *,
    readings: NDArray[np.bool_],
    experts: NDArray[np.bool_],
    spacing_mm: tuple[float, float] | None = None,
) -> None:
    """Write masks for numpy: ``readings`` bool (S, H, W) and ``experts`` bool (R, H, W), R may be 0.

    Height and width of a pixel follow as ``spacing_mm`` (2,) where they are known.

    Raises:
        InputImageError: If they are not boolean masks of one size.
        DataFileError: If the file cannot be written.
    """
    if {readings.dtype, experts.dtype} != {np.dtype(np.bool_)} or readings.shape[1:] != experts.shape[1:]:
        raise InputImageError(
            f"cannot save readings {readings.dtype} {readings.shape} with experts {experts.dtype} {experts.shape}; "
            "expected booleans (number, height, width) of one height and width"
        )
    buffer = io.BytesIO()
    known: dict[str, Any] = {} if spacing_mm is None else {"spacing_mm": np.array(spacing_mm, np.float64)}
    np.savez_compressed(buffer, readings=readings, experts=experts, **known)
    write_output(path, buffer.getvalue())


def save_comparison_csv(
    path: Path,
    *,
    comparison: Comparison,
    sample_areas_mm2: NDArray[np.float64],
    expert_areas_mm2: NDArray[np.float64],
    about: Mapping[str, object] | None = None,
) -> None:
    """Write every sample against every expert as a table, one row per pair, both counted from 1.

    Lines that begin with ``#`` come first (``pandas.read_csv(path, comment="#")`` skips them): the notice, what
    ``about`` says, and the figures of the whole comparison. Then the header
    ``sample,expert,dice,iou,sample_area_mm2,expert_area_mm2`` and S x R rows, the experts of one sample together.

    Args:
        path: Target; replaced if it exists.
        comparison: Agreement of S samples with R experts.
        sample_areas_mm2: Areas of the samples (S,).
        expert_areas_mm2: Areas of the experts' masks (R,).
        about: What else to say, e.g. slice, model, seeds, threshold.

    Raises:
        InputImageError: If areas and comparison are of different sets.
        DataFileError: If the file cannot be written.
    """
    if comparison.iou.shape != (len(sample_areas_mm2), len(expert_areas_mm2)):
        raise InputImageError(
            f"the comparison is of {comparison.iou.shape} (samples, experts), the areas are of {len(sample_areas_mm2)} "
            f"and {len(expert_areas_mm2)}; measure the masks that were compared"
        )
    figures = {
        "ged": comparison.ged,
        "ged_unbiased": comparison.ged_unbiased,
        "mean_dice": comparison.mean_dice,
        "hm_iou": comparison.hm_iou,
    }
    text = io.StringIO()
    text.write(f"# {NOTICE}\n")
    for key, value in {**(about or {}), **figures}.items():
        text.write("# " + " ".join(f"{key}: {value}".split()) + "\n")  # one line, whatever the value holds
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["sample", "expert", "dice", "iou", "sample_area_mm2", "expert_area_mm2"])
    for i, j in itertools.product(*map(range, comparison.iou.shape)):
        figures_of_pair = (comparison.dice[i, j], comparison.iou[i, j], sample_areas_mm2[i], expert_areas_mm2[j])
        table.writerow([i + 1, j + 1, *map(float, figures_of_pair)])
    write_output(path, text.getvalue().encode())


def save_trajectory_gif(
    path: Path,
    *,
    frames: NDArray[np.float32],
    image: NDArray[np.float32],
    seconds: float = 3.0,
    hold_seconds: float = 2.0,
) -> None:
    """Write the reverse diffusion of all samples as an animation, side by side over the slice, without end.

    Args:
        path: Target; replaced if it exists.
        frames: States x_t or predictions x_hat (T, S, h, w): -1 (or less) is outside, shown clear, 1 inside, in colour.
        image: What lies below them (h, w), in any grey scale.
        seconds: Time for all frames; a frame gets 0.04 s at least and 0.3 s at most.
        hold_seconds: How long the last frame stays.

    Raises:
        InputImageError: If there is nothing to show, or image and frames differ in size.
        DataFileError: If the file cannot be written.
    """
    if frames.ndim != 4 or 0 in frames.shape or image.shape != frames.shape[2:]:
        raise InputImageError(
            f"cannot animate frames {frames.shape} over an image {image.shape}; "
            "expected (frames, samples, height, width), none of them 0, and (height, width)"
        )
    total = len(frames)
    each = 10 * round(min(max(100 * seconds / total, 4), 30))  # milliseconds; GIF counts in hundredths of a second
    durations = [each] * (total - 1) + [round(1000 * hold_seconds)]
    buffer = io.BytesIO()
    pictures = _pictures(frames, _grey_levels(image))
    first = next(pictures)
    first.save(
        buffer,
        format="GIF",
        save_all=True,
        append_images=pictures,
        duration=durations,
        loop=0,
        optimize=False,
        comment=NOTICE.encode(),
    )
    write_output(path, buffer.getvalue())


def _pictures(frames: NDArray[np.float32], greys: NDArray[np.uint8]) -> Iterator[Image.Image]:
    """One picture per frame; numbering them keeps equal frames apart, which Pillow would merge."""
    palette = _palette()
    for number, frame in enumerate(frames, start=1):
        inside = np.clip((np.nan_to_num(frame, nan=-1.0) + 1) / 2, 0, 1)
        tiles = greys * _STRENGTHS + np.rint(inside * (_STRENGTHS - 1)).astype(np.uint8)
        grid = _grid(tiles)
        canvas = np.full((grid.shape[0] + _CAPTION, grid.shape[1]), _BLACK, np.uint8)
        canvas[: grid.shape[0]] = grid
        picture = Image.fromarray(canvas)
        picture.putpalette(palette)
        caption = f"{number}/{len(frames)}  {NOTICE}"
        ImageDraw.Draw(picture).text(
            (_GAP, grid.shape[0] + _GAP), caption, fill=_WHITE, font=ImageFont.load_default_imagefont()
        )
        yield picture


def _grid(tiles: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Samples (S, h, w) side by side in a near-square grid, enlarged by a whole number, with gaps between them."""
    count, height, width = tiles.shape
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    scale = max(1, _SIDE // max(columns * width, rows * height))
    cell_h, cell_w = height * scale + _GAP, width * scale + _GAP
    canvas = np.full((rows * cell_h, columns * cell_w), _BLACK, np.uint8)
    for i, tile in enumerate(tiles.repeat(scale, axis=1).repeat(scale, axis=2)):
        top, left = i // columns * cell_h, i % columns * cell_w
        canvas[top : top + height * scale, left : left + width * scale] = tile
    return canvas


def _grey_levels(image: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The slice in the palette's greys, its darkest and brightest hundredth clipped."""
    finite = np.nan_to_num(image.astype(np.float64))
    low, high = np.percentile(finite, (1, 99))
    scaled = np.clip((finite - low) / max(high - low, 1e-6), 0, 1)
    return np.rint(scaled * (_GREYS - 1)).astype(np.uint8)


def _palette() -> bytes:
    """RGB of all pairs of grey and strength, strength running fastest; the strongest covers 60 % of the grey."""
    grey = np.linspace(0, 255, _GREYS)[:, None, None]
    strength = np.linspace(0, 0.6, _STRENGTHS)[None, :, None]
    return np.rint(grey * (1 - strength) + _MASK_RGB * strength).astype(np.uint8).tobytes()

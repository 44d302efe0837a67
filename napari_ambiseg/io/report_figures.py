"""The figures of a report, as SVG: outlines on the slice, probability, typical readings, sizes, and agreement of pairs.

All pictures of the slice show the same window: what anyone marks and some margin, in millimetres, so that a figure of a
slice of 512 x 512 pixels shows the lesion and not the room around the patient.

Legend: S samples, R readers (experts), H x W pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.io import svg
from napari_ambiseg.readings.consensus import probability
from napari_ambiseg.readings.contours import ISO_SHARES, iso_contours, outlines
from napari_ambiseg.readings.distribution import Distribution
from napari_ambiseg.readings.dots import piled, scale_top
from napari_ambiseg.readings.modes import Mode

EXPERT_COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")
"""Told apart by colour-blind eyes too (Okabe and Ito, 2008); repeated from the eighth on."""

SAMPLE_COLOUR = "#FF5CC8"
ISO_COLOURS = ("#6A3D9A", "#C2185B", "#FF8F00", "#FFEE58")
_INK, _DOTS = "#222", "#B0127B"
_LEFT, _RIGHT, _AXIS = 10.0, 328.0, 50.0  # of a distribution, in its own units
_DOT, _ROOM = 4.0, 28.0  # how far apart its dots are, and how high they may be piled
_NAMES_WIDTH, _CELLS_WIDTH, _HEAD = 96.0, 604.0, 12.0  # of the matrix, in its own units
_LEAST_MARGIN_MM, _MARGIN = 5.0, 0.5  # around what is marked; the latter as a share of its size
_BARS_MM = (1, 2, 5, 10, 20, 50, 100)
_FEW = 8  # experts whose rows have room
_MANY = 24  # samples from which cells of the matrix are too small for numbers


@dataclass(frozen=True, slots=True)
class Scene:
    """A slice in the window that all pictures of it show.

    Attributes:
        image: Grey values (h, w), uint8.
        spacing_mm: Height and width of a pixel.
        samples: Inside the window (S, h, w).
        experts: Inside the window (R, h, w).
        drawings: What the user drew, inside the window (N, h, w).
    """

    image: NDArray[np.uint8]
    spacing_mm: tuple[float, float]
    samples: NDArray[np.bool_]
    experts: NDArray[np.bool_]
    drawings: NDArray[np.bool_]


def scene(
    image: NDArray[np.uint8],
    spacing_mm: tuple[float, float],
    *,
    samples: NDArray[np.bool_],
    experts: NDArray[np.bool_],
    drawings: NDArray[np.bool_],
) -> Scene:
    """The window of a slice (H, W) around everything that is marked, square where there is room; all if nothing is."""
    marked = np.asarray(np.concatenate([samples, experts, drawings]).any(axis=0), np.bool_)
    found = [np.flatnonzero(marked.any(axis=1)), np.flatnonzero(marked.any(axis=0))]
    if found[0].size == 0:
        return Scene(image, spacing_mm, samples, experts, drawings)
    side_mm = max((float(np.ptp(places)) + 1) * spacing for places, spacing in zip(found, spacing_mm, strict=True))
    reach_mm = side_mm / 2 + max(_LEAST_MARGIN_MM, _MARGIN * side_mm)
    rows, columns = (_around(found[axis], reach_mm / spacing_mm[axis], marked.shape[axis]) for axis in (0, 1))
    return Scene(image[rows, columns], spacing_mm, *(masks[:, rows, columns] for masks in (samples, experts, drawings)))


def overview(shown: Scene) -> str:
    """The slice with the outlines of all samples and of the experts."""
    parts = [_slice_picture(shown)]
    thin, thick = _stroke(shown, 0.004), _stroke(shown, 0.008)
    for mask in shown.samples:
        parts.append(_outline(shown, mask, SAMPLE_COLOUR, thin, 0.55))
    for i, mask in enumerate(shown.experts):
        parts.append(_outline(shown, mask, expert_colour(i), thick))
    for mask in shown.drawings:
        parts.append(_outline(shown, mask, "#FFFFFF", thick))
    return _framed(shown, [*parts, _scale_bar(shown)], "The slice with all outlines")


def probability_map(shown: Scene) -> str:
    """The share of the samples that mark each pixel, with iso-contours."""
    share = probability(shown.samples)
    cover = np.zeros((*share.shape, 4), np.uint8)
    cover[..., :3] = np.stack([90 + 165 * share, 26 + 190 * share**2, 140 * (1 - share)], axis=-1).round()
    cover[..., 3] = np.where(share > 0, 70 + 110 * share, 0).round()
    height, width = _size_mm(shown)
    over = svg.picture(cover, left=-shown.spacing_mm[1] / 2, top=-shown.spacing_mm[0] / 2, width=width, height=height)
    parts = [_slice_picture(shown), over]
    for found, colour in zip(iso_contours(shown.samples), ISO_COLOURS, strict=True):
        parts.append(svg.path(found.lines, spacing_mm=shown.spacing_mm, colour=colour, width=_stroke(shown, 0.008)))
    return _framed(shown, parts, "Share of the readings that mark each pixel")


def typical_reading(shown: Scene, mode: Mode) -> str:
    """The slice with the medoid of one way to read it."""
    mask = shown.samples[mode.medoid]
    parts = [_slice_picture(shown), _outline(shown, mask, SAMPLE_COLOUR, _stroke(shown, 0.015))]
    return _framed(shown, parts, f"Typical reading, number {mode.medoid + 1}")


def distribution(found: Distribution) -> str:
    """One measure of all samples as dots on a line, the median and the 5 to 95 % range, the experts as marks below."""
    top = scale_top([*found.samples.tolist(), *found.experts.tolist()])

    def across(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return _LEFT + (_RIGHT - _LEFT) * values / top

    parts = [svg.words(_LEFT, 10, f"{found.name[0].upper()}{found.name[1:]} ({found.unit})", size=11, bold=True)]
    if not np.isnan(found.median):
        low, middle, high = across(np.array([found.low, found.median, found.high])).tolist()
        parts.append(svg.rectangle(low, _AXIS - 8, max(high - low, 0.5), 8, colour="#FFD6F0"))
        parts.append(svg.line(middle, _AXIS - 13, middle, _AXIS, colour=_DOTS, width=1.6))
    xs = across(found.samples)
    for x, height in zip(xs.tolist(), _heights(xs), strict=True):
        parts.append(svg.circle(x, _AXIS - _DOT - height, 2.2, colour=_DOTS, opacity=0.6))
    parts.append(svg.line(_LEFT, _AXIS, _RIGHT, _AXIS, colour=_INK, width=0.6))
    ticks = np.linspace(0, top, 5)
    for x, tick in zip(across(ticks).tolist(), ticks.tolist(), strict=True):
        parts.append(svg.line(x, _AXIS, x, _AXIS + 3, colour=_INK, width=0.6))
        parts.append(svg.words(x, _AXIS + 24, f"{tick:g}", size=9.5, anchor="middle", colour="#555"))
    for i, x in enumerate(across(found.experts).tolist()):
        title = f"expert {i + 1}: {found.experts[i]:.1f} {found.unit}"
        parts.append(svg.rectangle(x - 1.5, _AXIS + 3, 3, 10, colour=expert_colour(i), title=title))
    return svg.drawing(parts, box=(0, 0, 340, 78), label=f"{found.name} of the readings, experts below the line")


def pair_matrix(dice: NDArray[np.float64], expert_names: Sequence[str]) -> str:
    """Dice of every sample (columns) with every expert (rows) as a table of shades, with numbers where they fit."""
    samples, experts = dice.shape
    wide, high = min(26.0, _CELLS_WIDTH / samples), 15.0 if experts <= _FEW else 10.0
    parts = list[str]()
    for i in range(samples):
        if samples <= _MANY or i == 0 or (i + 1) % 10 == 0:
            middle = _NAMES_WIDTH + (i + 0.5) * wide
            parts.append(svg.words(middle, _HEAD - 3, str(i + 1), size=6.5, anchor="middle", colour="#555"))
    for j, name in enumerate(expert_names):
        top = _HEAD + j * high
        parts.append(svg.rectangle(0, top + 0.2 * high, 4, 0.6 * high, colour=expert_colour(j)))
        parts.append(svg.words(8, top + 0.7 * high, _shortened(name, 22), size=high / 2))
        for i, value in enumerate(dice[:, j].tolist()):
            left, title = _NAMES_WIDTH + i * wide, f"sample {i + 1}, {name}: Dice {value:.2f}"
            parts.append(svg.rectangle(left, top, wide - 0.6, high - 0.6, colour=_shade(value), title=title))
            parts.append(_number(value, left + wide / 2, top + 0.67 * high, size=high / 2) if samples <= _MANY else "")
    box = (0, 0, _NAMES_WIDTH + _CELLS_WIDTH + 8, _HEAD + experts * high)
    return svg.drawing(parts, box=box, label="Dice of every sample with every expert")


def expert_colour(number: int) -> str:
    """Of the expert with this number, counted from 0."""
    return EXPERT_COLOURS[number % len(EXPERT_COLOURS)]


def legend_of_shares() -> tuple[tuple[str, str], ...]:
    """Colour and text of each iso-contour."""
    return tuple((colour, f"{100 * share:.0f} %") for colour, share in zip(ISO_COLOURS, ISO_SHARES, strict=True))


def _number(value: float, x: float, y: float, *, size: float) -> str:
    """A number of the matrix, on its shade."""
    text = f"{value:.2f}"[1:] if value < 0.995 else "1"
    return svg.words(x, y, text, size=size, anchor="middle", colour="#fff" if value > 0.55 else "#333")


def _around(marked: NDArray[np.intp], reach: float, count: int) -> slice:
    """Places that are at most ``reach`` from the middle of the marked ones."""
    middle = (int(marked[0]) + int(marked[-1])) / 2
    return slice(max(0, round(middle - reach)), min(count, round(middle + reach) + 1))


def _size_mm(shown: Scene) -> tuple[float, float]:
    return shown.image.shape[0] * shown.spacing_mm[0], shown.image.shape[1] * shown.spacing_mm[1]


def _stroke(shown: Scene, share: float) -> float:
    """A line's width in millimetres, as a share of the picture's larger side."""
    return share * max(_size_mm(shown))


def _slice_picture(shown: Scene) -> str:
    height, width = _size_mm(shown)
    row, column = shown.spacing_mm  # pixel centres lie at whole multiples of the spacing
    return svg.picture(shown.image, left=-column / 2, top=-row / 2, width=width, height=height)


def _outline(shown: Scene, mask: NDArray[np.bool_], colour: str, width: float, opacity: float = 1.0) -> str:
    return svg.path(outlines(mask), spacing_mm=shown.spacing_mm, colour=colour, width=width, opacity=opacity)


def _framed(shown: Scene, parts: Sequence[str], label: str) -> str:
    height, width = _size_mm(shown)
    row, column = shown.spacing_mm
    return svg.drawing(parts, box=(-column / 2, -row / 2, width, height), label=label)


def _scale_bar(shown: Scene) -> str:
    height, width = _size_mm(shown)
    length = max((bar for bar in _BARS_MM if bar <= width / 3), default=_BARS_MM[0])
    x, y, size = 0.03 * width, 0.95 * height, 0.045 * max(width, height)
    edge = 0.3 * size  # on black, whatever the slice shows there
    back = svg.rectangle(x - edge, y - 1.5 * size, max(length, 3 * size) + 2 * edge, 1.5 * size + edge, colour="#000")
    bar = svg.line(x, y, x + length, y, colour="#fff", width=_stroke(shown, 0.01))
    return back + bar + svg.words(x, y - 0.4 * size, f"{length} mm", size=size, colour="#fff")


def _heights(xs: NDArray[np.float64]) -> list[float]:
    """Above the axis, of dots that would hide each other; they are squeezed where there is no room for so many."""
    levels = piled(xs, _DOT)
    step = min(_DOT, _ROOM / max(1, int(levels.max(initial=0))))
    return (levels * step).tolist()


def _shade(value: float) -> str:
    """From nearly white to dark blue."""
    white, blue = np.array([247, 251, 255]), np.array([8, 48, 107])
    red, green, rest = np.rint(white + (blue - white) * np.clip(value, 0, 1)).astype(int)
    return f"#{red:02x}{green:02x}{rest:02x}"


def _shortened(name: str, most: int) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"

"""What colours the outlines of readings can have, and what they mean. No windows.

Experts keep their own colours whatever the readings have. No reading that is drawn is left without one.

Legend: S readings.
"""

from collections.abc import Sequence
from enum import Enum

import numpy as np
from napari.utils.colormaps import Colormap, ensure_colormap
from numpy.typing import NDArray

from napari_ambiseg.readings.modes import Mode, mode_numbers
from napari_ambiseg.viewer.canvas.looks import MODEL_COLOUR, rgba
from napari_ambiseg.viewer.session.result import View

_OTHERS = "#B0B0B0"  # ways that are too rare for a colour of their own, and readings like no other
_WAYS = ("#FF5CC8", "#5CD6FF", "#FFD24A", "#7CE38B", "#B79CFF", "#FF8A5C")
_GOLDEN = 0.618034  # of the hues: readings that follow each other are far apart


class Colouring(Enum):
    """What decides on the colour of a reading, as it is called."""

    ONE = "One colour"
    EACH = "Each its own"
    AREA = "Area"
    DICE = "Mean Dice"
    WAY = "Way"


def reading_colours(chosen: Colouring, view: View, found: Sequence[Mode] = ()) -> NDArray[np.float32] | None:
    """The colour of each reading (S, 4), or None if they all have the model's.

    Args:
        chosen: What decides.
        view: The readings.
        found: The ways in which they read the lesion; asked for by ``Colouring.WAY`` only.
    """
    match chosen:
        case Colouring.ONE:
            return None
        case Colouring.EACH:
            return _own(len(view.areas_mm2))
        case Colouring.AREA:
            low, high = _range(view)
            return _scale().map((view.areas_mm2 - low) / max(high - low, 1e-9)).astype(np.float32)
        case Colouring.DICE:
            dice = _mean_dice(view)
            return None if dice is None else _scale().map(dice).astype(np.float32)
        case Colouring.WAY:
            numbers = mode_numbers(found) if found else np.zeros(len(view.areas_mm2), np.int64)
            colours = np.array([rgba(way_colour(found, number)) for number in range(max(1, len(found)))], np.float32)
            return colours[numbers]


def way_colour(found: Sequence[Mode], number: int) -> str:
    """Colour of a way, as #RRGGBB."""
    is_way = number < len(found) and found[number].is_way
    return _WAYS[number] if is_way and number < len(_WAYS) else _OTHERS


def told(chosen: Colouring, view: View | None, found: Sequence[Mode] = ()) -> str:
    """What the colours mean, as rich text; arguments as in ``reading_colours``."""
    if view is None or chosen is Colouring.ONE:
        return f"{_key(MODEL_COLOUR)} every reading; the selected one is white"
    match chosen:
        case Colouring.EACH:
            own = _own(len(view.areas_mm2))
            return "Reading " + " ".join(f"{_key(_hex(colour))}{i + 1}" for i, colour in enumerate(own))
        case Colouring.AREA:
            low, high = _range(view)
            return _scale_told(f"{low:.0f} mm²", f"{high:.0f} mm²") if high > 0 else "All readings see nothing"
        case Colouring.DICE:
            if _mean_dice(view) is None:
                return "There are no experts to compare with: one colour"
            return _scale_told("mean Dice 0", "1")
        case Colouring.WAY:
            ways = [f"{_key(way_colour(found, i))} way {i + 1}" for i, mode in enumerate(found[:6]) if mode.is_way]
            return ", ".join([*ways, f"{_key(_OTHERS)} all others"])


def _own(count: int) -> NDArray[np.float32]:
    """Colours for readings by their number: hues around the circle, in two lightnesses."""
    hues = (0.9 + _GOLDEN * np.arange(count)) % 1
    wheel = np.abs((6 * hues[:, None] + [0, 4, 2]) % 6 - 3) - 1
    lightness = np.where(np.arange(count) % 2, 0.45, 0.2)[:, None]
    rgb = lightness + (1 - lightness) * np.clip(wheel, 0, 1)
    return np.column_stack([rgb, np.ones(count)]).astype(np.float32)


def _scale() -> Colormap:
    """From dark to bright, without the end that is lost on a dark image."""
    full = ensure_colormap("plasma")
    return Colormap(full.map(np.linspace(0.25, 1, 32)), name="readings by value")


def _scale_told(low: str, high: str) -> str:
    steps = "".join(_key(_hex(colour)) for colour in _scale().map(np.linspace(0, 1, 8)))
    return f"{low} {steps} {high}"


def _range(view: View) -> tuple[float, float]:
    """Smallest and largest area of those that are not empty."""
    drawn = view.areas_mm2[view.areas_mm2 > 0]
    return (float(drawn.min()), float(drawn.max())) if len(drawn) else (0.0, 0.0)


def _mean_dice(view: View) -> NDArray[np.float64] | None:
    return None if view.comparison is None else view.comparison.dice.mean(axis=1)


def _key(colour: str) -> str:
    return f'<span style="color:{colour}">■</span>'


def _hex(colour: NDArray[np.floating]) -> str:
    return "#" + "".join(f"{round(255 * float(part)):02X}" for part in colour[:3])

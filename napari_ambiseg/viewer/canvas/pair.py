"""One reading beside one expert: what is said of the pair, and its picture. No windows.

The picture is filled, in three colours: what both mark, what only the reading marks, what only the expert marks.
"""

import numpy as np
from napari.utils.colormaps import Colormap
from numpy.typing import NDArray

from napari_ambiseg.readings.difference import difference
from napari_ambiseg.viewer.canvas.looks import Look, rgba
from napari_ambiseg.viewer.image.origin import Role
from napari_ambiseg.viewer.image.plane import Plane
from napari_ambiseg.viewer.session.result import View

PAIR_COLOURS = ("#FFFFFF", "#E69F00", "#0072B2")
"""Both, only the reading, only the expert. White, orange and blue also stay apart for colour-blind eyes, and when they
are seen through on grey."""

_OPACITY = 0.6
_PAIR = Colormap(
    [(0.0, 0.0, 0.0, 0.0), *(rgba(colour) for colour in PAIR_COLOURS)],
    controls=[0.0, 0.25, 0.5, 0.75, 1.0],
    interpolation="zero",  # a value of ``Difference.labels`` each
    name="reading beside expert",
)


def pair_look(plane: Plane, view: View, experts: NDArray[np.bool_], *, selected: int, expert: int) -> Look:
    """Where a reading and an expert's mask agree and differ.

    Args:
        plane: Where the slice lies.
        view: The readings.
        experts: All experts' masks (R, H, W).
        selected: Number of the reading.
        expert: Number of the expert.
    """
    found = difference(sample=view.readings[selected], expert=experts[expert], spacing_mm=plane.spacing_mm)
    options = plane.transform(origin_px=(0, 0))
    options |= {"colormap": _PAIR, "contrast_limits": (0, 3), "blending": "translucent", "opacity": _OPACITY}
    return Look(Role.PAIR, plane.stack(found.labels), options)


def pair_told(view: View, *, selected: int, expert: int) -> str:
    """The pair in one sentence, e.g. "Reading 5 beside expert 2: Dice 0.81, IoU 0.68, 12 mm² more than the expert".

    Args:
        view: The readings, compared with the experts.
        selected: Number of the reading.
        expert: Number of the expert.
    """
    assert view.comparison is not None
    dice, iou = float(view.comparison.dice[selected, expert]), float(view.comparison.iou[selected, expert])
    areas = float(view.areas_mm2[selected]), float(view.expert_areas_mm2[expert])
    return f"Reading {selected + 1} beside expert {expert + 1}: Dice {dice:.2f}, IoU {iou:.2f}, {_areas_told(*areas)}"


def pair_legend() -> str:
    """What the colours mean, in short, as rich text; "reading" and "expert" are what only one of them marks."""
    texts = ("both", "reading", "expert")
    return " ".join(
        f'<span style="color:{colour}">■</span>&nbsp;{text.replace(" ", "&nbsp;")}'
        for colour, text in zip(PAIR_COLOURS, texts, strict=True)
    )


def _areas_told(reading_mm2: float, expert_mm2: float) -> str:
    if reading_mm2 == expert_mm2 == 0:
        return "both see nothing"
    if reading_mm2 == 0:
        return f"the reading sees nothing, the expert marks {_mm2(expert_mm2)}"
    if expert_mm2 == 0:
        return f"the expert sees nothing, the reading marks {_mm2(reading_mm2)}"
    more = reading_mm2 - expert_mm2
    if more == 0:
        return "as large as the expert's"
    return f"{_mm2(abs(more))} {'more' if more > 0 else 'less'} than the expert"


def _mm2(area: float) -> str:
    return f"{area:.0f} mm²" if area >= 9.5 else f"{area:.1f} mm²"

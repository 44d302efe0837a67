"""From results to what each layer is to show: records alone, no viewer.

The outlines of experts and readings, the selected reading, a step of the reverse diffusion, the model's field of view;
``maps`` and ``pair`` have the others. Each is a ``Look``; ``layers`` brings a viewer there.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from napari.utils.colormaps import Colormap
from numpy.typing import NDArray

from napari_ambiseg.engine import Frame, Placement
from napari_ambiseg.viewer.image.origin import Role
from napari_ambiseg.viewer.image.outlines import outline_segments
from napari_ambiseg.viewer.image.plane import Plane
from napari_ambiseg.viewer.session.result import Result, View

OKABE_ITO = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")
"""Colours of the experts, told apart by colour-blind eyes too (Okabe and Ito, 2008); repeated from the eighth on."""

MODEL_COLOUR = "#FF5CC8"
SELECTED_COLOUR = "#FFFFFF"
ON_REQUEST = (Role.ENTROPY, Role.PAIR, Role.CONTOURS, Role.CONSENSUS)
"""Layers that are made when they are first asked for."""

_BOX_COLOUR = "#9AA7B4"
_PROBABILITY = Colormap(
    [[0.35, 0.0, 0.5, 0.0], [0.6, 0.1, 0.55, 0.55], [0.95, 0.4, 0.35, 0.75], [1.0, 0.85, 0.3, 0.85]],
    controls=[0.0, 0.25, 0.65, 1.0],
    name="reading probability",
)
_FAINT = 0.25
_WIDTH_MM = {
    Role.EXPERTS: 0.2,
    Role.READINGS: 0.1,
    Role.CONTOURS: 0.2,
    Role.CONSENSUS: 0.3,
    Role.SELECTED: 0.18,
    Role.FIELD_OF_VIEW: 0.1,
}


@dataclass(frozen=True, slots=True)
class Look:
    """What one layer is to show.

    Attributes:
        role: Which layer.
        data: Image, or vectors (N, 2, ndim).
        options: Keyword arguments of the layer, transforms among them.
        colours: Of each vector (N, 4); None if the layer has one colour.
        visible: Whether it is seen when it is made; None leaves that to whoever looks.
    """

    role: Role
    data: NDArray[Any]
    options: dict[str, Any] = field(default_factory=dict)
    colours: NDArray[np.float32] | None = None
    visible: bool | None = None

    @property
    def ndim(self) -> int:
        """Axes of the layer."""
        return len(self.options["scale"])


def looks(
    result: Result,
    view: View,
    *,
    selected: int,
    colours: NDArray[np.float32] | None = None,
    beside: int | None = None,
) -> tuple[Look, ...]:
    """The layers of a finished run, lowest first, but for the map.

    Args:
        result: What was drawn.
        view: The same at a threshold.
        selected: Number of the reading that stands out.
        colours: Of each reading (S, 4); None if all have the model's.
        beside: The expert that is compared, if one is.
    """
    plane, sampled = result.request.plane, result.sampled
    x_t = sampled.x_t[-1, selected]
    return (
        trajectory_look(plane, sampled.placement, x_t, visible=False),
        experts_look(plane, result.request.experts.masks, beside=beside),
        *reading_looks(plane, view, selected=selected, colours=colours),
    )


def step_looks(
    plane: Plane, placement: Placement, frame: Frame, *, selected: int, colours: NDArray[np.float32] | None = None
) -> tuple[Look, ...]:
    """One step of the reverse diffusion: what is left of the noise in one reading, and the outlines of all."""
    segments, sample = outline_segments(frame.x_hat, level=0.0)
    return (
        trajectory_look(plane, placement, frame.x_t[selected], visible=True),
        *_outline_looks(plane, _on_slice(segments, placement), sample, selected=selected, colours=colours),
    )


def probability_look(plane: Plane, view: View) -> Look:
    """The fraction of readings that mark each pixel, transparent where none does."""
    rows, columns = view.window
    options = plane.transform(origin_px=(rows.start, columns.start))
    options |= {"colormap": _PROBABILITY, "contrast_limits": (0.0, 1.0), "blending": "translucent", "opacity": 0.6}
    return Look(Role.PROBABILITY, plane.stack(view.probability), options)


def trajectory_look(plane: Plane, placement: Placement, x_t: NDArray[np.float32], *, visible: bool) -> Look:
    """A noisy mask (h, w) on the model's own grid."""
    options = plane.transform(origin_px=placement.origin_px, step_px=placement.step_px)
    options |= {"colormap": "gray", "contrast_limits": (-2.0, 2.0), "blending": "translucent", "opacity": 0.75}
    return Look(Role.TRAJECTORY, plane.stack(x_t), options, visible=visible)


def experts_look(plane: Plane, masks: NDArray[np.bool_], *, beside: int | None = None) -> Look:
    """The experts' outlines, each in its colour; faint ones but for expert ``beside``, if one is compared."""
    segments, reader = outline_segments(masks)
    palette = np.array([rgba(expert_colour(i)) for i in range(max(1, len(masks)))], dtype=np.float32)
    if beside is not None:
        palette[np.arange(len(palette)) != beside, 3] = _FAINT
    return Look(Role.EXPERTS, plane.lift(segments), line_options(plane, Role.EXPERTS), colours=palette[reader])


def reading_looks(
    plane: Plane, view: View, *, selected: int, colours: NDArray[np.float32] | None = None
) -> tuple[Look, ...]:
    """The outlines of all readings, and of the selected one."""
    rows, columns = view.window
    segments, sample = outline_segments(view.readings[:, rows, columns])
    segments[:, 0] += [rows.start, columns.start]
    return _outline_looks(plane, segments, sample, selected=selected, colours=colours)


def field_of_view_look(plane: Plane, placement: Placement) -> Look:
    """A thin box around what the model sees."""
    (top, bottom), (left, right) = placement.bounds_px
    corners = np.array([(top, left), (top, right), (bottom, right), (bottom, left)], dtype=np.float32)
    sides = np.stack([corners, np.roll(corners, -1, axis=0) - corners], axis=1)
    options = line_options(plane, Role.FIELD_OF_VIEW) | {"edge_color": _BOX_COLOUR}
    return Look(Role.FIELD_OF_VIEW, plane.lift(sides), options)


def _outline_looks(
    plane: Plane,
    segments: NDArray[np.float32],
    sample: NDArray[np.int64],
    *,
    selected: int,
    colours: NDArray[np.float32] | None,
) -> tuple[Look, ...]:
    """Segments (N, 2, 2) in slice pixels, each of the reading ``sample`` (N,), as the two layers of outlines."""
    return (
        Look(
            Role.READINGS,
            plane.lift(segments),
            line_options(plane, Role.READINGS) | {"edge_color": MODEL_COLOUR},
            colours=None if colours is None else colours[sample],
        ),
        Look(
            Role.SELECTED,
            plane.lift(segments[sample == selected]),
            line_options(plane, Role.SELECTED) | {"edge_color": SELECTED_COLOUR, "opacity": 1.0},
        ),
    )


def _on_slice(segments: NDArray[np.float32], placement: Placement) -> NDArray[np.float32]:
    """Segments (N, 2, 2) on the model's grid, in pixels of the slice."""
    scaled = segments * np.array(placement.step_px, dtype=np.float32)
    scaled[:, 0] += placement.origin_px
    return scaled


def expert_colour(reader: int) -> str:
    """Colour of an expert, as #RRGGBB."""
    return OKABE_ITO[reader % len(OKABE_ITO)]


def line_options(plane: Plane, role: Role) -> dict[str, Any]:
    """Options of a layer of outlines."""
    width_px = _WIDTH_MM[role] / min(plane.spacing_mm)
    return plane.transform() | {"vector_style": "line", "edge_width": width_px, "opacity": 0.9}


def rgba(colour: str) -> tuple[float, ...]:
    """A colour #RRGGBB as four numbers from 0 to 1, opaque."""
    return (*(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)), 1.0)

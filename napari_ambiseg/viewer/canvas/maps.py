"""Maps of what all readings say together: which there are, their pictures and their legends. No windows.

Probability and entropy are images; iso-contours and consensus are outlines. STAPLE is estimated by repetition and takes
longer than a frame, so that what is known of it already is given.
"""

from dataclasses import dataclass
from enum import Enum

import numpy as np
from napari.utils.colormaps import Colormap
from numpy.typing import NDArray

from napari_ambiseg.readings.consensus import entropy, majority
from napari_ambiseg.readings.contours import ISO_SHARES, votes_for
from napari_ambiseg.viewer.canvas.looks import MODEL_COLOUR, Look, line_options, probability_look, rgba
from napari_ambiseg.viewer.image.origin import Role
from napari_ambiseg.viewer.image.outlines import outline_segments
from napari_ambiseg.viewer.image.plane import Plane
from napari_ambiseg.viewer.session.result import View

Mask = NDArray[np.bool_]

ISO_COLOURS = ("#5B9BFF", "#35D0BA", "#F7E04B", "#FF7A33")
"""Of the outlines of ``ISO_SHARES``: from cold to warm, the more readings agree."""

EXPERTS_COLOUR = "#C8F560"
"""Of what the experts say together; none of them has it."""

_DASH_PX = 2
_ENTROPY = Colormap(
    [[0.0, 0.1, 0.3, 0.0], [0.1, 0.35, 0.6, 0.6], [0.3, 0.7, 0.75, 0.75], [0.95, 0.95, 0.75, 0.9]],
    controls=[0.0, 0.35, 0.7, 1.0],
    name="reading entropy",
)


class Map(Enum):
    """What lies below the outlines, as it is called."""

    PROBABILITY = "Probability"
    CONTOURS = "Iso-contours"
    ENTROPY = "Entropy"
    CONSENSUS = "Consensus"
    NONE = "No map"


ROLES = {
    Map.PROBABILITY: Role.PROBABILITY,
    Map.CONTOURS: Role.CONTOURS,
    Map.ENTROPY: Role.ENTROPY,
    Map.CONSENSUS: Role.CONSENSUS,
}
"""The layer of each map."""

MEANINGS = {
    Map.PROBABILITY: "the share of readings that mark each pixel, 0 to 1: the colour bar on the image",
    Map.CONTOURS: "outlines of what at least 25, 50, 75 and 95 % of the readings mark",
    Map.ENTROPY: "how much the readings disagree at each pixel, in bits: 0 if all agree, 1 if half of them mark it",
    Map.CONSENSUS: "what the readings say together, and what the experts do: by majority, and by STAPLE, which "
    "estimates how good each reader is (Warfield et al., 2004)",
    Map.NONE: "outlines alone",
}


@dataclass(frozen=True, slots=True)
class Consensus:
    """What a group says together (H, W); None where it is not known, or there is no group.

    Attributes:
        readings: STAPLE of the readings.
        experts: STAPLE of the experts.
        experts_majority: What most experts mark.
    """

    readings: Mask | None = None
    experts: Mask | None = None
    experts_majority: Mask | None = None


def map_look(chosen: Map, plane: Plane, view: View, consensus: Consensus) -> Look | None:
    """The layer of a map; None for no map.

    Args:
        chosen: Which map.
        plane: Where the slice lies.
        view: The readings.
        consensus: What is known of consensus; asked for by ``Map.CONSENSUS`` only.
    """
    match chosen:
        case Map.PROBABILITY:
            return probability_look(plane, view)
        case Map.ENTROPY:
            return _entropy_look(plane, view)
        case Map.CONTOURS:
            return _contours_look(plane, view)
        case Map.CONSENSUS:
            return _consensus_look(plane, view, consensus)
        case Map.NONE:
            return None


def legend(chosen: Map, *, count: int, has_experts: bool) -> str:
    """What outlines of a map mean, as rich text; "" for maps with a colour bar, and without readings.

    Args:
        chosen: Which map.
        count: Readings.
        has_experts: Whether there are experts to agree among themselves.
    """
    if count == 0 or chosen not in (Map.CONTOURS, Map.CONSENSUS):
        return ""
    if chosen is Map.CONTOURS:
        parts = [
            _key(colour, f"{100 * share:.0f} % ({_at_least(votes_for(share, count), count)})")
            for share, colour in zip(ISO_SHARES, ISO_COLOURS, strict=True)
        ]
        return " ".join(parts)
    groups = [_key(MODEL_COLOUR, f"{count} readings"), *([_key(EXPERTS_COLOUR, "experts")] if has_experts else [])]
    return f"{' '.join(groups)}: solid majority, dashed STAPLE"


def _entropy_look(plane: Plane, view: View) -> Look:
    rows, columns = view.window
    options = plane.transform(origin_px=(rows.start, columns.start))
    options |= {"colormap": _ENTROPY, "contrast_limits": (0.0, 1.0), "blending": "translucent", "opacity": 0.7}
    return Look(Role.ENTROPY, plane.stack(entropy(view.readings[:, rows, columns])), options)


def _contours_look(plane: Plane, view: View) -> Look:
    count = len(view.readings)
    votes = np.rint(view.probability * count)
    inside = np.stack([votes >= votes_for(share, count) for share in ISO_SHARES])
    segments, which = outline_segments(inside)
    colours = np.array([rgba(colour) for colour in ISO_COLOURS], np.float32)[which]
    return _lines_look(Role.CONTOURS, plane, _in_slice(segments, view), colours)


def _consensus_look(plane: Plane, view: View, consensus: Consensus) -> Look:
    """Outlines of up to four masks; those by STAPLE are dashed."""
    window = view.window
    ours = _outline(majority(view.readings[:, *window]), MODEL_COLOUR, dashed=False)
    found = [(_in_slice(ours[0], view), ours[1])]
    for mask, colour, dashed in (
        (consensus.readings, MODEL_COLOUR, True),
        (consensus.experts_majority, EXPERTS_COLOUR, False),
        (consensus.experts, EXPERTS_COLOUR, True),
    ):
        if mask is not None:
            found.append(_outline(mask, colour, dashed=dashed))
    segments, colours = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return _lines_look(Role.CONSENSUS, plane, segments, colours)


def _lines_look(role: Role, plane: Plane, segments: NDArray[np.float32], colours: NDArray[np.float32]) -> Look:
    return Look(role, plane.lift(segments), line_options(plane, role), colours=colours)


def _outline(mask: Mask, colour: str, *, dashed: bool) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Segments (N, 2, 2) with their colours (N, 4); dashes are those in every other square of pixels."""
    segments, _ = outline_segments(mask[None])
    if dashed:
        square = (segments[:, 0] + segments[:, 1] / 2) // _DASH_PX
        segments = segments[square.sum(axis=1) % 2 == 0]
    return segments, np.tile(np.array(rgba(colour), np.float32), (len(segments), 1))


def _in_slice(segments: NDArray[np.float32], view: View) -> NDArray[np.float32]:
    """Segments in the model's field of view, in pixels of the slice."""
    segments[:, 0] += [part.start for part in view.window]
    return segments


def _at_least(votes: int, count: int) -> str:
    return f"{votes}+ of {count}" if votes < count else f"all {count}"


def _key(colour: str, text: str) -> str:
    return f'<span style="color:{colour}">▬</span>&nbsp;{text.replace(" ", "&nbsp;")}'

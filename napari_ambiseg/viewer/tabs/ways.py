"""What is said of the typical readings: how often each, with the interval, and which experts read it so. No windows."""

from collections.abc import Sequence
from dataclasses import dataclass

from napari_ambiseg.readings.modes import Mode, Share, told
from napari_ambiseg.viewer.gallery.items import area_text
from napari_ambiseg.viewer.session.grouping import Stand
from napari_ambiseg.viewer.session.result import View

_OF_THE_MODEL = "Share and interval are the model's; of experts it may be another"
_IN_PAIRS = "The interval is approximate, as readings come in pairs"


@dataclass(frozen=True, slots=True)
class Way:
    """One way to read the lesion, in words.

    Attributes:
        mode: The readings.
        title: What it is called.
        lines: How often it is seen, where its true frequency may lie, and which reading stands for it.
        experts: Numbers of the experts who read it so.
        cautions: What must be known of share and interval.
    """

    mode: Mode
    title: str
    lines: tuple[str, ...]
    experts: tuple[int, ...]
    cautions: tuple[str, ...]


def ways(view: View, found: Sequence[Mode], stands: Sequence[Stand], *, in_pairs: bool) -> tuple[Way, ...]:
    """Every way, the most frequent first.

    Args:
        view: What is shown.
        found: The groups of its readings.
        stands: Where each expert stands among them.
        in_pairs: Whether readings come in antithetic pairs: intervals are made for independent ones.
    """
    return tuple(
        Way(
            mode,
            _title(number, mode),
            _lines(view, mode),
            tuple(i for i, stand in enumerate(stands) if stand.belongs and stand.mode == number),
            (_OF_THE_MODEL, _IN_PAIRS) if in_pairs else (_OF_THE_MODEL,),
        )
        for number, mode in enumerate(found)
    )


def sentence(found: Sequence[Mode]) -> str:
    """All ways in one sentence."""
    return told(found) if found else "No readings yet"


def strangers(view: View, found: Sequence[Mode], stands: Sequence[Stand]) -> str:
    """Who of the experts reads it like no reading of the model; "" if each finds his or her way among them."""
    return "\n".join(
        f"E{i + 1} {_stranger_told(stand, found, marks_something=area > 0)}"
        for i, (stand, area) in enumerate(zip(stands, view.expert_areas_mm2, strict=True))
        if not stand.belongs
    )


def frequency(share: Share) -> str:
    """A count with its percentage."""
    return f"{share.count} of {share.total} readings, {100 * share.fraction:.0f} %"


def interval(share: Share) -> str:
    """Where the true frequency may lie."""
    return f"95 % interval {100 * share.low:.0f} to {100 * share.high:.0f} %"


def _stranger_told(stand: Stand, found: Sequence[Mode], *, marks_something: bool) -> str:
    if not marks_something:
        return "sees nothing, which no reading does"
    if stand.iou == 0:
        return "marks what no reading marks"
    return f"reads it like none of these; nearest is {_called(stand.mode, found)}, mean IoU {stand.iou:.2f}"


def _called(number: int, found: Sequence[Mode]) -> str:
    return f"way {number + 1}" if found[number].is_way else f"reading {found[number].medoid + 1}"


def _title(number: int, mode: Mode) -> str:
    if not mode.is_way:
        return f"Reading {mode.medoid + 1}, like no other"
    return f"Way {number + 1}: nothing there" if mode.empty else f"Way {number + 1}"


def _lines(view: View, mode: Mode) -> tuple[str, ...]:
    counted = frequency(mode.share), interval(mode.share)
    if mode.empty:
        return counted
    area = area_text(view.areas_mm2[mode.medoid])
    if not mode.is_way:
        return (*counted, area)
    return (*counted, f"reading {mode.medoid + 1}, {area}; mean IoU {mode.mean_iou:.2f}")

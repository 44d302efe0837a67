"""What a gallery shows of each reading and expert: order, captions, and what is said of them. No windows."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.readings.distribution import Sizes
from napari_ambiseg.readings.modes import Mode, mode_numbers
from napari_ambiseg.viewer.session.result import Result, View


class SortBy(Enum):
    """What readings are sorted by; each begins with what is most of its kind."""

    DRAWN = "As drawn"
    AREA = "Area"
    MEAN = "Mean Dice"
    WAY = "Way"
    EXPERT = "Dice with"


@dataclass(frozen=True, slots=True)
class Order:
    """The order of the readings.

    Attributes:
        by: What they are sorted by.
        expert: Whose Dice counts, with ``SortBy.EXPERT``.
        backwards: Whether the last comes first.
    """

    by: SortBy = SortBy.DRAWN
    expert: int = 0
    backwards: bool = False


def orders(result: Result | None) -> tuple[tuple[str, Order], ...]:
    """All orders that a result can be sorted in, each with its name."""
    names = () if result is None else result.request.experts.names
    plain = [SortBy.DRAWN, SortBy.AREA, *([SortBy.MEAN] if names else []), SortBy.WAY]
    by_expert = ((f"Dice with E{i + 1} ({name})", Order(SortBy.EXPERT, i)) for i, name in enumerate(names))
    return (*((by.value, Order(by)) for by in plain), *by_expert)


def sorted_readings(view: View, found: Sequence[Mode], order: Order) -> list[int]:
    """Numbers of the readings in their order; equal ones as they were drawn.

    Args:
        view: The readings.
        found: The ways in which they read the lesion; asked for by ``SortBy.WAY`` only.
        order: The order.
    """
    if order.by is SortBy.WAY:
        numbers = [i for mode in found for i in (mode.medoid, *(i for i in mode.members if i != mode.medoid))]
    else:
        numbers = np.argsort(-_key(view, order), kind="stable").tolist()
    return numbers[::-1] if order.backwards else numbers


def captions(view: View, found: Sequence[Mode], order: Order) -> list[str]:
    """What stands under each reading: its number, and what the order is about."""
    count = len(view.areas_mm2)
    if order.by is SortBy.WAY:
        ways = way_names(found)
        said = [ways[number] for number in mode_numbers(found)]
    elif order.by in (SortBy.MEAN, SortBy.EXPERT):
        said = [f"{value:.2f}" for value in _key(view, order)]
    else:
        said = [area_text(area) for area in view.areas_mm2]
    return [f"{i + 1}: {said[i]}" for i in range(count)]


def way_names(found: Sequence[Mode]) -> list[str]:
    """What each way is called; a single reading that marks something is none."""
    return [f"way {number + 1}" if mode.is_way else "alone" for number, mode in enumerate(found)]


def area_text(area_mm2: float) -> str:
    """An area as it is printed; small ones with a decimal, so that nothing that is drawn is 0."""
    return "nothing" if area_mm2 == 0 else f"{area_mm2:.0f} mm²" if area_mm2 >= 9.5 else f"{area_mm2:.1f} mm²"


def head_line(view: View | None) -> str:
    """How many there are, and how many of them see nothing."""
    if view is None:
        return "No readings yet"
    parts = [counted(view.areas_mm2, "reading")]
    if len(view.expert_areas_mm2):
        parts.append(counted(view.expert_areas_mm2, "expert"))
    return " · ".join(parts)


def counted(areas_mm2: NDArray[np.float64], what: str) -> str:
    """How many readings or experts there are, and how many of them see nothing."""
    count, empty = len(areas_mm2), int(np.count_nonzero(areas_mm2 == 0))
    sees = "sees" if empty == 1 else "see"
    return f"{count} {what}{'s' if count != 1 else ''}" + (f", {empty} {sees} nothing" if empty else "")


def reading_told(result: Result, view: View, number: int) -> str:
    """All that is said of a reading: sizes, and Dice with every expert."""
    lines = [f"Reading {number + 1}: {_sizes_told(result.sizes, number)}"]
    drawn = float(result.sizes.area.samples[number])
    if view.areas_mm2[number] == 0:
        lines = [f"Reading {number + 1} sees nothing"]
        if drawn > 0:
            share = f"{100 * view.threshold:.0f} % of the largest reading"
            lines.append(f"It marks {area_text(drawn)}, which is below {share} and so counts as nothing")
    if view.comparison is not None:
        dice, names = view.comparison.dice[number], result.request.experts.names
        lines += [f"Dice with E{i + 1} ({names[i]}): {value:.2f}" for i, value in enumerate(dice)]
        lines.append(f"Mean Dice: {dice.mean():.2f}")
    return "\n".join(lines)


def expert_told(result: Result, view: View, expert: int, *, selected: int) -> str:
    """All that is said of an expert: sizes, and Dice with the selected reading."""
    name, areas = result.request.experts.names[expert], view.expert_areas_mm2
    found = _sizes_told(result.sizes, expert, of_expert=True) if areas[expert] else "sees nothing"
    lines = [f"Expert {expert + 1} ({name}): {found}"]
    if view.comparison is not None:
        lines.append(f"Dice with reading {selected + 1}: {view.comparison.dice[selected, expert]:.2f}")
    return "\n".join([*lines, "Click to set this expert beside the reading; click again to take away"])


def _sizes_told(found: Sizes, number: int, *, of_expert: bool = False) -> str:
    area, long_axis, short_axis = ((one.experts if of_expert else one.samples)[number] for one in found)
    return f"{area_text(area)} · long axis {long_axis:.1f} mm · short axis {short_axis:.1f} mm"


def _key(view: View, order: Order) -> NDArray[np.float64]:
    """What readings are sorted by, largest first."""
    if order.by is SortBy.AREA:
        return view.areas_mm2
    if view.comparison is None or order.by is SortBy.DRAWN:
        return -np.arange(len(view.areas_mm2), dtype=np.float64)
    dice = view.comparison.dice
    return dice.mean(axis=1) if order.by is SortBy.MEAN else dice[:, order.expert]

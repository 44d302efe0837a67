"""Dots on a scale: none hides another, none lies higher than it must, and the scale is no longer than it must be."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_ambiseg.readings.dots import piled, scale_top

VALUES = st.lists(st.sampled_from([0.0]) | st.floats(1, 5000), min_size=1, max_size=40)
DIAMETER = 6.0


@given(VALUES)
def test_the_scale_holds_all_values_and_wastes_less_than_half(values: list[float]) -> None:
    top = scale_top(values)
    assert top >= max(values) * (1 - 1e-9)
    assert max(values) == 0 or top < 2 * max(values)


def test_quarters_of_the_scale_are_easy_to_read() -> None:
    for value, expected in ((0.0, 1.0), (0.9, 1.0), (11.0, 12.0), (29.0, 32.0), (40.0, 40.0), (610.0, 800.0)):
        assert scale_top([value]) == expected
    assert scale_top([]) == 1.0


@given(VALUES)
def test_dots_do_not_hide_each_other(values: list[float]) -> None:
    positions = np.array(values)
    levels = piled(positions, DIAMETER)
    for level in range(int(levels.max()) + 1):
        assert (np.diff(np.sort(positions[levels == level])) >= DIAMETER).all()


@given(VALUES)
def test_each_dot_lies_at_the_lowest_level_that_those_to_its_left_leave_free(values: list[float]) -> None:
    positions = np.array(values)
    levels, placed = piled(positions, DIAMETER), list[tuple[float, int]]()
    for i in np.argsort(positions, kind="stable"):
        taken = {level for other, level in placed if positions[i] - other < DIAMETER}
        assert levels[i] == min(set(range(len(values) + 1)) - taken)
        placed.append((positions[i], levels[i]))

"""What is written about sizes. No windows."""

from collections.abc import Sequence

import numpy as np

from napari_ambiseg.readings.distribution import Distribution, Sizes


def number_text(value: float) -> str:
    """A size as it is printed: three digits, or whole millimetres."""
    return f"{value:.0f}" if value >= 99.5 else f"{value:.1f}"


def spread_text(one: Distribution) -> str:
    """Median and 5 to 95 % band of a measure."""
    if np.isnan(one.median):
        return "no reading has a size"
    return f"median {number_text(one.median)} (5–95 %: {number_text(one.low)}–{number_text(one.high)})"


def head_line(one: Distribution) -> str:
    """How many readings the figures are of."""
    count, empty = len(one.samples), one.empty_samples
    counted = f"{count - empty} of {count} readings have a size"
    return f"{counted}; {empty} {'sees' if empty == 1 else 'see'} nothing" if empty else counted


def numbers_text(found: Sizes, names: Sequence[str]) -> str:
    """All figures as lines that can be copied."""
    lines = [head_line(found.area)]
    for one in found:
        experts = [f"E{i + 1} {number_text(value) if value else 'nothing'}" for i, value in enumerate(one.experts)]
        lines.append(f"{one.name.capitalize()}, {one.unit}: {'; '.join([spread_text(one), *experts])}")
    lines += [f"E{i + 1}: {name}" for i, name in enumerate(names)]
    return "\n".join(lines)

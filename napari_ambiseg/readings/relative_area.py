"""The relative-area rule: drop the readings that are small beside the largest one.

A sampler now and then leaves specks. With A_max = max_i |y_i| over all samples of a slice, a reading y_i is kept when
|y_i| >= r A_max and becomes the empty mask otherwise. r = 0 changes nothing; with r = 1 only the largest are left.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.errors import SettingsError
from napari_ambiseg.readings.masks import check_readings, pixel_counts
from napari_ambiseg.readings.pairs import Pairs


def relative_area(readings: NDArray[np.bool_], r: float) -> NDArray[np.bool_]:
    """The readings (S, H, W) after the rule; ``readings`` itself is left as it is.

    Args:
        readings: Masks of one slice (S, H, W), bool.
        r: Threshold in [0, 1].

    Raises:
        SettingsError: If ``r`` is outside [0, 1].
        InputImageError: If ``readings`` are not boolean masks, at least one.
    """
    check_readings(readings)
    result = readings.copy()
    result[~keeps(pixel_counts(readings), r)] = False
    return result


def keeps(areas: NDArray[np.integer] | NDArray[np.float64], r: float) -> NDArray[np.bool_]:
    """Which readings the rule keeps (S,), from their areas in any unit.

    Raises:
        SettingsError: If ``r`` is outside [0, 1].
    """
    if not 0 <= r <= 1:
        raise SettingsError(f"the relative-area threshold is {r}; expected a number from 0 (keep all) to 1")
    largest = areas.max(initial=0)
    # A quotient, because r * A_max rounds: 0.07 * 100 > 7.
    return areas / largest >= r if largest > 0 else np.ones(areas.shape, np.bool_)


@dataclass(frozen=True, slots=True)
class ByThreshold:
    """What the rule makes of one set of samples at each of T thresholds.

    Attributes:
        ged: Generalised energy distance as published (T,).
        dice: Mean Dice over all pairs (T,).
    """

    ged: NDArray[np.float64]
    dice: NDArray[np.float64]


def by_threshold(pairs: Pairs, thresholds: Sequence[float]) -> ByThreshold:
    """GED and Dice after the rule, for many thresholds at once (the paper's Fig. 9).

    A mask that the rule empties is at distance 1 from every mask with pixels and 0 from every one without, so that all
    thresholds follow from the distances before the rule.

    Raises:
        SettingsError: If a threshold is outside [0, 1].
    """
    s, sizes = pairs.samples, pairs.sizes
    filled = sizes > 0
    kept = np.stack([keeps(sizes[:s], r) for r in thresholds]).astype(np.float64)  # (T, S)
    emptied = s - kept.sum(axis=1)
    distance = 1 - pairs.iou()
    between = (kept @ distance[:s, s:].mean(axis=1) + emptied * filled[s:].mean()) / s
    within = np.einsum("ti,ij,tj->t", kept, distance[:s, :s], kept) + 2 * emptied * (kept @ filled[:s])
    ged = 2 * between - within / s**2 - distance[s:, s:].mean()
    dice = (kept @ pairs.dice().mean(axis=1) + emptied * (~filled[s:]).mean()) / s
    return ByThreshold(ged=ged, dice=dice)

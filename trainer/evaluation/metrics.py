"""The figures of one slice: a set of readings against a set of experts.

Names end in the number N of readings they are of; ``_pp`` means after the relative-area post-processing of these N.

    ged_N, ged_N_pp      generalised energy distance as published (V-statistic)
    ged_unbiased_N       without the pairs of a mask with itself; comparable across N
    dice_N, dice_N_pp    mean Dice of all pairs of reading and expert
    hm_iou_N             mean IoU of the best one-to-one matching
    empty_readings_N     fraction of readings that are empty
    empty_experts        fraction of experts' masks that are empty
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.readings.agreement import compare
from napari_ambiseg.readings.relative_area import relative_area


def slice_metrics(
    *, samples: NDArray[np.bool_], experts: NDArray[np.bool_], counts: Sequence[int], threshold: float
) -> dict[str, float]:
    """All figures of one slice.

    Args:
        samples: Readings (S, H, W), S at least the largest count.
        experts: Experts' masks (R, H, W).
        counts: Numbers N; the first N samples are judged.
        threshold: The relative area r of the post-processing.

    Returns:
        Value of each figure, NaN where it is not defined (the unbiased GED of one reading, or of one expert).
    """
    figures: dict[str, float] = {}
    for count in counts:
        figures |= _figures_of(samples[:count], experts, threshold)
    return {**figures, "empty_experts": empty_fraction(experts)}


def metric_names(counts: Sequence[int]) -> list[str]:
    """Names of the figures, in the order in which they are shown."""
    names = [
        name
        for n in counts
        for name in (
            f"ged_{n}",
            f"ged_{n}_pp",
            f"ged_unbiased_{n}",
            f"dice_{n}",
            f"dice_{n}_pp",
            f"hm_iou_{n}",
            f"empty_readings_{n}",
        )
    ]
    return [*names, "empty_experts"]


def empty_fraction(masks: NDArray[np.bool_]) -> float:
    """Fraction of masks (M, H, W) without foreground."""
    return float(np.mean(~masks.any(axis=(1, 2))))


def _figures_of(samples: NDArray[np.bool_], experts: NDArray[np.bool_], threshold: float) -> dict[str, float]:
    n = len(samples)
    raw = compare(samples=samples, experts=experts)
    processed = compare(samples=relative_area(samples, threshold), experts=experts)
    return {
        f"ged_{n}": raw.ged,
        f"ged_{n}_pp": processed.ged,
        f"ged_unbiased_{n}": raw.ged_unbiased,
        f"dice_{n}": raw.mean_dice,
        f"dice_{n}_pp": processed.mean_dice,
        f"hm_iou_{n}": raw.hm_iou,
        f"empty_readings_{n}": empty_fraction(samples),
    }

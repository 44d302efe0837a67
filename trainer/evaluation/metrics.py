"""The figures of one slice: a set of readings against a set of experts.

Names end in the number N of readings they are of; ``_pp`` means after the relative-area post-processing of these N.

    ged_N                    generalised energy distance as published (V-statistic)
    ged_unbiased_N           without the pairs of a mask with itself, and antithetic pairs; comparable across N
    dice_N, iou_N            mean Dice and IoU of all pairs of reading and expert
    hm_iou_N                 mean IoU of the best one-to-one matching
    collective_insight_N     and its parts combined_sensitivity_N, max_dice_N, diversity_agreement_N
    majority_dice_N          Dice of the readings' majority with the experts'
    dice_expert1_N, ...      mean Dice with the expert in each slot
    ece_N, ece_marked_N      expected calibration error over all pixels, and over those that some reading marks
    brier_N                  mean squared difference of mean reading and mean expert
    empty_readings_N         fraction of readings that are empty
    empty_experts            fraction of experts' masks that are empty

All are means over slices but the two calibration errors, which are those of the pixels of all slices together; a slice
contributes sums to them. How each is defined, and what holds for empty masks: ``napari_ambiseg.readings``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.readings.agreement import compare_pairs
from napari_ambiseg.readings.calibration import brier, reliability
from napari_ambiseg.readings.collective import collective_insight_of
from napari_ambiseg.readings.masks import boxed
from napari_ambiseg.readings.pairs import Pairs, all_pairs
from napari_ambiseg.readings.relative_area import by_threshold, keeps
from napari_ambiseg.readings.votes import Votes, joint_votes, majority_dice

THRESHOLDS = tuple(i / 20 for i in range(21))
"""The relative areas r whose GED and Dice are kept of every slice."""

HEADLINES = ("ged", "ged_unbiased", "dice", "iou", "hm_iou", "collective_insight", "majority_dice", "ece_marked")
"""The figures that a short table shows; the others are in the files."""

_OF_PAIRS = ("ged", "ged_unbiased", "dice", "iou", "hm_iou")
_OF_VOTES = ("collective_insight", "combined_sensitivity", "max_dice", "diversity_agreement", "majority_dice")
_POOLED = ("ece", "ece_marked")


@dataclass(frozen=True, slots=True)
class Experts:
    """Who read a slice, and what they drew.

    Attributes:
        masks: Of those present (R, H, W), bool, R at least 1.
        slots: The slot of each of them in the data, ascending from 0.
    """

    masks: NDArray[np.bool_]
    slots: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Judged:
    """One slice, judged.

    Attributes:
        figures: Name -> value; NaN where it is not defined (the unbiased GED of one reading, of one expert or of
            one antithetic pair, the Dice with an expert who did not read the slice).
        vectors: ``calibration_N``: the sums of ``calibration.reliability``, row after row; ``ged_N_by_r`` and
            ``dice_N_by_r``: GED and Dice at each of ``THRESHOLDS``.
    """

    figures: dict[str, float]
    vectors: dict[str, tuple[float, ...]]


def judge(
    *,
    samples: NDArray[np.bool_],
    experts: Experts,
    counts: Sequence[int],
    threshold: float,
    seeds: Sequence[int] | None = None,
) -> Judged:
    """Everything that is said of one slice.

    Args:
        samples: Readings (S, H, W), S at least the largest count.
        experts: Who else read it.
        counts: Numbers N; the first N samples are judged.
        threshold: The relative area r of the post-processing.
        seeds: Of the samples (S,), so that antithetic pairs are known; None if all samples are independent.
    """
    largest = max(counts)
    pixels = samples[0].size
    masks = boxed(samples=samples[:largest], experts=experts.masks)
    drawn_from = None if seeds is None else seeds[:largest]
    pairs = all_pairs(samples=masks[:largest], experts=masks[largest:], seeds=drawn_from)
    found = Judged({}, {})
    for n in counts:
        first = pairs.first(n)
        kept = keeps(first.sizes[:n], threshold)
        for ending, marked in (("", np.ones(n, np.bool_)), ("_pp", kept)):
            votes = _votes(masks[:n] & marked[:, None, None], masks[largest:], pixels)
            _add(found, first.emptied(marked), votes, slots=experts.slots, ending=f"_{n}{ending}")
        by_r = by_threshold(first, THRESHOLDS)
        found.vectors[f"ged_{n}_by_r"] = tuple(by_r.ged.tolist())
        found.vectors[f"dice_{n}_by_r"] = tuple(by_r.dice.tolist())
    found.figures["empty_experts"] = float(np.mean(pairs.sizes[largest:] == 0))
    return found


def metric_names(counts: Sequence[int], *, readers: int, headlines: bool = False) -> list[str]:
    """Names of the figures, in the order in which they are shown.

    Args:
        counts: Numbers N of readings.
        readers: Expert slots that the data have.
        headlines: Whether to name the most important ones only.
    """
    one = (*_OF_PAIRS, *_OF_VOTES, *_POOLED, "brier", *expert_names(readers), "empty_readings")
    if headlines:
        one = (*HEADLINES, "empty_readings")
    return [*(f"{name}_{n}{pp}" for n in counts for name in one for pp in ("", "_pp")), "empty_experts"]


def pooled_names(counts: Sequence[int]) -> dict[str, tuple[str, bool]]:
    """Figures that are made from sums over slices -> the vector to add up, and whether only marked pixels count."""
    endings = [f"_{n}{pp}" for n in counts for pp in ("", "_pp")]
    return {f"{name}{ending}": (f"calibration{ending}", name == "ece_marked") for ending in endings for name in _POOLED}


def expert_names(readers: int) -> list[str]:
    """What the Dice with each expert slot is called, slots counted from 1."""
    return [f"dice_expert{slot + 1}" for slot in range(readers)]


def empty_fraction(masks: NDArray[np.bool_]) -> float:
    """Fraction of masks (M, H, W) without foreground."""
    return float(np.mean(~masks.any(axis=(1, 2))))


def mean_of(parts: Sequence[Judged]) -> Judged:
    """The mean of several judgements of one slice, of each figure over those that define it."""
    figures = {name: _defined_mean([part.figures.get(name, math.nan) for part in parts]) for name in _keys(parts)}
    vectors = {
        name: tuple(np.mean([part.vectors[name] for part in parts], axis=0).tolist()) for name in parts[0].vectors
    }
    return Judged(figures, vectors)


def _keys(parts: Sequence[Judged]) -> list[str]:
    return list(dict.fromkeys(name for part in parts for name in part.figures))


def _defined_mean(values: Sequence[float]) -> float:
    defined = [value for value in values if not math.isnan(value)]
    return sum(defined) / len(defined) if defined else math.nan


def _votes(samples: NDArray[np.bool_], experts: NDArray[np.bool_], pixels: int) -> Votes:
    """Votes inside the box of both, and nobody's outside of it, ``pixels`` in all."""
    votes = joint_votes(samples=samples, experts=experts)
    votes[0, 0] += pixels - samples[0].size
    return votes


def _add(found: Judged, pairs: Pairs, votes: Votes, *, slots: Sequence[int], ending: str) -> None:
    """The figures of one number of readings, with or without post-processing."""
    compared, insight = compare_pairs(pairs), collective_insight_of(pairs, votes)
    named = {
        "ged": compared.ged,
        "ged_unbiased": compared.ged_unbiased,
        "dice": compared.mean_dice,
        "iou": compared.mean_iou,
        "hm_iou": compared.hm_iou,
        "collective_insight": insight.score,
        "combined_sensitivity": insight.combined_sensitivity,
        "max_dice": insight.max_dice,
        "diversity_agreement": insight.diversity_agreement,
        "majority_dice": majority_dice(votes),
        "brier": brier(votes),
        "empty_readings": float(np.mean(compared.sample_areas == 0)),
    }
    each = compared.dice.mean(axis=0)
    named |= {f"dice_expert{slot + 1}": float(dice) for slot, dice in zip(slots, each, strict=True)}
    found.figures.update({f"{name}{ending}": value for name, value in named.items()})
    found.vectors[f"calibration{ending}"] = tuple(reliability(votes).ravel().tolist())

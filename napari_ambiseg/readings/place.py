r"""Is mine usual? The place of a mask that somebody draws among the readings of the same lesion.

All that depends on the readings alone is computed once (``among``), so that the place of a mask can follow a brush.

Usual is what agrees with the others as they do among themselves: reading i has its mean Dice with the S - 1 other
readings, the mask its mean Dice with all of them, and its *rank* is the share of readings that agree less with the
others than the mask does; ties count by half. The rank of a typical mask is 1/2. Where the mask is one of the readings
(accepted and not yet changed), it is compared with the others only, as that reading is.

Legend: S samples, R readers (experts), H x W pixels.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.errors import InputImageError
from napari_ambiseg.readings.masks import check_readings, pixel_counts
from napari_ambiseg.readings.measure import check_spacing
from napari_ambiseg.readings.modes import SIMILAR_IOU, Mode, iou_within, modes, nearest_mode


@dataclass(frozen=True, slots=True)
class Among:
    """Readings that masks are placed among; made by ``among``.

    Attributes:
        readings: Samples (S, H, W).
        experts: Experts' masks (R, H, W); R may be 0.
        spacing_mm: Height and width of a pixel.
        pixels: Of each sample (S,).
        expert_pixels: Of each expert's mask (R,).
        dice_within: Mean Dice of each sample with the others (S,); NaN if there are none.
        modes: The ways in which the samples read the lesion.
        similar_iou: Mean IoU below which readings are different ways.
    """

    readings: NDArray[np.bool_]
    experts: NDArray[np.bool_]
    spacing_mm: tuple[float, float]
    pixels: NDArray[np.int64]
    expert_pixels: NDArray[np.int64]
    dice_within: NDArray[np.float64]
    modes: tuple[Mode, ...]
    similar_iou: float


@dataclass(frozen=True, slots=True)
class Place:
    """What is said of a mask.

    Attributes:
        area_mm2: Its area.
        area_rank: Share of the samples that are smaller, in [0, 1]; ties count by half.
        dice_samples: Dice with each sample (S,).
        dice_experts: Dice with each expert (R,).
        rank: Share of the samples that agree less with the others than the mask does; NaN with one sample.
        inside_of: Share of the samples that contain the whole mask.
        around: Share of the samples that the mask contains wholly.
        support: Mean over its pixels of the share of samples that mark them; NaN for an empty mask.
        mode: Number of the way to read the lesion that it is nearest to, by mean IoU with the members.
        mode_iou: That mean IoU.
        usual_way: Whether it is near enough to belong there.
    """

    area_mm2: float
    area_rank: float
    dice_samples: NDArray[np.float64]
    dice_experts: NDArray[np.float64]
    rank: float
    inside_of: float
    around: float
    support: float
    mode: int
    mode_iou: float
    usual_way: bool

    @property
    def mean_dice_samples(self) -> float:
        """Mean Dice with the samples."""
        return float(self.dice_samples.mean())

    @property
    def mean_dice_experts(self) -> float:
        """Mean Dice with the experts; NaN if there are none."""
        return float(self.dice_experts.mean()) if len(self.dice_experts) else math.nan


def among(
    *,
    samples: NDArray[np.bool_],
    experts: NDArray[np.bool_],
    spacing_mm: tuple[float, float],
    similar_iou: float = SIMILAR_IOU,
) -> Among:
    """Prepare to place masks among samples (S, H, W) and experts (R, H, W), bool.

    Args:
        samples: At least one.
        experts: Maybe none, of the same height and width.
        spacing_mm: Height and width of a pixel in millimetres.
        similar_iou: As for ``modes.modes``.

    Raises:
        InputImageError: If they are no boolean masks of one size, or the spacing is not positive.
        SettingsError: If ``similar_iou`` is outside [0, 1].
    """
    check_spacing(spacing_mm)
    pixels = pixel_counts(samples)
    if len(experts):
        check_readings(experts, name="experts")
        _check_size(experts, samples, "experts' masks have")
    iou = iou_within(samples)
    dice = 2 * iou / (1 + iou)
    others = len(samples) - 1
    within = (dice.sum(axis=1) - 1) / others if others else np.full(1, np.nan)
    found = modes(samples, similar_iou=similar_iou)
    return Among(samples, experts, spacing_mm, pixels, pixel_counts(experts), within, found, similar_iou)


def place(mask: NDArray[np.bool_], readings: Among) -> Place:
    """Where a mask (H, W), bool, lies among the readings.

    Raises:
        InputImageError: If it is not boolean or of another size.
    """
    check_readings(mask[None], name="mask to be placed")
    _check_size(mask[None], readings.readings, "mask to be placed has")
    common = _common(mask, readings.readings)
    pixels = int(np.count_nonzero(mask))
    dice = _dice(common, pixels, readings.pixels)
    iou = dice / (2 - dice)
    nearest, mode_iou = nearest_mode(readings.modes, iou)
    return Place(
        area_mm2=pixels * readings.spacing_mm[0] * readings.spacing_mm[1],
        area_rank=_rank(pixels, readings.pixels),
        dice_samples=dice,
        dice_experts=_dice(_common(mask, readings.experts), pixels, readings.expert_pixels),
        rank=_rank_among(dice, readings.dice_within),
        inside_of=float(np.mean(common == pixels)),
        around=float(np.mean(common == readings.pixels)),
        support=float(common.sum() / (pixels * len(common))) if pixels else math.nan,
        mode=nearest,
        mode_iou=mode_iou,
        usual_way=mode_iou >= readings.similar_iou,
    )


def told(found: Place) -> str:
    """One line for whoever draws, "44 mm², larger than 71 % of 16 readings · mean Dice ... · most like way 1"."""
    readings, readers = len(found.dice_samples), len(found.dice_experts)
    parts = [f"{found.area_mm2:.0f} mm², larger than {100 * found.area_rank:.0f} % of {readings} readings"]
    who = f"{readers} experts" if readers > 1 else "the expert"
    experts = f", {found.mean_dice_experts:.2f} with {who}" if readers else ""
    parts.append(f"mean Dice {found.mean_dice_samples:.2f} with the readings{experts}")
    parts.append(f"most like way {found.mode + 1}" if found.usual_way else "like none of the ways that were drawn")
    return " · ".join(parts)


def _check_size(masks: NDArray[np.bool_], samples: NDArray[np.bool_], who: str) -> None:
    if masks.shape[1:] != samples.shape[1:]:
        raise InputImageError(
            f"the {who} {masks.shape[1]} x {masks.shape[2]} pixels and the readings {samples.shape[1]} x "
            f"{samples.shape[2]}; bring both to the grid of the same image"
        )


def _common(mask: NDArray[np.bool_], others: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Pixels that the mask has in common with each of the others."""
    return np.count_nonzero(others[:, mask], axis=1).astype(np.int64)


def _dice(common: NDArray[np.int64], pixels: int, others: NDArray[np.int64]) -> NDArray[np.float64]:
    both = (pixels + others).astype(np.float64)
    return np.divide(2.0 * common, both, out=np.ones_like(both), where=both > 0)


def _rank(value: float, values: NDArray[np.float64] | NDArray[np.int64]) -> float:
    """Share of the values that are smaller, those that are equal counted by half."""
    tie = np.isclose(values, value, rtol=1e-9, atol=1e-12)
    return float(np.mean(np.where(tie, 0.5, values < value)))


def _rank_among(dice: NDArray[np.float64], within: NDArray[np.float64]) -> float:
    if len(dice) < 2:
        return math.nan
    is_one_of_them = bool((dice == 1).any())  # exactly 1 only where masks are equal
    mean = (dice.sum() - 1) / (len(dice) - 1) if is_one_of_them else dice.mean()
    return _rank(float(mean), within)

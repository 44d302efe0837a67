"""From what was asked to what is shown: request, result, and the view of a result at a threshold.

A request is complete: whatever the user does while it runs, its result lands on the image it was asked for. A result
holds the readings as they were sampled; everything that depends on the threshold is derived anew in a view, without the
model.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.engine import Frame, GreyScale, Placement, Sampled, SliceInput
from napari_ambiseg.readings.agreement import Comparison, compare_pairs
from napari_ambiseg.readings.consensus import probability
from napari_ambiseg.readings.distribution import Sizes, sizes
from napari_ambiseg.readings.masks import pixel_counts
from napari_ambiseg.readings.pairs import Pairs, all_pairs
from napari_ambiseg.readings.relative_area import keeps
from napari_ambiseg.viewer.image.experts import Experts
from napari_ambiseg.viewer.image.plane import Plane
from napari_ambiseg.viewer.image.where import Where
from napari_ambiseg.viewer.session.settings import Settings


@dataclass(frozen=True, slots=True)
class Request:
    """Everything that a run needs.

    Attributes:
        image_name: Name of the image layer.
        plane: Where the slice lies in napari's world.
        slice_input: The slice itself.
        placement: Where the model's grid lies on it.
        experts: What the experts drew on it.
        settings: Model, number of readings, ...
        where: Which slice it is.
        before: Readings that are there already, drawn with the same settings but for their number: the first of all.
    """

    image_name: str
    plane: Plane
    slice_input: SliceInput
    placement: Placement
    experts: Experts
    settings: Settings
    where: Where
    before: Sampled | None = None

    @property
    def count(self) -> int:
        """Readings that are to be drawn."""
        return self.settings.readings - (0 if self.before is None else len(self.before.seeds))


@dataclass(frozen=True)
class Result:
    """A finished run: what was asked and what was drawn."""

    request: Request
    sampled: Sampled

    @cached_property
    def pixels(self) -> NDArray[np.int64]:
        """Pixels of each reading as it was drawn (S,), counted once for all thresholds."""
        return pixel_counts(self.sampled.readings)

    @cached_property
    def pairs(self) -> Pairs | None:
        """Every pair of readings and experts, counted once for all thresholds; None without experts."""
        experts = self.request.experts.masks
        if len(experts) == 0:
            return None
        return all_pairs(samples=self.sampled.readings, experts=experts, seeds=self.sampled.seeds)

    @cached_property
    def sizes(self) -> Sizes:
        """Sizes of all readings as they were drawn and of the experts' masks, measured once for all thresholds."""
        request = self.request
        return sizes(samples=self.sampled.readings, experts=request.experts.masks, spacing_mm=request.plane.spacing_mm)


@dataclass(frozen=True, slots=True)
class View:
    """A result at one threshold.

    Attributes:
        threshold: Relative-area threshold.
        readings: (S, H, W), bool, after the threshold.
        areas_mm2: (S,); 0 for empty readings.
        expert_areas_mm2: (R,).
        probability: Fraction of the readings that mark each pixel of ``window`` (h, w).
        window: Rows and columns of the slice inside the model's field of view.
        comparison: Agreement with the experts; None if there are none.
    """

    threshold: float
    readings: NDArray[np.bool_]
    areas_mm2: NDArray[np.float64]
    expert_areas_mm2: NDArray[np.float64]
    probability: NDArray[np.float32]
    window: tuple[slice, slice]
    comparison: Comparison | None

    @property
    def empty(self) -> int:
        """Number of empty readings."""
        return int((self.areas_mm2 == 0).sum())

    @property
    def first_drawn(self) -> int:
        """Number of the first reading that is not empty; 0 if all are."""
        return int((self.areas_mm2 > 0).argmax())


def derive(result: Result, threshold: float) -> View:
    """The view of a result at a threshold."""
    (height, width), pairs = result.request.plane.spacing_mm, result.pairs
    kept = keeps(result.pixels, threshold)
    readings = result.sampled.readings & kept[:, None, None]
    comparison = None if pairs is None else compare_pairs(pairs.emptied(kept))
    window = window_of(result.sampled.placement)
    return View(
        threshold=threshold,
        readings=readings,
        areas_mm2=np.where(kept, result.pixels * (height * width), 0.0),
        expert_areas_mm2=np.zeros(0) if comparison is None else comparison.expert_areas * (height * width),
        probability=probability(readings[:, *window]),
        window=window,
        comparison=comparison,
    )


def window_of(placement: Placement) -> tuple[slice, slice]:
    """The slice's pixels whose centres lie in the field of view; readings are empty outside."""
    (top, bottom), (left, right) = placement.bounds_px
    rows, columns = (slice(max(0, math.ceil(a)), math.floor(b) + 1) for a, b in ((top, bottom), (left, right)))
    return rows, columns


def frame_of(sampled: Sampled, kept: int) -> Frame:
    """A kept step of a finished run, numbered from 0, as it was seen while it ran."""
    return Frame(
        step=int(sampled.steps[kept]),
        total=int(sampled.steps[-1]),
        log_snr=float(sampled.log_snr[kept]),
        x_t=sampled.x_t[kept],
        x_hat=sampled.x_hat[kept],
    )


def told(result: Result) -> str:
    """What a user should know about a finished run."""
    sampled = result.sampled
    who, how = sampled.model_name, f"{sampled.engine}, {sampled.chunk} at a time, {sampled.device}"
    sentences = [f"{len(sampled.seeds)} readings by {who} in {sampled.seconds:.1f} s ({how})."]
    sentences += sampled.notes
    match sampled.grey:
        case GreyScale.HU:
            sentences.append("The image was read as CT in HU.")
        case GreyScale.PERCENTILES:
            sentences.append("Its grey scale is not known: it was stretched, which may be wrong.")
        case _:
            pass  # a scale that the file or the values leave no doubt about
    if not result.request.plane.in_mm:
        height, width = result.request.plane.spacing_mm
        sentences.append(f"Pixels were taken as {height:g} x {width:g} mm (the layer's scale).")
    return " ".join(sentences)


def summary(view: View, *, not_compared: str = "no experts to compare with") -> str:
    """Two lines on all readings: agreement with the experts, or why there is none, and areas."""
    count = len(view.areas_mm2)
    found = f"{view.empty} of {count} empty · model {_spread(view.areas_mm2)}"
    if view.comparison is None:
        return f"{not_compared[:1].upper()}{not_compared[1:]}\n{found} mm²"
    c = view.comparison
    agreement = f"GED {c.ged:.3f} (unbiased {_number(c.ged_unbiased)}) · mean Dice {c.mean_dice:.3f}"
    return f"{agreement}\n{found}, experts {_spread(view.expert_areas_mm2)} mm²"


def _spread(areas: NDArray[np.float64]) -> str:
    """Smallest to largest area in mm² of those that are not empty."""
    drawn = areas[areas > 0]
    if len(drawn) == 0:
        return "0"
    low, high = float(drawn.min()), float(drawn.max())
    return f"{low:.0f}" if round(low) == round(high) else f"{low:.0f}–{high:.0f}"


def _number(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "–"

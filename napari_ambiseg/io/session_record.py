"""A session of reading as one record: what was looked at, what was drawn by whom, with what, and how it was shown.

Whoever has a window makes this record of it; session file and report are made of the record, and a window of it again.
Everything is checked when the record is made, so that a file that was tampered with cannot become one.

Legend: S samples, R readers (experts), T states that were kept, H x W pixels of the slice, h x w of the model's grid.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.errors import InputImageError

Plain = str | int | float | bool | None
"""What a setting may be."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where the slice comes from.

    Attributes:
        name: What the user calls the image.
        path: Its file; empty if there is none, or it is not known.
        sha256: Of that file, in hexadecimal digits; empty if not known.
        index: Position of the slice along every axis of the image but the last two.
    """

    name: str
    path: str = ""
    sha256: str = ""
    index: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelUsed:
    """Which model drew.

    Attributes:
        name: Name of a bundled model, or path of a model file.
        sha256: Of the model file.
    """

    name: str
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class GridPlacement:
    """Where the model's grid lies on the slice, as ``engine.Placement``.

    Attributes:
        origin_px: Row and column of the centre of the grid's first pixel.
        step_px: Slice pixels per grid pixel along rows and columns.
        grid_shape: (h, w).
    """

    origin_px: tuple[float, float]
    step_px: tuple[float, float]
    grid_shape: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Trajectory:
    """The reverse diffusion of all samples.

    Attributes:
        x_t: Noisy masks (T, S, h, w).
        x_hat: Masks that the model would answer (T, S, h, w).
        steps: Step of each state (T,).
        log_snr: Log SNR of each state (T,).
    """

    x_t: NDArray[np.floating[Any]]
    x_hat: NDArray[np.floating[Any]]
    steps: NDArray[np.int64]
    log_snr: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Drawn:
    """What else was drawn on the same slice: with another model, or other settings.

    Attributes:
        samples, seeds, model, settings, placement, trajectory: As a ``Session`` has them.
    """

    samples: NDArray[np.bool_]
    seeds: tuple[int, ...]
    model: ModelUsed
    settings: dict[str, Plain] = field(default_factory=dict[str, Plain])
    placement: GridPlacement | None = None
    trajectory: Trajectory | None = None


@dataclass(frozen=True, slots=True)
class Drawing:
    """A mask that the user accepted or painted.

    Attributes:
        name: What to call it.
        mask: (H, W), bool.
        from_sample: Number of the sample that it began as; -1 if it began empty.
    """

    name: str
    mask: NDArray[np.bool_]
    from_sample: int = -1


@dataclass(frozen=True, slots=True)
class Session:
    """All of it.

    Attributes:
        source: Where the slice comes from.
        pixels: Grey values of the slice (H, W), finite numbers.
        spacing_mm: Height and width of a pixel.
        grey: What the grey values mean, a value of ``engine.GreyScale``.
        experts: Experts' masks (R, H, W); R may be 0.
        expert_names: One for each.
        samples: Masks that the model drew (S, H, W), before any rule; S may be 0.
        seeds: Of each sample (S,).
        model: Which model drew.
        settings: How it was asked: steps, sampler, seed, ...; names and plain values.
        placement: Where its grid lies; None where nothing was drawn.
        threshold: Of the relative-area rule, in [0, 1].
        drawings: What the user made.
        trajectory: The reverse diffusion, if it was kept.
        versions: Of the programs that took part.
        view: How it was shown; whatever the viewer wants to find again, as JSON takes it.
        others: What else was drawn on the slice.

    Raises:
        InputImageError: If the parts do not fit each other.
    """

    source: Source
    pixels: NDArray[Any]
    spacing_mm: tuple[float, float]
    grey: str
    experts: NDArray[np.bool_]
    expert_names: tuple[str, ...]
    samples: NDArray[np.bool_]
    seeds: tuple[int, ...]
    model: ModelUsed
    settings: dict[str, Plain] = field(default_factory=dict[str, Plain])
    placement: GridPlacement | None = None
    threshold: float = 0.0
    drawings: tuple[Drawing, ...] = ()
    trajectory: Trajectory | None = None
    versions: dict[str, str] = field(default_factory=dict[str, str])
    view: dict[str, Any] = field(default_factory=dict[str, Any])
    others: tuple[Drawn, ...] = ()

    @property
    def drawn(self) -> tuple[Drawn, ...]:
        """All that was drawn, what was shown first."""
        shown = Drawn(self.samples, self.seeds, self.model, self.settings, self.placement, self.trajectory)
        return (shown, *self.others)

    def __post_init__(self) -> None:
        _check_pixels(self.pixels)
        shape = self.pixels.shape
        _check_masks(self.experts, shape, "experts' masks", self.expert_names)
        for drawing in self.drawings:
            _check_masks(drawing.mask[None], shape, f"drawing {drawing.name!r}", (drawing.name,))
            _require(-1 <= drawing.from_sample < len(self.samples), f"the drawing {drawing.name!r} began as no sample")
        _require(all(math.isfinite(s) and s > 0 for s in self.spacing_mm), f"the spacing is {self.spacing_mm} mm")
        _require(0 <= self.threshold <= 1, f"the relative-area threshold is {self.threshold}")
        for drawn in self.drawn:
            _check_drawn(drawn, shape)


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise InputImageError(f"the session does not fit together: {otherwise}; save it again from the viewer")


def _check_pixels(pixels: NDArray[Any]) -> None:
    numbers = pixels.ndim == 2 and pixels.size > 0 and pixels.dtype.kind in "iuf"
    _require(numbers, f"the slice is {pixels.dtype} {pixels.shape}, expected numbers (height, width)")
    _require(bool(np.isfinite(pixels).all()), "the slice has values that are NaN or infinite")


def _check_masks(masks: NDArray[Any], shape: tuple[int, ...], name: str, each: tuple[object, ...]) -> None:
    fits = masks.ndim == 3 and masks.shape[1:] == shape and masks.dtype == np.bool_
    _require(fits, f"the {name} are {masks.dtype} {masks.shape} on a slice {shape}, expected booleans of its size")
    _require(len(masks) == len(each), f"there are {len(masks)} {name} and {len(each)} names or seeds of them")


def _check_drawn(drawn: Drawn, shape: tuple[int, ...]) -> None:
    _check_masks(drawn.samples, shape, "samples", drawn.seeds)
    if drawn.placement is not None:
        _check_placement(drawn.placement)
    if drawn.trajectory is not None:
        _check_trajectory(drawn.trajectory, drawn.placement, len(drawn.samples))


def _check_placement(placement: GridPlacement) -> None:
    numbers = (*placement.origin_px, *placement.step_px)
    fits = all(map(math.isfinite, numbers)) and min(placement.step_px) > 0 and min(placement.grid_shape) > 0
    _require(fits, f"the model's grid lies at {placement}")


def _check_trajectory(kept: Trajectory, placement: GridPlacement | None, samples: int) -> None:
    _require(placement is not None, "there are states of the reverse diffusion, but no model's grid")
    assert placement is not None
    expected = (len(kept.steps), samples, *placement.grid_shape)
    fits = (
        kept.x_t.shape == kept.x_hat.shape == expected
        and kept.log_snr.shape == kept.steps.shape == expected[:1]
        and 0 not in expected
    )
    _require(fits, f"its states have shapes {kept.x_t.shape} and {kept.x_hat.shape}, expected {expected}")
    arrays = (kept.x_t, kept.x_hat, kept.log_snr)
    _require(all(np.isfinite(array).all() for array in arrays), "its states have values that are NaN or infinite")

"""The one contract between a model and everything that uses it.

A segmenter is a reader that can be asked for as many readings as you like. The engine, the evaluation and the viewer
know nothing else about it. To add a kind of model, write a class with ``kind`` and ``sample`` and register it in
``KINDS``.
"""

import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

from pydantic import ValidationError
from torch import Tensor, nn

from napari_ambiseg.diffusion.sampling import SAMPLERS, State, time_grid, usual_last_time
from napari_ambiseg.errors import CheckpointError, SettingsError

__all__ = [
    "KINDS",
    "STEPPED",
    "IteratedSegmenter",
    "Network",
    "SamplingOptions",
    "Segmenter",
    "State",
    "build",
    "check_guidance",
    "register",
]

Network = Callable[[Tensor, Tensor], Tensor]
"""Input (S, C, H, W) at times (S,) -> raw output (S, C', H, W): what an engine other than torch may compute."""


@dataclass(frozen=True, slots=True)
class SamplingOptions:
    """How to sample; one-shot models look at none of it.

    What it begins with was chosen by measurement (docs/results/samplers.md): as good as ten DDIM steps at little more
    than half of their cost.

    Attributes:
        steps: Denoiser calls per reading, 1 to 1000.
        sampler: A name in ``napari_ambiseg.diffusion.sampling.SAMPLERS``.
        eta: Stochasticity of DDIM and DPM-Solver++(2M), 0 to 1; the other samplers do not look at it.
        guidance: How far readings are pushed towards what the image says (Ho & Salimans, 2022), 0 to 100; 0 is off.
            Other numbers need a model that was trained for it (``check_guidance``).
        last_time: When the last estimate, which is the answer, is made, between 0 and 1 (``sampling.time_grid``); None
            is what the sampler usually does (``sampling.usual_last_time``).
        smallest_px: Pixels of the model's grid that a reading has at least, smaller ones are empty; None is what the
            model's file says (``Header.smallest_px``), 0 keeps every speck. The engine looks at it, for all models.
    """

    steps: int = 6
    sampler: str = "dpm++2m"
    eta: float = 0.0
    guidance: float = 0.0
    last_time: float | None = None
    smallest_px: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.steps <= 1000:
            raise SettingsError(f"steps is {self.steps}; give a number from 1 to 1000")
        if self.sampler not in SAMPLERS:
            raise SettingsError(f"unknown sampler {self.sampler!r}; choose one of {', '.join(SAMPLERS)}")
        if not 0.0 <= self.eta <= 1.0:
            raise SettingsError(f"eta is {self.eta}; give a number from 0 to 1")
        if not 0.0 <= self.guidance <= 100.0:
            raise SettingsError(f"guidance is {self.guidance}; give a number from 0 (off) to 100, usually below 5")
        if self.last_time is not None:
            time_grid(self.steps, last_time=self.last_time)  # refuses what is not between 0 and 1
        if self.smallest_px is not None and self.smallest_px < 0:
            raise SettingsError(f"the smallest lesion has {self.smallest_px} pixels; give 0 (keep all) or more")

    @property
    def times(self) -> Tensor:
        """When the estimates are made, from 1, and 0, (steps + 1,)."""
        last_time = usual_last_time(self.sampler, self.steps) if self.last_time is None else self.last_time
        return time_grid(self.steps, last_time=last_time)

    @property
    def last_estimate(self) -> float:
        """When the estimate is made that is the reading, in (0, 1]."""
        return float(self.times[-2])

    def smallest_of(self, own_px: int) -> int:
        """Pixels that readings of a model have at least whose file says ``own_px``."""
        return own_px if self.smallest_px is None else self.smallest_px


@runtime_checkable
class Segmenter(Protocol):
    """A model that can be sampled."""

    kind: ClassVar[str]

    def sample(self, image: Tensor, *, seeds: Sequence[int], options: SamplingOptions) -> Iterator[State]:
        """Draw one reading per seed.

        Args:
            image: One normalised slice (C, H, W) on the model's device and grid.
            seeds: One seed per reading. Reading i depends on seed i and the arguments, not on the other seeds.
            options: Steps and sampler.

        Yields:
            States whose tensors are (S, 1, H, W). One-shot models yield a single state.
        """
        ...


@runtime_checkable
class IteratedSegmenter(Segmenter, Protocol):
    """A model that asks one network again and again, so that it pays to let an inference engine compute it."""

    @property
    def network(self) -> nn.Module:
        """The network, a ``Network``."""
        ...

    def computed_by(self, network: Network) -> Segmenter:
        """The same model with the same weights, but for its network's answers, which come from ``network``."""
        ...


def check_guidance(segmenter: Segmenter, options: SamplingOptions) -> None:
    """Refuse guidance where it would be ignored: a model that can be guided says so by ``guidable = True``.

    Raises:
        SettingsError: If guidance is asked of a model that was not trained for it.
    """
    if options.guidance and not getattr(segmenter, "guidable", False):
        raise SettingsError(
            f"guidance is {options.guidance}, but this {segmenter.kind!r} model was not trained for it; leave it out, "
            "or fit a diffusion model with image_dropout, e.g. `fit tiny --set image_dropout=0.1`"
        )


STEPPED = frozenset({"diffusion"})
"""Kinds of model whose readings depend on the sampler and its steps; the others answer in one."""

Builder = Callable[[dict[str, Any]], Segmenter]

KINDS: dict[str, Builder] = {}
"""Kind of model, as written in a checkpoint -> builder from its configuration."""


def register(kind: str) -> Callable[[Builder], Builder]:
    """Make a builder known under the kind that checkpoints name."""

    def add(builder: Builder) -> Builder:
        KINDS[kind] = builder
        return builder

    return add


def build(kind: str, config: dict[str, Any]) -> Segmenter:
    """A freshly initialised model of a kind.

    Raises:
        CheckpointError: If the kind is unknown or its configuration is not valid.
    """
    # Imported here because these modules register themselves and import this one.
    from napari_ambiseg.models import deterministic, diffusion_segmenter, mc_dropout, phiseg, prob_unet

    imported = (
        deterministic.DeterministicSegmenter,
        diffusion_segmenter.DiffusionSegmenter,
        mc_dropout.MCDropoutSegmenter,
        phiseg.PHiSeg,
        prob_unet.ProbUNetSegmenter,
    )
    assert {segmenter.kind for segmenter in imported} <= KINDS.keys()
    if kind not in KINDS:
        raise CheckpointError(f"unknown kind of model {kind!r}; this version knows {', '.join(sorted(KINDS))}")
    try:
        return KINDS[kind](config)
    except ValueError as error:
        raise CheckpointError(f"the configuration of this {kind!r} model is not valid: {brief(error)}") from error


def brief(error: Exception) -> str:
    """An error's message on one line, for use inside a sentence; only the first few of many findings."""
    if isinstance(error, ValidationError):
        found = [f"{'.'.join(map(str, finding['loc']))}: {finding['msg']}" for finding in error.errors()]
        return "; ".join(found[:3])
    return textwrap.shorten(str(error), 200, placeholder=" ...")

"""An ensemble: diffusion models that were trained apart, of which every reading asks one.

A network that has learned from few patients is surer of its answers than it may be, and each is so in a way of its own
(Lakshminarayanan et al., 2017). Readings of several are a sample of the mean of the members' distributions, which is
less sure where the members contradict each other. In GED, a squared distance between distributions, that mean is never
worse than the members are on average: it gains their mean squared distance from it.

Which member a reading asks follows from its seed alone, so that a reading depends on nothing else, and both of an
antithetic pair ask the same one. A reading costs no more than one of a single model.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, cast

import torch
from pydantic import ConfigDict, TypeAdapter
from torch import Tensor, nn

from napari_ambiseg.diffusion.sampling import State
from napari_ambiseg.errors import SettingsError
from napari_ambiseg.models.checkpoint import Model
from napari_ambiseg.models.diffusion_segmenter import DiffusionConfig, DiffusionSegmenter
from napari_ambiseg.models.segmenter import IteratedSegmenter, SamplingOptions, Segmenter, check_guidance, register
from napari_ambiseg.seeds import noise_origins


@dataclass(frozen=True, slots=True)
class EnsembleConfig:
    """Everything that defines an ensemble apart from its weights.

    Attributes:
        members: The models, two or more.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    members: tuple[DiffusionConfig, ...]

    def __post_init__(self) -> None:
        if len(self.members) < 2:
            raise SettingsError(f"an ensemble of {len(self.members)} is none; give two models at least")


class Ensemble:
    """Segmenters that share the readings of a run between them; all must take as many steps.

    Args:
        members: In the order of the model file.
    """

    kind: ClassVar[str] = "diffusion-ensemble"

    def __init__(self, members: Sequence[Segmenter]) -> None:
        self.members = tuple(members)

    @property
    def guidable(self) -> bool:
        """Whether ``SamplingOptions.guidance`` may be more than 0: if every member can be guided."""
        return all(getattr(member, "guidable", False) for member in self.members)

    def sample(self, image: Tensor, *, seeds: Sequence[int], options: SamplingOptions) -> Iterator[State]:
        """See ``Segmenter.sample``.

        Raises:
            SettingsError: If guidance is asked of an ensemble of which a member was not trained for it.
        """
        check_guidance(self, options)
        asked = members_of(seeds, len(self.members))
        shares = [[place for place, member in enumerate(asked) if member == one] for one in range(len(self.members))]
        running = [
            member.sample(image, seeds=[seeds[place] for place in share], options=options)
            for member, share in zip(self.members, shares, strict=True)
            if share
        ]
        places = [share for share in shares if share]
        for states in zip(*running, strict=True):
            yield states[0] if len(states) == 1 else _merged(states, places)


class DiffusionEnsemble(nn.Module):
    """The members with their weights, as a model file holds them."""

    kind: ClassVar[str] = Ensemble.kind

    def __init__(self, config: EnsembleConfig) -> None:
        super().__init__()
        self.config = config
        self.members = nn.ModuleList(DiffusionSegmenter(member) for member in config.members)

    @property
    def guidable(self) -> bool:
        """See ``Ensemble.guidable``."""
        return self._ensemble.guidable

    def sample(self, image: Tensor, *, seeds: Sequence[int], options: SamplingOptions) -> Iterator[State]:
        """See ``Segmenter.sample``."""
        return self._ensemble.sample(image, seeds=seeds, options=options)

    @property
    def _ensemble(self) -> Ensemble:
        return Ensemble(cast("list[Segmenter]", list(self.members)))


def members_of(seeds: Sequence[int], count: int) -> tuple[int, ...]:
    """Which of ``count`` members each reading asks, 0 to ``count - 1``, each equally often in the long run."""
    return tuple(origin % count for origin in noise_origins(seeds))


def member_models(model: Model) -> tuple[Model, ...]:
    """The members of an ensemble, each as a model of its own; a model that is none is its only member."""
    segmenter = model.segmenter
    if not isinstance(segmenter, DiffusionEnsemble):
        return (model,)
    configs = cast("list[dict[str, Any]]", model.header.config["members"])
    return tuple(
        Model(cast("DiffusionSegmenter", member), replace(model.header, kind=DiffusionSegmenter.kind, config=config))
        for member, config in zip(segmenter.members, configs, strict=True)
    )


def iterates(segmenter: Segmenter) -> bool:
    """Whether readings ask a network again and again, so that it pays to prepare it."""
    return isinstance(segmenter, (Ensemble, DiffusionEnsemble, IteratedSegmenter))


def _merged(states: Sequence[State], places: Sequence[Sequence[int]]) -> State:
    """The members' states of one step as one, each reading in its place."""
    order = torch.tensor([place for share in places for place in share]).argsort()
    x_t, x_hat = (torch.cat([getattr(state, name) for state in states]) for name in ("x_t", "x_hat"))
    order = order.to(x_t.device)
    return replace(states[0], x_t=x_t[order], x_hat=x_hat[order])


@register(DiffusionEnsemble.kind)
def build_ensemble(config: dict[str, Any]) -> DiffusionEnsemble:
    """Build from a configuration as written in a checkpoint (pydantic's ``ValidationError`` if it is not valid)."""
    return DiffusionEnsemble(TypeAdapter(EnsembleConfig).validate_python(config))

"""Several models as one: an ensemble, of which every reading asks one member (``napari_ambiseg.models.ensemble``)."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from napari_ambiseg.errors import SettingsError
from napari_ambiseg.models.checkpoint import Model
from napari_ambiseg.models.diffusion_segmenter import DiffusionSegmenter
from napari_ambiseg.models.ensemble import DiffusionEnsemble
from napari_ambiseg.models.segmenter import build
from trainer.evaluation.candidates import fit_of

MEMBERS = "members"
"""What an ensemble's header calls the trainings of its members."""


def as_ensemble(models: Sequence[Model], *, smallest_px: int | None) -> Model:
    """Diffusion models that read alike as one model.

    Args:
        models: Two or more, in the order of the members.
        smallest_px: The ensemble's smallest lesion; None is the members' own.

    Raises:
        SettingsError: If one is of another kind, or they read differently.
    """
    first = models[0].header
    if odd := [model.header for model in models if model.header.kind != DiffusionSegmenter.kind]:
        raise SettingsError(
            f"{odd[0].name or 'one'} is of the kind {odd[0].kind}; an ensemble is made of diffusion models alone"
        )
    _require_alike(models, "grid", lambda model: model.header.grid)
    _require_alike(models, "grey scale", lambda model: model.header.intensity)
    _require_alike(models, "place on the slice", lambda model: fit_of(model.header.training).get("crop"))
    if smallest_px is None:
        _require_alike(
            models, "smallest lesion", lambda model: model.header.smallest_px, remedy="say one with --smallest-px"
        )
    header = replace(
        first,
        kind=DiffusionEnsemble.kind,
        config={"members": [model.header.config for model in models]},
        name="",
        description="",
        smallest_px=first.smallest_px if smallest_px is None else smallest_px,
        training={MEMBERS: [{"name": model.header.name, **model.header.training} for model in models]},
    )
    ensemble = build(header.kind, header.config)
    assert isinstance(ensemble, DiffusionEnsemble)
    for member, model in zip(ensemble.members, models, strict=True):
        assert isinstance(model.segmenter, nn.Module)  # every registered kind is one
        member.load_state_dict(model.segmenter.state_dict())
    return Model(ensemble.eval(), header)


def _require_alike(
    models: Sequence[Model],
    what: str,
    of: Callable[[Model], Any],
    remedy: str = "give models that were trained to read alike",
) -> None:
    first, *others = models
    for other in others:
        if of(other) != of(first):
            raise SettingsError(
                f"the models of an ensemble have one {what}, but {_named(first)} has {of(first)} and {_named(other)} "
                f"{of(other)}; {remedy}"
            )


def _named(model: Model) -> str:
    return model.header.name or "one"

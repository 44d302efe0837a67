"""The mean of the weights of several runs, as one model (Wortsman et al., 2022, "Model soups").

Runs that went on from the same model with a small rate end near one another, where the loss is nearly flat between
them: the mean of their weights is as good as each or better, and costs no more to sample. Of runs that began apart the
mean is nothing at all.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from torch import nn

from napari_ambiseg.errors import SettingsError
from napari_ambiseg.models.checkpoint import Model, load_checkpoint
from trainer.evaluation.candidates import fit_of, seed_of_holdout


def averaged(first: Model, others: Sequence[Path]) -> Model:
    """A model with the mean of the weights of several, which says of each where it comes from.

    Args:
        first: One of them; the mean is like it in all else.
        others: Files of the others.

    Raises:
        CheckpointError: If a file cannot be read.
        SettingsError: If a model differs from the first in more than its weights, began with another model, or learned
            from other slices or held out other patients.
    """
    parts = [load_checkpoint(path) for path in others]
    for path, part in zip(others, parts, strict=True):
        _require_alike(first, part, path)
    _put_mean(first, parts)
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in others]
    told = [{"sha256": digest, **part.header.training} for digest, part in zip(digests, parts, strict=True)]
    training = {**first.header.training, "averaged_with": told}
    return replace(first, header=replace(first.header, training=training))


def _put_mean(first: Model, parts: Sequence[Model]) -> None:
    mine = cast(nn.Module, first.segmenter).state_dict()
    theirs = [cast(nn.Module, part.segmenter).state_dict() for part in parts]
    mean = {
        name: (value.double() + sum(other[name].double() for other in theirs)).div(1 + len(theirs)).to(value.dtype)
        for name, value in mine.items()
    }
    cast(nn.Module, first.segmenter).load_state_dict(mean)


def _require_alike(first: Model, part: Model, path: Path) -> None:
    mine, theirs = first.header, part.header
    if _start(mine.training) is None:
        raise SettingsError(
            "these runs began with random weights, and the mean of such is no model; average runs that went on from "
            "one model (fit --start-from)"
        )
    compared = {
        "kind or network": ((mine.kind, mine.config), (theirs.kind, theirs.config)),
        "grid or grey scale": ((mine.grid, mine.intensity), (theirs.grid, theirs.intensity)),
        "beginning": (_start(mine.training), _start(theirs.training)),
        "choice of slices or of patients held out": (_seen(mine.training), _seen(theirs.training)),
    }
    if different := [what for what, (ours, other) in compared.items() if ours != other]:
        raise SettingsError(
            f"{path} has another {different[0]} than the first model; only runs that went on from one model with the "
            "same slices can be averaged"
        )


def _start(training: dict[str, Any]) -> object:
    start = training.get("started_from")
    return start and start["sha256"]


def _seen(training: dict[str, Any]) -> tuple[object, ...]:
    fit = fit_of(training)
    return training.get("data_sha256"), fit.get("holdout"), seed_of_holdout(fit)

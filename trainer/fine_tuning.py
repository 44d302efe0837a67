"""A run that begins with the weights of a model instead of random ones: to go on with other data, or another loss."""

from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any, cast

from napari_ambiseg.engine import load_model
from napari_ambiseg.errors import SettingsError
from napari_ambiseg.models.checkpoint import Model
from trainer.config import FitConfig, StartedFrom
from trainer.data.holdout import Holdout
from trainer.ema import warm_start
from trainer.evaluation.candidates import describe, fit_of, seed_of_holdout
from trainer.loop import Run


@dataclass(frozen=True, slots=True)
class Start:
    """A model to begin with.

    Attributes:
        model: The model.
        described: What a run says of it.
    """

    model: Model
    described: StartedFrom


def read_start(weights: str) -> Start:
    """The model that a run shall begin with.

    Args:
        weights: A model file, the folder of a run, or the name of a bundled model.

    Raises:
        CheckpointError: If there is no such model, or its file is damaged.
    """
    (found,) = describe([weights])
    return Start(load_model(found.weights), StartedFrom(name=found.label, sha256=found.sha256))


def begin_with(start: Start, run: Run, *, data_sha256: str) -> None:
    """Put the model's weights into a run at step 0.

    What only training needs and a model file does not hold (a posterior, say) stays as it was drawn.

    Args:
        start: The model.
        run: The run; its model must be of the same kind and configuration.
        data_sha256: Of the data that the run learns from.

    Raises:
        SettingsError: If the models differ, or the run would hold out patients of these data that the model has seen.
    """
    name, header = start.described.name, start.model.header
    config = run.config
    if header.kind != config.kind:
        raise SettingsError(
            f"{name} is of the kind {header.kind}, the run of {config.kind}; choose a recipe of that kind"
        )
    theirs, ours = cast("Any", start.model.segmenter), cast("Any", run.objective.model)
    if different := _differences(asdict(theirs.config), asdict(ours.config)):
        raise SettingsError(
            f"{name} is another model than the run's ({'; '.join(different)}); choose its recipe, "
            f"{_recipe(header.training)}, or set these fields alike"
        )
    _refuse_seen(name, header.training, config, data_sha256)
    ours.load_state_dict(theirs.state_dict())
    if run.ema is not None:
        warm_start(run.ema, run.objective)


def _differences(theirs: dict[str, Any], ours: dict[str, Any], inside: str = "") -> list[str]:
    """Where two configurations differ, in words."""
    found: list[str] = []
    for key in sorted({*theirs, *ours}):
        there, here = theirs.get(key), ours.get(key)
        if isinstance(there, dict) and isinstance(here, dict):
            found += _differences(cast("dict[str, Any]", there), cast("dict[str, Any]", here), f"{inside}{key}.")
        elif there != here:
            found.append(f"{inside}{key} is {_word(there)} there and {_word(here)} here")
    return found


def _word(value: object) -> object:
    return value.value if isinstance(value, Enum) else value


def _recipe(training: dict[str, Any]) -> str:
    return str(fit_of(training).get("recipe", "as its card says"))


def _refuse_seen(name: str, training: dict[str, Any], config: FitConfig, data_sha256: str) -> None:
    """Patients whom the model learned from are no longer held out, whatever the run says."""
    fit = fit_of(training)
    ours = Holdout.of(config)
    theirs = (fit.get("holdout"), seed_of_holdout(fit))
    if config.holdout and training.get("data_sha256") == data_sha256 and theirs != (ours.fraction, ours.seed):
        raise SettingsError(
            f"{name} has learned from patients of these data that the run would hold out; hold out the same, with "
            f"--set holdout={theirs[0]} holdout_seed={theirs[1]}"
        )

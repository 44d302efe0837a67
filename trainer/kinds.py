"""Every kind of model that can be fitted.

To add one, write its file in ``trainer.objectives``, list it here, and name it in ``FitConfig.kind``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from napari_ambiseg.errors import SettingsError
from napari_ambiseg.models.diffusion_segmenter import DiffusionSegmenter
from napari_ambiseg.models.segmenter import build
from trainer.config import FitConfig
from trainer.objectives.deterministic import DeterministicObjective, deterministic_config
from trainer.objectives.diffusion import DiffusionObjective, diffusion_config
from trainer.objectives.energy import EnergyObjective
from trainer.objectives.mc_dropout import MCDropoutObjective, mc_dropout_config
from trainer.objectives.objective import Objective
from trainer.objectives.phiseg import PHiSegObjective, phiseg_config
from trainer.objectives.prob_unet import ProbUNetObjective, prob_unet_config


@dataclass(frozen=True, slots=True)
class Kind:
    """How a kind of model is built and trained.

    Attributes:
        model_config: A run's configuration -> the model's, as its builder takes it.
        objective: The built model and the run's configuration -> what is minimised.
    """

    model_config: Callable[[FitConfig], dict[str, Any]]
    objective: Callable[[Any, FitConfig], Objective]


def _of_diffusion(model: DiffusionSegmenter, config: FitConfig) -> Objective:
    return EnergyObjective(model, config) if config.energy is not None else DiffusionObjective(model, config)


KINDS: dict[str, Kind] = {
    "diffusion": Kind(diffusion_config, _of_diffusion),
    "deterministic": Kind(deterministic_config, DeterministicObjective),
    "prob-unet": Kind(prob_unet_config, ProbUNetObjective),
    "mc-dropout": Kind(mc_dropout_config, MCDropoutObjective),
    "phiseg": Kind(phiseg_config, PHiSegObjective),
}


def model_config(config: FitConfig) -> dict[str, Any]:
    """The model's configuration as its builder and its checkpoints take it."""
    return cast("dict[str, Any]", _plain(KINDS[config.kind].model_config(config)))


def make_objective(config: FitConfig) -> Objective:
    """A freshly initialised model in its objective; draws from torch's global generator.

    Raises:
        SettingsError: If the settings contradict each other.
    """
    if config.energy is not None and config.kind != "diffusion":
        raise SettingsError(
            f"the energy loss is for diffusion models, and a {config.kind} model has one of its own; leave energy out"
        )
    return KINDS[config.kind].objective(build(config.kind, model_config(config)), config)


def _plain(value: Any) -> Any:
    """Tuples become lists, as JSON would have them."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in cast("dict[str, Any]", value).items()}
    return list(cast("tuple[Any, ...]", value)) if isinstance(value, tuple) else value

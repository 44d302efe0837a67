"""The models at the sizes that the paper compares."""

from trainer.config import with_overrides
from trainer.kinds import make_objective
from trainer.recipes import named_recipe

PAPER_MODELS: dict[str, dict[str, object]] = {
    "diffusion-paper": {"kind": "diffusion"},
    "prob-unet-aa": {"kind": "prob-unet", "latent": "aa"},
    "prob-unet-aa-mix": {"kind": "prob-unet", "latent": "aa-mix"},
    "prob-unet-fc": {"kind": "prob-unet", "latent": "fc"},
    "prob-unet-fc-mix": {"kind": "prob-unet", "latent": "fc-mix"},
    "phiseg": {"kind": "phiseg"},
    "deterministic-paper": {"kind": "deterministic"},
    "mc-dropout-paper": {"kind": "mc-dropout"},
}
"""Name of each model that can be fitted -> how it differs from the recipe ``central``, which has the paper's size."""


def parameter_counts() -> dict[str, int]:
    """Number of parameters of every model at the paper's size, in training: posteriors included."""
    return {name: _count(changes) for name, changes in PAPER_MODELS.items()}


def _count(changes: dict[str, object]) -> int:
    objective = make_objective(with_overrides(named_recipe("central"), changes))
    return sum(parameter.numel() for parameter in objective.parameters())

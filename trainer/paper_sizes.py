"""The models at the sizes that the paper compares."""

from trainer.config import with_overrides
from trainer.kinds import make_objective
from trainer.recipes import named_recipe

PAPER_MODELS: dict[str, dict[str, object]] = {
    "diffusion-paper": {"kind": "diffusion"},
    "deterministic-paper": {"kind": "deterministic"},
}
"""Name of each model that can be fitted -> how it differs from the recipe ``central``, which has the paper's size."""


def parameter_counts() -> dict[str, int]:
    """Number of parameters of every model at the paper's size, in training: posteriors included."""
    return {name: _count(changes) for name, changes in PAPER_MODELS.items()}


def _count(changes: dict[str, object]) -> int:
    objective = make_objective(with_overrides(named_recipe("central"), changes))
    return sum(parameter.numel() for parameter in objective.parameters())

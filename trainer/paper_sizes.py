"""The models at the sizes that the paper compares."""

from torch import nn

from napari_ambiseg.models.segmenter import build
from trainer.config import with_overrides
from trainer.loop import model_config
from trainer.recipes import named_recipe

PAPER_MODELS: dict[str, dict[str, object]] = {
    "diffusion-paper": {"kind": "diffusion"},
    "deterministic-paper": {"kind": "deterministic"},
}
"""Name of each model that can be fitted -> how it differs from the recipe ``central``, which has the paper's size."""


def parameter_counts() -> dict[str, int]:
    """Number of parameters of every model at the paper's size."""
    counts: dict[str, int] = {}
    for name, changes in PAPER_MODELS.items():
        config = with_overrides(named_recipe("central"), changes)
        model = build(config.kind, model_config(config))
        assert isinstance(model, nn.Module)
        counts[name] = sum(p.numel() for p in model.parameters())
    return counts

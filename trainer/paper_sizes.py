"""The models at the sizes that the paper compares."""

from torch import nn

from napari_ambiseg.models.segmenter import build
from trainer.loop import model_config
from trainer.recipes import named_recipe

PAPER_MODELS = {"diffusion-paper": "central"}
"""Name of the model -> recipe that fits it at the paper's size."""


def parameter_counts() -> dict[str, int]:
    """Number of parameters of every model at the paper's size."""
    counts: dict[str, int] = {}
    for name, recipe in PAPER_MODELS.items():
        config = named_recipe(recipe)
        model = build(config.kind, model_config(config))
        assert isinstance(model, nn.Module)
        counts[name] = sum(p.numel() for p in model.parameters())
    return counts

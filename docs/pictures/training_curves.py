"""Draws how the models that ship were trained, from the logs beside their figures: ``docs/results/training.png``.

One panel for each of the two runs of a model: their losses are weighted differently, and must not be compared.

    .venv/bin/python docs/pictures/training_curves.py

The training loss is a mean over five hundred steps, because a batch of sixteen says little: of the weights as they
were, on augmented slices. The loss on held-out patients is that of the averaged weights, which ship, on slices as they
are.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trainer.evaluation.figure import COLOURS, new_figure, save_figure

_RESULTS = Path(__file__).resolve().parents[1] / "results"
_WINDOW = 500  # steps
_RUNS = {
    "training-log.jsonl": "from random weights, weighting uniform",
    "second-training-log.jsonl": "from these weights, sigmoid of bias -6",
}


def main() -> None:
    """Draw every log that there is."""
    figure = new_figure(9.0, 3.6)
    for axes, (name, title) in zip(figure.subplots(1, len(_RUNS)), _RUNS.items(), strict=True):
        _draw(axes, sorted(_RESULTS.glob(f"*/{name}"), reverse=True))
        axes.set(title=title, xlabel="step", ylabel="loss", yscale="log")
    save_figure(figure, _RESULTS, "training")


def _draw(axes: Any, logs: Sequence[Path]) -> None:
    for colour, log in zip(COLOURS, logs, strict=False):
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        steps, losses = (np.array([line[key] for line in lines]) for key in ("step", "loss"))
        ends = np.arange(_WINDOW, steps.max() + 1, _WINDOW)
        means = [losses[(steps > end - _WINDOW) & (steps <= end)].mean() for end in ends]
        axes.plot(ends, means, color=colour, label=f"{log.parent.name}, training")
        judged = [(line["step"], line["validation_loss"]) for line in lines if "validation_loss" in line]
        axes.plot(*zip(*judged, strict=True), "--", color=colour, linewidth=0.9, label=f"{log.parent.name}, held out")
    axes.grid(alpha=0.25, which="both")
    axes.legend(fontsize=7)


if __name__ == "__main__":
    main()

"""Draws how the models that ship were trained, from the logs beside their figures: ``docs/results/training.png``.

    .venv/bin/python docs/pictures/training_curves.py

The training loss is a mean over a thousand steps, because a batch of sixteen says little: of the weights as they were,
on augmented slices. The loss on held-out patients is that of the averaged weights, which ship, on slices as they are.
"""

import json
from pathlib import Path

import numpy as np

from trainer.evaluation.figure import COLOURS, new_figure, save_figure

_RESULTS = Path(__file__).resolve().parents[1] / "results"
_WINDOW = 1000  # steps


def main() -> None:
    """Draw every log that there is."""
    figure = new_figure(7.0, 3.6)
    axes = figure.subplots()
    for colour, log in zip(COLOURS, sorted(_RESULTS.glob("*/training-log.jsonl"), reverse=True), strict=False):
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        steps, losses = (np.array([line[key] for line in lines]) for key in ("step", "loss"))
        ends = np.arange(_WINDOW, steps.max() + 1, _WINDOW)
        means = [losses[(steps > end - _WINDOW) & (steps <= end)].mean() for end in ends]
        axes.plot(ends, means, color=colour, label=f"{log.parent.name}, training")
        judged = [(line["step"], line["validation_loss"]) for line in lines if "validation_loss" in line]
        axes.plot(*zip(*judged, strict=True), "--", color=colour, linewidth=0.9, label=f"{log.parent.name}, held out")
    axes.set(xlabel="step", ylabel="loss", yscale="log")
    axes.grid(alpha=0.25, which="both")
    axes.legend(fontsize=8)
    save_figure(figure, _RESULTS, "training")


if __name__ == "__main__":
    main()

"""How small a lesion may be: what becomes of GED, Dice and the share of empty readings if smaller ones are empty.

    python benchmarks/smallest.py lidc-small-64 --data lidc_train_a.h5 lidc_train_b.h5 --slices 200
    python benchmarks/smallest.py lidc-small-64 --data lidc_train_a.h5 lidc_train_b.h5 --paired --json smallest.json

Choose the size at which readings are empty as often as the experts' masks, and look whether GED agrees.

The slices are those of the patients that the model's training kept out, the same as `trainer evaluate --held-out
--limit` takes, with the same seeds. Every reading is drawn once, specks and all; the sizes are tried on what was drawn.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

import napari_ambiseg
from napari_ambiseg.engine import SamplingOptions, load_model
from napari_ambiseg.engine.specks import without_specks
from napari_ambiseg.models.checkpoint import Model
from trainer.evaluation.bootstrap import PatientResamples
from trainer.evaluation.candidates import Candidate, agreed_holdout, choose_crop, describe
from trainer.evaluation.data import EvaluationData, Task, read_data
from trainer.evaluation.metrics import judge
from trainer.evaluation.protocol import Protocol
from trainer.evaluation.reading import drawn_from
from trainer.evaluation.session import Request, protocol_of

FIGURES = ("ged_4", "ged_4_pp", "dice_4", "dice_4_pp", "ged_16", "ged_unbiased_16", "dice_16", "hm_iou_16")
SHARES = ("empty_readings_16", "empty_experts")


def protocol_and_data(words: argparse.Namespace, one: Candidate) -> tuple[Protocol, EvaluationData]:
    """How the slices are read, and the slices."""
    request = Request(
        weights=(one.weights,),
        data=tuple(words.data),
        split="train",
        options=SamplingOptions(steps=words.steps, sampler=words.sampler, smallest_px=0),
        limit=words.slices,
        antithetic=words.paired,
        held_out=True,
    )
    holdout = agreed_holdout([one])
    data = read_data(request.data, request.split, limit=request.limit, seed=request.seed, holdout=holdout)
    return protocol_of(request, one, data, choose_crop([one], None, None), holdout), data


def judged(model: Model, task: Task, protocol: Protocol, sizes: Sequence[int]) -> list[list[float]]:
    """The figures of a slice, with each smallest size."""
    sampled = drawn_from(model, task, protocol)
    found: list[list[float]] = []
    for pixels in sizes:
        one = judge(
            samples=sampled.placement.readings(without_specks(sampled.x_hat[-1], pixels)),
            experts=task.experts,
            counts=protocol.readings,
            threshold=protocol.threshold,
            seeds=sampled.seeds,
        )
        found.append([one.figures[name] for name in (*FIGURES, *SHARES)])
    return found


def summary(
    rows: Sequence[Sequence[Sequence[float]]], sizes: Sequence[int], patients: Sequence[str]
) -> list[dict[str, Any]]:
    """Of every size: its figures, and how they differ from those of all specks kept, with intervals."""
    resamples, values = PatientResamples(patients), np.array(rows)  # (slices, sizes, figures)
    found: list[dict[str, Any]] = []
    for k, pixels in enumerate(sizes):
        means = resamples.means(values[:, k]).intervals()
        less = resamples.means(values[:, k] - values[:, 0]).differences()
        names = (*FIGURES, *SHARES)
        found.append(
            {
                "smallest_px": pixels,
                "figures": {name: one.as_json() for name, one in zip(names, means, strict=True)},
                "differences": {name: one.as_json() for name, one in zip(names, less, strict=True)},
            }
        )
    return found


def table(found: Sequence[dict[str, Any]]) -> str:
    """A line a size."""
    lines = [f"{'pixels':>6}" + "".join(f"{name:>18}" for name in (*FIGURES, *SHARES))]
    for one in found:
        figures = one["figures"].values()
        lines.append(f"{one['smallest_px']:6}" + "".join(f"{figure['mean']:18.4f}" for figure in figures))
    return "\n".join(lines)


def _words() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--data", nargs="+", required=True, help="the files that the model was trained on")
    parser.add_argument("--slices", type=int, default=200, help="evenly spaced")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--sampler", default="dpm++2m")
    parser.add_argument("--paired", action="store_true", help="readings in antithetic pairs")
    parser.add_argument("--sizes", nargs="+", type=int, default=[0, 4, 8, 12, 16, 20, 24, 28, 32, 40, 48, 64])
    parser.add_argument("--json", type=Path, help="the figures and how they differ")
    return parser.parse_args()


def main() -> None:
    """Print the table, and write the file."""
    words = _words()
    torch.set_num_threads(1)
    (candidate,) = describe([words.model])
    protocol, data = protocol_and_data(words, candidate)
    tasks = [data.task(position, protocol) for position in range(len(data))]
    model, sizes = load_model(candidate.weights), sorted({0, *words.sizes})
    rows = [judged(model, task, protocol, sizes) for task in tqdm(tasks, unit="slice")]
    found = summary(rows, sizes, [task.slice.subject for task in tasks])
    print(table(found))
    if words.json:
        about = {"protocol": protocol.as_json(), "slices": len(tasks), "version": napari_ambiseg.__version__}
        words.json.write_text(json.dumps({**about, "sizes": found}) + "\n")


if __name__ == "__main__":
    main()

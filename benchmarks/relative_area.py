"""Which relative-area threshold r suits a model: GED against r, on patients that its own training held out.

    python benchmarks/relative_area.py lidc-small-64 --data lidc_train_a.h5 lidc_train_b.h5 --limit 120

The held-out patients follow from the model's header (fraction and seed) and the files it was trained on. They were not
trained on, and they are not the patients on whom the model's figures are reported: a threshold may be chosen on them.
"""

import argparse
from collections.abc import Sequence

import numpy as np
import torch
from tqdm import tqdm

from napari_ambiseg.engine import GreyScale, SliceInput, load_model, reading_seeds, sample
from napari_ambiseg.models.checkpoint import Model
from napari_ambiseg.models.segmenter import SamplingOptions
from napari_ambiseg.readings.agreement import ged
from napari_ambiseg.readings.collection import SliceCollection
from napari_ambiseg.readings.relative_area import relative_area
from trainer.data.batches import split_by_patient
from trainer.data.sources import load_data

THRESHOLDS = (0.0, 0.1, 0.25, 0.5, 0.7)
COUNTS = (4, 16)


def held_out(model: Model, files: Sequence[str]) -> SliceCollection:
    """The slices of the patients that the model's training kept out."""
    fit = model.header.training["fit"]
    return split_by_patient(load_data(files, "train"), fit["holdout"], fit["seed"])[1]


def sweep(model: Model, slices: SliceCollection, chosen: Sequence[int]) -> dict[tuple[int, float], float]:
    """Mean GED for each number of readings and threshold, ten DDIM steps."""
    scores: dict[tuple[int, float], list[float]] = {(n, r): [] for n in COUNTS for r in THRESHOLDS}
    for index in tqdm(chosen, unit="slice"):
        one = slices[index]
        slice_input = SliceInput(one.image[0], one.spacing_mm, GreyScale.NORMALISED)
        seeds = reading_seeds(index, max(COUNTS))
        readings = sample(model, slice_input, seeds=seeds, options=SamplingOptions(steps=10, sampler="ddim")).readings
        for (count, r), values in scores.items():
            values.append(ged(samples=relative_area(readings[:count], r), experts=one.readings))
    return {key: float(np.mean(values)) for key, values in scores.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--data", nargs="+", required=True)
    parser.add_argument("--limit", type=int, default=120, help="slices, evenly spaced")
    words = parser.parse_args()
    torch.set_num_threads(1)
    model = load_model(words.model)
    slices = held_out(model, words.data)
    chosen = np.linspace(0, len(slices) - 1, min(words.limit, len(slices))).astype(int).tolist()
    means = sweep(model, slices, chosen)
    print(f"{len(chosen)} of {len(slices)} held-out slices")
    print("r      " + "".join(f"GED_{count:<6}" for count in COUNTS))
    for r in THRESHOLDS:
        print(f"{r:<7.2f}" + "".join(f"{means[count, r]:<10.4f}" for count in COUNTS))


if __name__ == "__main__":
    main()

"""How few steps will do: GED of every sampler at every number of steps, less that of ten DDIM steps.

    python benchmarks/samplers.py lidc-small-64 --data lidc_train_a.h5 lidc_train_b.h5 --held-out --slices 60
    python benchmarks/samplers.py lidc-small-64 --data lidc_val.h5 --slices 300 --samplers dpm++2m --steps 5

With --held-out the slices are those of the patients that the model's training kept out; there a sampler may be chosen.
Without it they are evenly spaced ones of a split, the same as `trainer evaluate --limit` takes, with the same seeds.

All ways to sample read the same slices from the same first noise, so that the differences say more than the figures;
the intervals come from resampling patients. Every reading is made by the model itself with one thread; its cost is
processor time, which a busy machine does not change much. With --keep a run that was stopped goes on.
"""

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

import napari_ambiseg
from napari_ambiseg.engine import GreyScale, SamplingOptions, load_model, reading_seeds
from napari_ambiseg.engine.grey import normalise
from napari_ambiseg.engine.placement import place
from napari_ambiseg.engine.specks import without_specks
from napari_ambiseg.models.checkpoint import Model
from napari_ambiseg.readings.collection import SliceCollection
from trainer.evaluation.bootstrap import PatientResamples
from trainer.evaluation.candidates import agreed_holdout, describe
from trainer.evaluation.data import Task, read_data
from trainer.evaluation.metrics import judge
from trainer.evaluation.protocol import slice_seed

FIGURES = ("ged_16", "ged_16_pp", "ged_4", "ged_4_pp", "dice_16", "empty_readings_16")
REFERENCE = SamplingOptions(steps=10, sampler="ddim")
Row = dict[str, float]
"""Figures of one slice, and ``seconds`` of processor time."""


def grid(options: SamplingOptions) -> str:
    """The time of the last estimate, or "uniform"."""
    uniform = options.last_time in (None, 1 / options.steps)  # of the reference it is None
    return "uniform" if uniform else f"{options.last_time:g}"


def label(options: SamplingOptions) -> str:
    """E.g. "dpm++2m 5 @0.05": sampler, steps, time of the last estimate if the grid is not uniform."""
    last = "" if grid(options) == "uniform" else f" @{grid(options)}"
    return f"{options.sampler} {options.steps}{last}"


def chosen_tasks(words: argparse.Namespace) -> list[Task]:
    """Whole slices, evenly spaced in a split or among held-out patients, as ``trainer evaluate --crop whole``."""
    holdout = agreed_holdout(describe([words.model])) if words.held_out else None
    split = "train" if words.held_out else words.split
    data = read_data(words.data, split, limit=words.slices, seed=0, holdout=holdout)
    located = map(data.locate, range(len(data)))
    return [_task(source.slice_id(index), source.collection, index) for source, index in located]


def _task(name: str, slices: SliceCollection, index: int) -> Task:
    return Task(name, slices[index], tuple(np.flatnonzero(slices.filled[index]).tolist()))


def read(model: Model, task: Task, options: SamplingOptions, threshold: float) -> Row:
    """Draw sixteen readings and judge them."""
    height, width = task.slice.image[0].shape
    placement = place(model.header.grid, slice_shape=(height, width), spacing_mm=task.slice.spacing_mm)
    image = placement.to_grid(normalise(task.slice.image[0], GreyScale.NORMALISED, model.header.intensity))[None]
    seeds = reading_seeds(slice_seed(task.id, seed=0), 16)
    started = time.process_time()
    *_, last = model.segmenter.sample(torch.from_numpy(image), seeds=seeds, options=options)
    seconds = time.process_time() - started
    readings = placement.readings(without_specks(last.x_hat[:, 0].numpy(), model.header.smallest_px))
    found = judge(samples=readings, experts=task.experts, counts=(4, 16), threshold=threshold).figures
    return {**{name: found[name] for name in FIGURES}, "seconds": seconds}


def kept(path: Path | None) -> dict[tuple[str, str], Row]:
    """What an earlier run has left: (slice, way) -> its row."""
    if path is None or not path.exists():
        return {}
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return {(line["slice"], line["way"]): line["row"] for line in lines}


def run(
    model: Model, tasks: Sequence[Task], ways: Sequence[SamplingOptions], words: argparse.Namespace
) -> Iterator[dict[str, list[Row]]]:
    """Read slice after slice, each in every way; yields all rows so far, by way."""
    known = kept(words.keep)
    rows: dict[str, list[Row]] = {label(way): [] for way in ways}
    for task in tqdm(tasks, unit="slice"):
        for way in ways:
            row = known.get((task.id, label(way)))
            if row is None:
                row = read(model, task, way, words.threshold)
                if words.keep:
                    with words.keep.open("a") as file:
                        file.write(json.dumps({"slice": task.id, "way": label(way), "row": row}) + "\n")
            rows[label(way)].append(row)
        yield rows


def summary(
    rows: dict[str, list[Row]], ways: Sequence[SamplingOptions], patients: Sequence[str]
) -> list[dict[str, Any]]:
    """Of every way: its figures, and its differences to the reference, with intervals."""
    resamples = PatientResamples(patients)
    values = {name: np.array([[row[figure] for figure in FIGURES] for row in found]) for name, found in rows.items()}
    found: list[dict[str, Any]] = []
    for way in ways:
        own = values[label(way)]
        intervals = resamples.means(own).intervals()
        differences = resamples.means(own - values[label(REFERENCE)]).differences()
        found.append(
            {
                "way": label(way),
                "sampler": way.sampler,
                "steps": way.steps,
                "last_time": way.last_time or 1 / way.steps,
                "grid": grid(way),
                "seconds": float(np.mean([row["seconds"] for row in rows[label(way)]])),
                "figures": {name: i.as_json() for name, i in zip(FIGURES, intervals, strict=True)},
                "differences": {name: d.as_json() for name, d in zip(FIGURES, differences, strict=True)},
            }
        )
    return found


def table(found: Sequence[dict[str, Any]], threshold: float) -> str:
    """A line a way: GED of 16 and of 4 readings, each raw and with the relative-area rule, less the reference's."""
    titles = [f"GED_{n}, r = {r:g}" for n in (16, 4) for r in (0.0, threshold)]
    lines = [f"{'':22}{'s':>6}" + "".join(f"{title:>33}" for title in titles) + f"{'empty':>8}"]
    for one in found:
        line = f"{one['way']:22}{one['seconds']:6.2f}"
        for name in FIGURES[:4]:
            d = one["differences"][name]
            line += f"{one['figures'][name]['mean']:9.4f} {d['mean']:+.4f} [{d['low']:+.4f}, {d['high']:+.4f}]"
        lines.append(line + f"{one['figures']['empty_readings_16']['mean']:8.3f}")
    return "\n".join(lines)


def plot(found: Sequence[dict[str, Any]], folder: Path, threshold: float) -> None:
    """GED of 16 readings against steps, a line for each sampler and last time."""
    from trainer.evaluation.figure import COLOURS, new_figure, save_figure

    figure = new_figure(9.0, 4.0)
    samplers = list(dict.fromkeys(one["sampler"] for one in found))
    grids = list(dict.fromkeys(one["grid"] for one in found))
    for panel, (name, r) in enumerate((("ged_16", 0.0), ("ged_16_pp", threshold)), start=1):
        axes = figure.add_subplot(1, 2, panel)
        for sampler, last in dict.fromkeys((one["sampler"], one["grid"]) for one in found):
            line = sorted((o for o in found if (o["sampler"], o["grid"]) == (sampler, last)), key=_steps)
            axes.plot(
                [o["steps"] for o in line],
                [o["figures"][name]["mean"] for o in line],
                ("-", "--", ":", "-.")[grids.index(last) % 4],
                color=COLOURS[samplers.index(sampler)],
                marker="os^D"[grids.index(last) % 4],
                label=sampler + (", uniform" if last == "uniform" else f", last estimate at {last}"),
            )
        reference = next(one for one in found if one["way"] == label(REFERENCE))
        axes.axhline(reference["figures"][name]["mean"], color="0.6", linewidth=0.8, zorder=0)
        axes.set(xlabel="steps", ylabel="GED, 16 readings", title=f"r = {r:g}")
    figure.axes[0].legend(fontsize=7)
    save_figure(figure, folder, "steps")


def _steps(one: dict[str, Any]) -> int:
    return one["steps"]


def _ways(words: argparse.Namespace) -> list[SamplingOptions]:
    """Every sampler at every number of steps on every grid, and the reference."""
    asked = [
        SamplingOptions(steps=steps, sampler=sampler, last_time=1 / steps if last == "uniform" else float(last))
        for sampler in words.samplers
        for last in words.last_times
        for steps in words.steps
    ]
    return list({label(way): way for way in (*asked, REFERENCE)}.values())


def _words() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--data", nargs="+", required=True)
    parser.add_argument("--held-out", action="store_true", help="the patients of `train` that the model has not seen")
    parser.add_argument("--split", default="val")
    parser.add_argument("--slices", type=int, default=60, help="evenly spaced")
    parser.add_argument("--samplers", nargs="+", default=["ddim", "dpm++2m", "sde-dpm++2m"])
    parser.add_argument("--steps", nargs="+", type=int, default=[4, 5, 6, 8, 10])
    parser.add_argument("--last-times", nargs="+", default=["uniform"], help="numbers, or `uniform`")
    parser.add_argument("--threshold", type=float, default=0.1, help="the relative area r beside r = 0")
    parser.add_argument("--keep", type=Path, help="JSON lines that a run goes on from")
    parser.add_argument("--json", type=Path, help="figures, differences and every slice's values")
    parser.add_argument("--plot", type=Path, help="folder for steps.png and steps.svg")
    return parser.parse_args()


def write(
    found: list[dict[str, Any]], rows: dict[str, list[Row]], tasks: Sequence[Task], words: argparse.Namespace
) -> None:
    """The files that were asked for, about the slices that are done."""
    if words.plot:
        plot(found, words.plot, words.threshold)
    if words.json:
        about = {"model": words.model, "data": [Path(name).name for name in words.data], "held_out": words.held_out}
        about |= {"readings": 16, "threshold": words.threshold, "version": napari_ambiseg.__version__}
        about |= {"slices": [task.id for task in tasks], "patients": [task.slice.subject for task in tasks]}
        values = {way: {name: [round(r[name], 5) for r in one] for name in FIGURES} for way, one in rows.items()}
        words.json.write_text(json.dumps({**about, "ways": found, "values": values}) + "\n")


def main() -> None:
    """Print the table, and write the files, after every tenth slice and at the end."""
    words = _words()
    torch.set_num_threads(1)
    model = load_model(words.model)
    model.segmenter.to(memory_format=torch.channels_last)
    tasks, ways = chosen_tasks(words), _ways(words)
    patients = [task.slice.subject for task in tasks]
    for done, rows in enumerate(run(model, tasks, ways, words), start=1):
        if done % 10 == 0 or done == len(tasks):
            found = summary(rows, ways, patients[:done])
            print(f"{done} of {len(tasks)} slices, {len(set(patients[:done]))} patients")
            print(table(found, words.threshold), flush=True)
            write(found, rows, tasks[:done], words)


if __name__ == "__main__":
    main()

"""Does drawing batches keep up with learning from them? Examples per second of both, measured in the same run.

    python benchmarks/loader.py --data lidc_train_a.h5
    python benchmarks/loader.py --recipes central --device cuda --steps 200 --json loader.json

Drawing is timed in one thread and in several that take turns at the steps, as the training loop's do; a step of
training is timed on a batch that is there already. Last the loop runs as it is, drawing ahead, and says what part of
its time it waited for batches.
"""

import argparse
import itertools
import json
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import torch

from trainer.config import FitConfig
from trainer.data.batches import Batch, BatchSource
from trainer.data.sources import load_data
from trainer.loop import start_run, train
from trainer.recipes import named_recipe


class OneBatch(BatchSource):
    """The same batch at every step, drawn once: what remains is the time of the step."""

    @cached_property
    def _first(self) -> Batch:
        return super().batch(0)

    def batch(self, step: int) -> Batch:
        """Step 0's."""
        return self._first


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured for a recipe; rates are examples per second.

    Attributes:
        recipe: Its name.
        grid_px: Side of its examples.
        batch_size: Examples per step.
        loader: Rate of drawing for each number of threads.
        step_ms: Median time of a training step.
        step: Rate of training without drawing.
        waiting: Part of the loop's time that it waited for batches, drawing ahead.
    """

    recipe: str
    grid_px: int
    batch_size: int
    loader: dict[int, float]
    step_ms: float
    step: float
    waiting: float

    @property
    def ratio(self) -> float:
        """How many times faster than training one thread draws."""
        return self.loader[1] / self.step


def loader_rate(source: BatchSource, config: FitConfig, *, threads: int, seconds: float) -> float:
    """Examples per second that several threads draw, each taking the next step as soon as it is free."""
    source.batch(0)
    steps = itertools.count()
    end = time.perf_counter() + seconds

    def draw() -> int:
        drawn = 0
        while time.perf_counter() < end:
            source.batch(next(steps))
            drawn += 1
        return drawn

    since = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        batches = sum(future.result() for future in [pool.submit(draw) for _ in range(threads)])
    return batches * config.batch_size / (time.perf_counter() - since)


def loop_times(source: BatchSource, config: FitConfig, device: torch.device) -> tuple[list[float], list[float]]:
    """Seconds of every step of a run but the first, and those of them spent waiting for the batch."""
    records = list(train(start_run(config, device), source))[1:]
    return [record.seconds for record in records], [record.data_seconds for record in records]


def measure(name: str, words: argparse.Namespace) -> Figures:
    """The figures of a recipe on the data of the command line."""
    config = named_recipe(name).model_copy(update={"steps": words.steps + 1})
    slices = load_data(words.data, "train")
    source = BatchSource(slices, config)
    rates = {n: loader_rate(source, config, threads=n, seconds=words.seconds) for n in words.loader_threads}
    device = torch.device(words.device)
    alone = statistics.median(loop_times(OneBatch(slices, config), config, device)[0])
    seconds, waited = loop_times(source, config, device)
    return Figures(
        recipe=name,
        grid_px=config.grid_px,
        batch_size=config.batch_size,
        loader=rates,
        step_ms=1000 * alone,
        step=config.batch_size / alone,
        waiting=sum(waited) / sum(seconds),
    )


def table(rows: Sequence[Figures]) -> str:
    """The figures as Markdown."""
    threads = list(rows[0].loader)
    head = ["recipe", "grid", "batch", *(f"drawn/s, {n} thread{'s' * (n > 1)}" for n in threads)]
    head += ["step ms", "trained/s", "drawn / trained", "waiting"]
    lines = [head, ["---"] * len(head)]
    for row in rows:
        cells = [row.recipe, f"{row.grid_px}", f"{row.batch_size}", *(f"{row.loader[n]:.0f}" for n in threads)]
        lines.append([*cells, f"{row.step_ms:.0f}", f"{row.step:.1f}", f"{row.ratio:.1f}", f"{row.waiting:.2%}"])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipes", nargs="+", default=["lidc-small-64", "central"])
    parser.add_argument("--data", nargs="+", default=["phantom:200"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--steps", type=int, default=3, help="training steps that are timed, after one to warm up")
    parser.add_argument("--seconds", type=float, default=3.0, help="time of drawing for each number of threads")
    parser.add_argument("--loader-threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--threads", type=int, default=1, help="of torch")
    parser.add_argument("--json", type=Path)
    words = parser.parse_args()
    torch.set_num_threads(words.threads)
    rows = [measure(name, words) for name in words.recipes]
    print(table(rows))
    if words.json is not None:
        found = [asdict(row) | {"ratio": row.ratio} for row in rows]
        words.json.write_text(
            json.dumps({"device": words.device, "threads": words.threads, "recipes": found}, indent=2)
        )


if __name__ == "__main__":
    main()

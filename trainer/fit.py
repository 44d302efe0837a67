"""``python -m trainer fit``: a recipe and data to a run folder.

The folder holds ``config.json`` (complete), ``log.jsonl`` (a line every ``log_steps``), ``state.safetensors`` (to go on
from) and ``model.safetensors`` (to sample: the moving average of the weights).
"""

import json
import os
import signal
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

import napari_ambiseg
from napari_ambiseg.errors import SettingsError
from napari_ambiseg.files import write_atomically
from napari_ambiseg.models.checkpoint import Grid, Header, save_checkpoint
from napari_ambiseg.readings.collection import SliceCollection
from trainer.config import DataSource, FitConfig, RunDescription
from trainer.data.batches import BatchSource, Shard, split_by_patient
from trainer.data.sources import collection_digest
from trainer.group import ALONE, Group
from trainer.kinds import model_config
from trainer.loop import Run, StepRecord, start_run, train, validation_loss
from trainer.state import STATE_FILE, read_state, restore, save_state

VALIDATION_BATCHES = 8
LOG_FILE = "log.jsonl"


def fit(
    config: FitConfig,
    data: SliceCollection,
    out: Path,
    *,
    device: torch.device,
    source: DataSource,
    group: Group = ALONE,
) -> Run:
    """Train a model from scratch into ``out``.

    Raises:
        SettingsError: If ``out`` holds a run already, or cannot be written.
        ComputeError: If the loss becomes infinite or NaN.
    """
    if (out / STATE_FILE).exists():
        raise SettingsError(f"{out} holds a run already; go on with `fit --resume {out}`, or give another folder")
    described = RunDescription(fit=config, data=source, data_sha256=collection_digest(data))
    return _drive(start_run(config, device), data, out, described, group)


def resume(
    config: FitConfig,
    data: SliceCollection,
    out: Path,
    *,
    device: torch.device,
    source: DataSource,
    group: Group = ALONE,
) -> Run:
    """Go on with the run in ``out``; on the CPU the result is bit for bit that of an uninterrupted run.

    Raises:
        SettingsError: If the run is further than ``config`` wants it, or ``data`` are not those it was started with.
        CheckpointError: If there is no run, its state is damaged, or it does not fit ``config``.
        ComputeError: If the loss becomes infinite or NaN.
    """
    tensors, header = read_state(out)
    step = int(header["step"])
    if step > config.steps:
        raise SettingsError(f"{out} has done {step} steps already, more than the {config.steps} asked for; give more")
    described = RunDescription(fit=config, data=source, data_sha256=collection_digest(data))
    if header["config"]["data_sha256"] != described.data_sha256:
        raise SettingsError(f"these are not the slices that {out} was started with; give the same files with --data")
    run = start_run(config, device)
    restore(tensors, objective=run.objective, ema=run.ema, optimizer=run.optimizer)
    run.step = step
    return _drive(run, data, out, described, group)


def _prepare(out: Path, described: RunDescription, step: int) -> None:
    """A folder that says what runs in it, and whose log ends at ``step``: later ones were lost, and are done again."""
    log = out / LOG_FILE
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_atomically(out / "config.json", (described.model_dump_json(indent=2) + "\n").encode())
        lines = [line for line in log.read_text().splitlines() if line.endswith("}")] if log.exists() else []
        kept = [f"{line}\n" for line in lines if json.loads(line)["step"] <= step]
        write_atomically(log, "".join(kept).encode())
    except OSError as error:
        raise SettingsError(f"the folder {out} cannot be written ({error.strerror}); give another --out") from error


def _drive(run: Run, data: SliceCollection, out: Path, described: RunDescription, group: Group) -> Run:
    config = run.config
    writes = group.index == 0
    if writes:
        _prepare(out, described, run.step)
    training, held_out = split_by_patient(data, config.holdout, config.seed)
    source = BatchSource(training, config, shard=Shard(group.index, group.count))
    validation = BatchSource(held_out, config, augment=False) if len(held_out) else None
    progress = tqdm(
        total=config.steps, initial=run.step, unit="step", desc=config.recipe, dynamic_ncols=True, disable=not writes
    )
    first, since = run.step, time.perf_counter()
    log_path = out / LOG_FILE if writes else Path(os.devnull)
    with _stop_requests() as stop, progress, log_path.open("a") as log:
        for record in train(run, source, group=group):
            progress.update()
            stopping = group.agree(stop.is_set())
            last = record.step == config.steps or stopping
            if record.step % config.checkpoint_steps == 0 or last:
                loss = validation_loss(run, validation, VALIDATION_BATCHES) if validation else None
                rate = (record.step - first) * config.batch_size / (time.perf_counter() - since)
                if writes:
                    _write(log, record, validation_loss=loss, examples_per_second=round(rate, 2))
                    _save(run, out, described, training)
            elif writes and record.step % config.log_steps == 0:
                _write(log, record)
                progress.set_postfix(loss=f"{record.loss:.4f}")
            if stopping:
                progress.write(f"stopped after step {record.step}; go on with `python -m trainer fit --resume {out}`")
                break
    return run


def _write(log: Any, record: StepRecord, **more: object) -> None:
    log.write(json.dumps(asdict(record) | more) + "\n")
    log.flush()


def _save(run: Run, out: Path, described: RunDescription, training: SliceCollection) -> None:
    """The sampleable model first, then the state that says that this step is done."""
    config, as_json = run.config, described.model_dump(mode="json")
    header = Header(
        kind=config.kind,
        config=model_config(config),
        grid=Grid((config.grid_px, config.grid_px), training.spacing_mm),
        intensity=training.intensity,
        name=config.recipe,
        training={
            **as_json,
            "data": {  # no folders in a file that is passed on
                "names": [Path(name).name for name in described.data.names],
                "split": described.data.split,
            },
            "step": run.step,
            "slices": len(training),
            "patients": len(set(training.subjects)),
            "napari_ambiseg": napari_ambiseg.__version__,
            "torch": torch.__version__,
        },
    )
    save_checkpoint(out / "model.safetensors", run.averaged.model, header)
    save_state(out, step=run.step, objective=run.objective, ema=run.ema, optimizer=run.optimizer, config=as_json)


@contextmanager
def _stop_requests() -> Generator[threading.Event]:
    """An event that SIGINT and SIGTERM set, so that the step under way is finished and saved."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    previous = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)

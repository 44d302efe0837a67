"""``python -m trainer fit``: a recipe and data to a run folder.

The folder holds ``config.json`` (complete), ``log.jsonl`` (a line every ``log_steps``), ``state.safetensors`` (to go on
from) and ``model.safetensors`` (to sample: the moving average of the weights).
"""

import json
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
from napari_ambiseg.models.checkpoint import Grid, Header, save_checkpoint
from napari_ambiseg.readings.collection import SliceCollection
from trainer.config import FitConfig
from trainer.data.batches import BatchSource, split_by_patient
from trainer.loop import Run, StepRecord, model_config, start_run, train, validation_loss
from trainer.state import STATE_FILE, read_state, restore, save_state

VALIDATION_BATCHES = 8


def fit(config: FitConfig, data: SliceCollection, out: Path, *, device: torch.device, data_names: list[str]) -> Run:
    """Train a model from scratch into ``out``.

    Raises:
        SettingsError: If ``out`` holds a run already.
        ComputeError: If the loss becomes infinite or NaN.
    """
    if (out / STATE_FILE).exists():
        raise SettingsError(f"{out} holds a run already; go on with `fit --resume {out}`, or give another folder")
    out.mkdir(parents=True, exist_ok=True)
    described = {"fit": config.model_dump(), "data": data_names}
    (out / "config.json").write_text(json.dumps(described, indent=2) + "\n")
    return _drive(start_run(config, device), data, out, described)


def resume(config: FitConfig, data: SliceCollection, out: Path, *, device: torch.device, data_names: list[str]) -> Run:
    """Go on with the run in ``out``; on the CPU the result is bit for bit that of an uninterrupted run."""
    tensors, header = read_state(out)
    run = start_run(config, device)
    restore(tensors, model=run.model, ema=run.ema, optimizer=run.optimizer)
    run.step = int(header["step"])
    return _drive(run, data, out, {"fit": config.model_dump(), "data": data_names})


def _drive(run: Run, data: SliceCollection, out: Path, described: dict[str, Any]) -> Run:
    config = run.config
    training, held_out = split_by_patient(data, config.holdout, config.seed)
    source = BatchSource(training, config)
    validation = BatchSource(held_out, config, augment=False) if len(held_out) else None
    progress = tqdm(total=config.steps, initial=run.step, unit="step", desc=config.recipe, dynamic_ncols=True)
    first, since = run.step, time.perf_counter()
    with _stop_requests() as stop, progress, (out / "log.jsonl").open("a") as log:
        for record in train(run, source):
            progress.update()
            last = record.step == config.steps or stop.is_set()
            if record.step % config.checkpoint_steps == 0 or last:
                loss = validation_loss(run, validation, VALIDATION_BATCHES) if validation else None
                rate = (record.step - first) * config.batch_size / (time.perf_counter() - since)
                _write(log, record, validation_loss=loss, examples_per_second=round(rate, 2))
                _save(run, out, described, training)
            elif record.step % config.log_steps == 0:
                _write(log, record)
                progress.set_postfix(loss=f"{record.loss:.4f}")
            if stop.is_set():
                progress.write(f"stopped after step {record.step}; go on with `python -m trainer fit --resume {out}`")
                break
    return run


def _write(log: Any, record: StepRecord, **more: object) -> None:
    log.write(json.dumps(asdict(record) | more) + "\n")
    log.flush()


def _save(run: Run, out: Path, described: dict[str, Any], training: SliceCollection) -> None:
    """The sampleable model first, then the state that says that this step is done."""
    config = run.config
    header = Header(
        kind=config.kind,
        config=model_config(config),
        grid=Grid((config.grid_px, config.grid_px), training.spacing_mm),
        intensity=training.intensity,
        name=config.recipe,
        training={
            **described,
            "data": [Path(name).name for name in described["data"]],  # no folders in a shared file
            "step": run.step,
            "slices": len(training),
            "patients": len(set(training.subjects)),
            "napari_ambiseg": napari_ambiseg.__version__,
            "torch": torch.__version__,
        },
    )
    save_checkpoint(out / "model.safetensors", run.best_weights, header)
    save_state(out, step=run.step, model=run.model, ema=run.ema, optimizer=run.optimizer, config=described)


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

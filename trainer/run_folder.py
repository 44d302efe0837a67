"""The folder of a run: every file in it is written here, and replaced in one step.

config.json                 all that defines the run
log.jsonl                   a line every ``log_steps``, at every judgement and every checkpoint
state.safetensors           to go on from (``trainer.state``)
model.safetensors           the model as it is now: the moving average of the weights, if there is one
best.safetensors            the model when its validation GED was lowest
samples/step-000123.png     what it drew for a few held-out slices
tensorboard/                the log as curves, and the pictures (``trainer.tensorboard``)
"""

import json
import math
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import torch
from filelock import FileLock, Timeout

import napari_ambiseg
from napari_ambiseg.errors import CheckpointError, SettingsError
from napari_ambiseg.files import write_atomically
from napari_ambiseg.models.checkpoint import Grid, Header, save_checkpoint
from napari_ambiseg.readings.collection import SliceCollection
from trainer.config import FitConfig, RunDescription, read_config
from trainer.kinds import model_config
from trainer.loop import Run
from trainer.state import save_state

CONFIG_FILE = "config.json"
LOG_FILE = "log.jsonl"
MODEL_FILE = "model.safetensors"
BEST_FILE = "best.safetensors"
SAMPLES_FOLDER = "samples"
LOCK_FILE = ".lock"
KEPT_PICTURES = 5


def result_file(config: FitConfig, folder: Path) -> str:
    """Name of the file in a run's folder with the weights that ``config.result`` asks for."""
    return BEST_FILE if config.result == "best" and (folder / BEST_FILE).is_file() else MODEL_FILE


def result_of(folder: Path) -> Path:
    """The model file that is the result of the run in ``folder``: the last weights where it does not say."""
    config = folder / CONFIG_FILE
    return folder / (result_file(read_config(config), folder) if config.is_file() else MODEL_FILE)


@contextmanager
def nobody_else(folder: Path) -> Generator[None]:
    """Hold the folder of a run while the block runs; the system lets go of it when the process dies, however it dies.

    Raises:
        SettingsError: If another process trains there, or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK_FILE)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise SettingsError(
            f"another process is training in {folder}; stop it or wait for its end, or give another folder"
        ) from error
    except OSError as error:
        raise _not_writable(folder, error) from error
    try:
        yield
    finally:
        lock.release()


def is_training(folder: Path) -> bool:
    """Whether a process holds the folder of a run now."""
    lock = FileLock(folder / LOCK_FILE)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    except OSError:  # no folder yet, or none that could be written
        return False
    lock.release()
    return False


class RunFolder:
    """Writes what a run leaves behind.

    Args:
        path: The folder; made if it is missing.
        described: What runs.
        training: The slices that it trains on.
    """

    def __init__(self, path: Path, described: RunDescription, training: SliceCollection) -> None:
        self.path = path
        self._described = described
        self._training = training
        self._last_logged = 0

    def prepare(self, step: int) -> None:
        """Say what runs here, sweep what a killed run left half written, and end the log at ``step``.

        Raises:
            SettingsError: If the folder cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            for leftover in [*self.path.glob(".*.part"), *self.path.glob(f"{SAMPLES_FOLDER}/.*.part")]:
                leftover.unlink(missing_ok=True)
            write_atomically(self.path / CONFIG_FILE, (self._described.model_dump_json(indent=2) + "\n").encode())
            # Later steps were lost with the processes that made them, and are done again.
            self._write_log(line for line in read_log(self.path) if line["step"] <= step)
        except OSError as error:
            raise _not_writable(self.path, error) from error

    def log(self, step: int, figures: dict[str, float]) -> None:
        """Add a line; figures of a step that has one already join it. Raises as ``save``."""
        line = {"step": step} | {name: _finite(value) for name, value in figures.items()}
        with self._resumable():
            lines = read_log(self.path) if step == self._last_logged else []
            if lines:
                self._write_log([*lines[:-1], lines[-1] | line])
            else:
                with (self.path / LOG_FILE).open("a") as file:
                    file.write(json.dumps(line) + "\n")
        self._last_logged = step

    def save(self, run: Run) -> None:
        """The model first, then the state that says that this step is done.

        Raises:
            CheckpointError: If they cannot be written; what was there before is whole.
        """
        self.save_model(run, MODEL_FILE)
        with self._resumable():
            save_state(self.path, run, self._described.model_dump(mode="json"))

    def save_model(self, run: Run, name: str) -> None:
        """The model with the weights to sample, and where it comes from. Raises as ``save``."""
        config = run.config
        header = Header(
            kind=config.kind,
            config=model_config(config),
            grid=Grid((config.grid_px, config.grid_px), self._training.spacing_mm),
            intensity=self._training.intensity,
            name=config.recipe,
            training=self._provenance(run),
        )
        with self._resumable():
            save_checkpoint(self.path / name, run.averaged.model, header)

    def save_picture(self, step: int, png: bytes) -> None:
        """Keep a picture of samples, and only the latest few. Raises as ``save``."""
        folder = self.path / SAMPLES_FOLDER
        with self._resumable():
            write_atomically(folder / f"step-{step:06}.png", png)
            for old in sorted(folder.glob("step-*.png"))[:-KEPT_PICTURES]:
                old.unlink()

    @contextmanager
    def _resumable(self) -> Generator[None]:
        """Whatever cannot be written ends the run, with the way to go on."""
        then = f"then go on with `python -m trainer fit --resume {self.path}`"
        try:
            yield
        except CheckpointError as error:
            raise CheckpointError(f"{error}, {then}") from error
        except OSError as error:
            raise CheckpointError(
                f"cannot write to {self.path} ({error.strerror or error}); make room or mend the folder, {then}"
            ) from error

    def _provenance(self, run: Run) -> dict[str, Any]:
        described = self._described
        return {
            **described.model_dump(mode="json"),
            "data": {  # no folders in a file that is passed on
                "names": [Path(name).name for name in described.data.names],
                "split": described.data.split,
            },
            "step": run.step,
            "best": asdict(run.best) if run.best else None,
            "slices": len(self._training),
            "patients": len(set(self._training.subjects)),
            "napari_ambiseg": napari_ambiseg.__version__,
            "torch": torch.__version__,
        }

    def _write_log(self, lines: Iterable[dict[str, Any]]) -> None:
        kept = list(lines)
        write_atomically(self.path / LOG_FILE, "".join(json.dumps(line) + "\n" for line in kept).encode())
        self._last_logged = kept[-1]["step"] if kept else 0


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The whole lines of a run's log; a killed run may leave a part of one. Empty if there is no log."""
    path, lines = folder / LOG_FILE, list[dict[str, Any]]()
    for text in path.read_text().splitlines() if path.exists() else []:
        try:
            lines.append(cast("dict[str, Any]", json.loads(text)))
        except json.JSONDecodeError:
            continue
    return lines


def _not_writable(folder: Path, error: OSError) -> SettingsError:
    return SettingsError(f"the folder {folder} cannot be written ({error.strerror or error}); give another --out")


def _finite(value: float) -> float | None:
    """JSON knows neither NaN nor infinity."""
    return value if math.isfinite(value) else None

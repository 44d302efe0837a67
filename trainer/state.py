"""The state of a run on disk: all that is needed to go on exactly where it stopped.

Random numbers need no saving: they depend on the step alone (``trainer.data.random``). A state is written whole under
another name; then the one before it becomes ``state.previous.safetensors``, and it takes that one's place. A killed run
therefore always finds a whole state. Each carries a checksum: of a damaged one nothing is used but its predecessor.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from napari_ambiseg.errors import CheckpointError
from napari_ambiseg.models.checkpoint import FORMAT_VERSION, read_tensors, write_tensors
from napari_ambiseg.models.segmenter import brief
from trainer.loop import Best, Run

STATE_FILE = "state.safetensors"
PREVIOUS_FILE = "state.previous.safetensors"
_NEXT_FILE = "state.next.safetensors"


@dataclass(frozen=True, slots=True)
class SavedState:
    """A state as read from disk.

    Attributes:
        tensors: Weights, their average, and the optimizer's.
        step: Steps done.
        config: The run's description.
        scaler: State of the loss scale; empty but for float16.
        judged: Step of the last judgement.
        best: The best judgement.
        fallback: Why this is not the latest state but the one before; None if it is the latest.
    """

    tensors: dict[str, Tensor]
    step: int
    config: dict[str, Any]
    scaler: dict[str, Any]
    judged: int
    best: Best | None
    fallback: str | None = None


def has_state(folder: Path) -> bool:
    """Whether there is a run in ``folder``."""
    return any((folder / name).is_file() for name in (STATE_FILE, PREVIOUS_FILE))


def save_state(folder: Path, run: Run, config: dict[str, Any]) -> None:
    """Write a run's state to ``folder``; the one before is kept.

    Raises:
        CheckpointError: If it cannot be written; the states that are there are left as they are.
    """
    tensors = {f"objective/{name}": value for name, value in run.objective.state_dict().items()}
    if run.ema is not None:
        tensors |= {f"ema/{name}": value for name, value in run.ema.state_dict().items()}
    for index, slots in run.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{slot}": value for slot, value in slots.items()}
    header = {
        "version": FORMAT_VERSION,
        "kind": "training-state",
        "step": run.step,
        "config": config,
        "scaler": run.precision.scaler.state_dict(),
        "judged": run.judged,
        "best": asdict(run.best) if run.best else None,
    }
    write_tensors(folder / _NEXT_FILE, {n: v.detach().cpu().clone() for n, v in tensors.items()}, header)
    if (folder / STATE_FILE).exists():
        (folder / STATE_FILE).replace(folder / PREVIOUS_FILE)
    (folder / _NEXT_FILE).replace(folder / STATE_FILE)


def read_state(folder: Path) -> SavedState:
    """The latest state in ``folder`` that is whole.

    Raises:
        CheckpointError: If there is none, or those that are there are damaged or no training states.
    """
    if not has_state(folder):
        raise CheckpointError(f"there is no run to resume in {folder}; start one with `fit RECIPE --out {folder}`")
    try:
        return _read(folder / STATE_FILE)
    except CheckpointError as error:
        if not (folder / PREVIOUS_FILE).is_file():
            raise
        return _read(folder / PREVIOUS_FILE, fallback=str(error))


def keep_fallback(folder: Path) -> None:
    """Put the previous state in the place of the latest, which is damaged or lost."""
    (folder / PREVIOUS_FILE).replace(folder / STATE_FILE)


def _read(path: Path, *, fallback: str | None = None) -> SavedState:
    tensors, header = read_tensors(path)
    if header.get("kind") != "training-state":
        raise CheckpointError(f"{path} is not the state of a training run; give the folder that `fit --out` wrote")
    best = header.get("best")
    return SavedState(
        tensors=_todays_names(tensors),
        step=int(header["step"]),
        config=header["config"],
        scaler=header.get("scaler", {}),
        judged=header.get("judged", 0),
        best=Best(**best) if best else None,
        fallback=fallback,
    )


def _todays_names(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same for runs that were started when a state held the model itself, and not yet its objective."""
    if not any(name.startswith("model/") for name in tensors):
        return tensors
    moved = {"model/": "objective/model.", "ema/module.": "ema/module.model."}
    for old, new in moved.items():
        tensors = {new + n.removeprefix(old) if n.startswith(old) else n: value for n, value in tensors.items()}
    return tensors


def restore(saved: SavedState, run: Run) -> None:
    """Put a saved state into a freshly started run of the same configuration.

    Raises:
        CheckpointError: If the state is of another configuration.
    """

    def under(prefix: str) -> dict[str, Tensor]:
        return {name.removeprefix(prefix): value for name, value in saved.tensors.items() if name.startswith(prefix)}

    try:
        run.objective.load_state_dict(under("objective/"))
        if run.ema is not None:
            run.ema.load_state_dict(under("ema/"))
    except RuntimeError as error:
        raise CheckpointError(f"the saved state does not fit this configuration: {brief(error)}") from error
    slots: dict[int, dict[str, Tensor]] = {}
    for name, value in under("optimizer/").items():
        index, slot = name.split("/")
        slots.setdefault(int(index), {})[slot] = value
    run.optimizer.load_state_dict({"state": slots, "param_groups": run.optimizer.state_dict()["param_groups"]})
    run.precision.scaler.load_state_dict(saved.scaler)
    run.step, run.judged, run.best = saved.step, saved.judged, saved.best

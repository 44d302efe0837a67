"""The state of a run on disk: all that is needed to go on exactly where it stopped.

Random numbers need no saving: they depend on the step alone (``trainer.data.random``). The file is written beside its
target and renamed, and carries a checksum; a killed run finds the previous state whole.
"""

from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel

from napari_ambiseg.errors import CheckpointError
from napari_ambiseg.models.checkpoint import FORMAT_VERSION, read_tensors, write_tensors
from napari_ambiseg.models.segmenter import brief

STATE_FILE = "state.safetensors"


def save_state(
    folder: Path,
    *,
    step: int,
    objective: nn.Module,
    ema: AveragedModel | None,
    optimizer: Optimizer,
    config: dict[str, Any],
) -> None:
    """Write the state after ``step`` optimizer steps to ``folder``."""
    tensors = {f"objective/{name}": value for name, value in objective.state_dict().items()}
    if ema is not None:
        tensors |= {f"ema/{name}": value for name, value in ema.state_dict().items()}
    for index, slots in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{slot}": value for slot, value in slots.items()}
    write_tensors(
        folder / STATE_FILE,
        {name: value.detach().cpu().clone() for name, value in tensors.items()},
        {"version": FORMAT_VERSION, "kind": "training-state", "step": step, "config": config},
    )


def read_state(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and header of the state in ``folder``.

    Raises:
        CheckpointError: If there is none, or it is damaged or no training state.
    """
    path = folder / STATE_FILE
    if not path.is_file():
        raise CheckpointError(f"there is no run to resume in {folder}; start one with `fit RECIPE --out {folder}`")
    tensors, header = read_tensors(path)
    if header.get("kind") != "training-state":
        raise CheckpointError(f"{path} is not the state of a training run; give the folder that `fit --out` wrote")
    return tensors, header


def restore(
    tensors: dict[str, Tensor], *, objective: nn.Module, ema: AveragedModel | None, optimizer: Optimizer
) -> None:
    """Put saved tensors back into freshly built objects of the same configuration."""

    def under(prefix: str) -> dict[str, Tensor]:
        return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}

    try:
        objective.load_state_dict(under("objective/"))
        if ema is not None:
            ema.load_state_dict(under("ema/"))
    except RuntimeError as error:
        raise CheckpointError(f"the saved state does not fit this configuration: {brief(error)}") from error
    slots: dict[int, dict[str, Tensor]] = {}
    for name, value in under("optimizer/").items():
        index, slot = name.split("/")
        slots.setdefault(int(index), {})[slot] = value
    optimizer.load_state_dict({"state": slots, "param_groups": optimizer.state_dict()["param_groups"]})

"""Writes the loss and the gradient of two batches for each kind of model: ``torchrun ... gradients.py FOLDER``."""

import os
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from napari_ambiseg.readings.collection import SliceCollection
from trainer.config import FitConfig
from trainer.data.batches import BatchSource, Shard
from trainer.distributed import joined
from trainer.group import Group
from trainer.kinds import KINDS
from trainer.loop import start_run


def squares() -> SliceCollection:
    """Noisy slices with a square whose size the two readers do not agree on."""
    rng = np.random.default_rng(0)
    readings = np.zeros((8, 2, 32, 32), bool)
    readings[:, 0, 8:24, 8:24] = readings[:, 1, 12:20, 10:20] = True
    images = (120 * readings.any(1) + rng.uniform(0, 90, (8, 32, 32))).astype(np.uint8)
    names = tuple(f"slice {i}" for i in range(8))
    return SliceCollection(images=images, readings=readings, subjects=names, nodules=np.arange(8), names=names)


SYSTEMS: dict[str, dict[str, object]] = {
    **{kind: {"kind": kind} for kind in KINDS},
    "energy": {"energy": {"steps": (2, 3)}, "experts": "all"},
}
"""Every kind, and the diffusion model's other loss."""


def gradients(system: str, group: Group, device: torch.device) -> dict[str, Tensor]:
    """The second batch shows that the first left no parameter without a gradient, which torch would not forgive."""
    common: dict[str, object] = {"recipe": "test", "size": "tiny", "grid_px": 32, "batch_size": 4}
    config = FitConfig.model_validate(common | SYSTEMS[system])
    run, found = start_run(config, device), dict[str, Tensor]()
    source = BatchSource(squares(), config, shard=Shard(group.index, group.count))
    objective = group.wrap(run.objective)
    for step in range(2):
        run.objective.zero_grad()
        loss = objective(source.batch(step).to(device))
        loss.backward()
        found[f"loss {step}"] = group.mean(loss.detach())
        found[f"gradient {step}"] = torch.cat([p.grad.flatten() for p in run.objective.parameters()])
    return found


def main(out: Path, device_name: str = "cpu") -> None:
    with joined(device_name) as (group, device):
        for system in SYSTEMS:
            found = gradients(system, group, device)
            if group.index == 0:
                save_file({name: value.cpu() for name, value in found.items()}, out / f"{system}.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
    os._exit(0)  # a thread of torch's may abort the interpreter's own end; see trainer.__main__
